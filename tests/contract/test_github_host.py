"""What only GitHub does: tokens that end, limits, redirects, moved names, answers that lie."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.github_api import GitHubApi
from chalicelib.adapters.github_app import AppIdentity, GitHubApp
from chalicelib.adapters.github_host import GitHubHost
from chalicelib.domain.repositories import Checks, RepositoryRef
from chalicelib.errors import CodeHostRefused, CodeHostUnavailable, PlatformError
from chalicelib.ports import Annotation, Check
from tests.contract.code_hosts import Clock, GitHubGround, github_host, standing_in
from tests.providers import code_host as stand_in
from tests.providers.code_host import CodeHostStandIn, Hook
from tests.providers.github_git import Content, Link, Submodule

FILES = {"agent.yaml": "name: echo\n"}
SHA = "a" * 40


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(tmp_path: Path, clock: Clock) -> Iterator[CodeHostStandIn]:
    with standing_in(tmp_path, clock) as github:
        yield github


@pytest.fixture
def ground(github: CodeHostStandIn, clock: Clock) -> GitHubGround:
    return GitHubGround(github, clock)


@pytest.fixture
def ref(ground: GitHubGround) -> RepositoryRef:
    return ground.create("acme/echo", FILES, private=True)


def minted(github: CodeHostStandIn) -> int:
    return sum(1 for _, path, _ in github.calls if path.endswith("/access_tokens"))


def refused(call: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call()
    return caught.value


# --- tokens -----------------------------------------------------------------------------------


def test_a_token_is_used_until_shortly_before_it_ends(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef, clock: Clock
) -> None:
    for _ in range(3):
        ground.host.branches(ref)
    assert minted(github) == 1
    clock.now += 3600 - 121
    ground.host.branches(ref)
    assert minted(github) == 1
    clock.now += 2
    ground.host.branches(ref)
    assert minted(github) == 2


def test_a_token_opens_one_repository_alone(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    other = ground.create("acme/other", FILES, private=True)
    ground.host.branches(ref)
    (token,) = github.tokens.values()
    assert token.repositories == (ref.id,)
    ground.host.branches(other)
    assert minted(github) == 2


def test_a_token_that_github_forgot_is_made_anew_once(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    ground.host.branches(ref)
    github.forget_tokens()
    assert ground.host.branches(ref)
    assert minted(github) == 2
    sha = ground.host.commit(ref, "main").sha
    github.forget_tokens()
    assert b"".join(ground.host.archive(ref, sha, max_bytes=10_000))


def test_another_apps_key_is_told_to_the_operator(github: CodeHostStandIn, clock: Clock) -> None:
    installed = github.install("acme")
    for pem in ("not a key", _another_key()):
        api = GitHubApi(
            github.api_url,
            loopback=True,
            clock=clock,
            transport=github.ends.enter_context(httpx.HTTPTransport()),
        )
        identity = AppIdentity(4711, "x", "", lambda: "", lambda pem=pem: pem)  # type: ignore[misc]
        host = GitHubHost(api, url=github.url, app=GitHubApp(api, identity, clock=clock))
        error = refused(lambda host=host: host.installation(installed.id))  # type: ignore[misc]
        assert error.code == "code_host_refused"
        assert "operator" in error.detail


def _another_key() -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    return (
        rsa.generate_private_key(65537, 2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def test_the_stand_in_takes_no_jwt_that_lives_too_long(tmp_path: Path, clock: Clock) -> None:
    now = int(clock.now)
    with CodeHostStandIn(tmp_path, clock).running() as github:
        for claims in ({"iat": now - 60, "exp": now + 700}, {"iat": now + 60, "exp": now + 300}):
            token = jwt.encode({**claims, "iss": stand_in.CLIENT_ID}, stand_in.KEY, "RS256")
            answer = httpx.get(
                f"{github.api_url}/app", headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == 401
        assert any("out of bounds" in one for one in github.complaints)
        assert any("Accept" in one for one in github.complaints)
        assert any("Version" in one for one in github.complaints)


# --- limits and conditions --------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    first = ground.host.branches(ref)
    used = sum(github.used.values())
    assert ground.host.branches(ref) == first
    assert github.calls[-1][2] == 304
    assert sum(github.used.values()) == used
    sha = ground.push(ref, {"a": "b"}, "Change", "main")
    assert ground.host.branches(ref)[0].sha == sha


def test_one_tenants_answer_is_never_anothers(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    ground.host.repository(ref)
    stranger = github.install("mallory")
    for other in (RepositoryRef("acme/echo", 0, stranger.id), RepositoryRef("acme/echo", ref.id)):
        error = refused(lambda other=other: ground.host.repository(other))  # type: ignore[misc]
        assert error.code == "repository_gone"


def test_one_persons_limit_and_answers_are_never_anothers(
    github: CodeHostStandIn, ground: GitHubGround, clock: Clock
) -> None:
    alone = github.install("eve")
    github.people |= {"ada": [ground.installation_id], "mallory": [], "eve": [alone.id]}
    github.people["bob"] = [ground.installation_id]
    for one in ("ada", "bob"):
        assert [i.id for i in ground.host.installations_of(one)] == [ground.installation_id]
    github.spent_until = clock.now + 900
    assert refused(lambda: ground.host.installations_of("mallory")).retry_after == 900
    github.spent_until = None
    assert [one.id for one in ground.host.installations_of("eve")] == [alone.id]
    # Somebody who is told the very same is asked about anew: nothing of the first was kept.
    github.people["bob"] = [alone.id]
    assert [one.id for one in ground.host.installations_of("bob")] == [alone.id]
    assert not [status for _, path, status in github.calls if status == 304]


def test_without_a_credential_a_long_list_is_not_read_to_its_end(
    github: CodeHostStandIn, clock: Clock
) -> None:
    repo = github.repository("acme/open", FILES)
    github.page_size = 1
    sha = repo.git.branches()["main"]
    for number in range(9):
        repo.git.git("update-ref", f"refs/heads/b{number}", sha)
    host = github_host(github, clock, app=False)
    assert len(host.branches(RepositoryRef("acme/open"))) == 3
    assert len(github.calls) == 3


def test_a_spent_limit_is_waited_for_and_not_asked_into(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef, clock: Clock
) -> None:
    other = ground.create("acme/other", FILES, private=True)
    assert ground.host.branches(other)
    ground.host.branches(ref)
    github.spent_until = clock.now + 900
    error = refused(lambda: ground.host.branches(ref))
    assert isinstance(error, CodeHostUnavailable)
    assert (error.code, error.retry_after) == ("code_host_rate_limited", 900)
    asked = len(github.calls)
    refused(lambda: ground.host.branches(ref))
    # The limit is the installation's, whichever of its repositories is asked about.
    assert refused(lambda: ground.host.branches(other)).code == "code_host_rate_limited"
    assert len(github.calls) == asked
    clock.now += 901
    assert ground.host.branches(ref)


@pytest.mark.parametrize(("branches", "kept"), [(10, True), (2000, False)])
def test_long_answers_are_not_kept(branches: int, kept: bool) -> None:
    conditions: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        conditions.append(request.headers.get("if-none-match"))
        items = [{"name": f"b{n}", "commit": {"sha": SHA}} for n in range(branches)]
        return httpx.Response(200, json=items, headers={"etag": '"tag"'})

    host = odd(answer)
    for _ in range(2):
        assert len(host.branches(RepositoryRef("acme/echo"))) == branches
    assert conditions == [None, '"tag"' if kept else None]


def test_a_secondary_limit_says_itself_how_long(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef, clock: Clock
) -> None:
    ground.host.branches(ref)
    github.secondary_seconds = 77
    assert refused(lambda: ground.host.branches(ref)).retry_after == 77
    github.secondary_seconds = None
    assert refused(lambda: ground.host.branches(ref)).retry_after == 77
    clock.now += 78
    assert ground.host.branches(ref)


def test_without_an_app_the_hour_s_sixty_calls_are_told(
    github: CodeHostStandIn, clock: Clock
) -> None:
    repo = github.repository("acme/open", FILES)
    host = github_host(github, clock, app=False)
    ref = RepositoryRef("acme/open", repo.id)
    assert host.app is False
    assert host.commit(ref, "main").message == "Begin"
    github.spent_until = clock.now + 600
    error = refused(lambda: host.commit(ref, "main"))
    assert error.retry_after == 600
    assert "make github-app" in error.detail


def test_without_an_app_nothing_is_written_and_nobody_installs(
    github: CodeHostStandIn, clock: Clock
) -> None:
    repo = github.repository("acme/open", FILES)
    host = github_host(github, clock, app=False)
    ref = RepositoryRef("acme/open", repo.id)
    calls: list[Callable[[], Any]] = [
        lambda: host.install_address("s"),
        lambda: host.installation(1),
        lambda: host.repositories(1),
        lambda: host.installations_of("c"),
        lambda: host.put_comment(ref, 1, "x", comment_id=None),
        lambda: host.branches(RepositoryRef("acme/open", repo.id, 1)),
    ]
    assert {refused(call).code for call in calls} == {"no_app"}


# --- pages, names and what is at them ---------------------------------------------------------


def test_lists_are_read_to_their_last_page(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    github.page_size = 2
    sha = ground.host.commit(ref, "main").sha
    for number in range(6):
        ground.at(ref).git.git("update-ref", f"refs/heads/b{number}", sha)
        github.check(ground.at(ref), sha, f"check {number}", "success")
        ground.create(f"acme/r{number}", FILES)
    github.check(ground.at(ref), sha, "the last one", "timed_out")
    github.people["c0de"] = [github.install(f"org{number}").id for number in range(5)]
    assert len(ground.host.branches(ref)) == 7
    assert len(ground.host.repositories(ground.installation_id)) == 7
    assert len(ground.host.installations_of("c0de")) == 5
    ground.comes_back("mine")
    [mine] = ground.host.installations_of("mine", reading=ground.installation_id)
    assert len(mine.repositories) == 7
    assert ground.host.checks(ref, sha, besides="Slipway") is Checks.FAILURE


def test_a_renamed_repository_is_still_the_same(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    sha = ground.host.commit(ref, "main").sha
    github.rename(ground.at(ref), "acme/renamed")
    assert ground.host.repository(ref).full_name == "acme/renamed"
    by_name = RepositoryRef("acme/echo", 0, ground.installation_id)
    assert ground.host.repository(by_name).id == ref.id
    # The adapter still has the old name in mind: GitHub leads it on, writes as well.
    assert [one.sha for one in ground.host.branches(ref)] == [sha]
    assert ground.host.put_check(
        ref, Check("Slipway", sha, "queued", "t", "s", "https://a.test", "")
    )
    assert b"".join(ground.host.archive(ref, sha, max_bytes=10_000))


def test_whoever_takes_an_old_name_is_not_taken_for_its_former_owner(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef, clock: Clock
) -> None:
    ours = ground.host.commit(ref, "main").sha
    github.rename(ground.at(ref), "acme/renamed")
    github.repository("acme/echo", {"agent.yaml": "name: trojan\n"})
    clock.now += 61
    assert ground.host.repository(ref).full_name == "acme/renamed"
    assert ground.host.commit(ref, "main").sha == ours


def test_a_repository_taken_from_the_app_is_gone(
    github: CodeHostStandIn, ground: GitHubGround, ref: RepositoryRef
) -> None:
    ground.at(ref).installation = None
    error = refused(lambda: ground.host.branches(ref))
    assert error.code == "repository_gone"
    assert "Add it to the App" in error.detail
    ground.at(ref).gone = True
    assert refused(lambda: ground.host.repository(ref)).code == "repository_gone"


def test_a_suspended_installation_says_who_can_lift_it(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    ground.host.branches(ref)
    ground.installed.suspended = True
    error = refused(lambda: ground.host.branches(ref))
    assert error.code == "installation_gone"
    assert "suspended" in error.detail
    assert ground.host.installation(ground.installation_id).suspended is True


def test_a_missing_permission_is_named(ground: GitHubGround, ref: RepositoryRef) -> None:
    sha = ground.host.commit(ref, "main").sha
    ground.installed.permissions["checks"] = "read"
    check = Check("Slipway", sha, "queued", "t", "s", "https://a.test", "")
    error = refused(lambda: ground.host.put_check(ref, check))
    assert error.code == "code_host_refused"
    assert "Resource not accessible by integration" in error.detail


def test_an_empty_repository_has_no_commit(github: CodeHostStandIn, ground: GitHubGround) -> None:
    made = github.repository("acme/empty", installation=ground.installed)
    ref = RepositoryRef("acme/empty", made.id, ground.installation_id)
    assert ground.host.branches(ref) == []
    assert refused(lambda: ground.host.commit(ref, "main")).code == "commit_gone"


# --- what changed -----------------------------------------------------------------------------


def test_renamed_and_removed_files_have_changed_too(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    github = ground.github
    long = "\n".join(f"line {n}" for n in range(50))
    before = github.push(ground.at(ref), {"old.txt": long, "away.txt": "x"}, "Two")
    after = github.push(
        ground.at(ref), {"old.txt": None, "new.txt": long, "away.txt": None}, "Move"
    )
    changed = ground.host.changed_paths(ref, before, after)
    assert changed == ("away.txt", "new.txt", "old.txt")


def test_after_a_force_push_nobody_says_what_changed(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    first = ground.host.commit(ref, "main").sha
    second = ground.push(ref, {"secret.txt": "x"}, "Second", "main")
    rewritten = ground.github.push(ground.at(ref), {"b.txt": "y"}, "Rewritten", parent=first)
    assert ground.host.changed_paths(ref, second, rewritten) is None
    assert ground.host.changed_paths(ref, second, first) is None


def test_as_many_files_as_github_lists_may_not_be_all(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    before = ground.host.commit(ref, "main").sha
    some = ground.push(ref, {f"f/{n}": str(n) for n in range(299)}, "Many", "main")
    all_of_them = ground.push(ref, {f"f/{n}": f"{n}!" for n in range(300)}, "More", "main")
    assert len(ground.host.changed_paths(ref, before, some) or ()) == 299
    assert ground.host.changed_paths(ref, some, all_of_them) is None


# --- archives ---------------------------------------------------------------------------------


def test_links_and_submodules_arrive_as_git_packs_them(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    files: dict[str, Content] = {"out": Link("../../etc/passwd"), "sub": Submodule()}
    sha = ground.github.push(ground.at(ref), files, "Odd things")
    packed = b"".join(ground.host.archive(ref, sha, max_bytes=100_000))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        kinds = {one.name.partition("/")[2]: one.type for one in archive.getmembers()}
    assert kinds["out"] == tarfile.SYMTYPE
    assert kinds["sub"] == tarfile.DIRTYPE


def test_the_address_of_an_archive_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "codeload.github.test":
            return httpx.Response(200, content=iter([b"packed"]))
        place = "https://codeload.github.test/x?token=SECRET"
        return httpx.Response(302, headers={"location": place})

    with caplog.at_level(logging.DEBUG):
        ref = RepositoryRef("acme/echo")
        assert b"".join(odd(answer).archive(ref, SHA, max_bytes=100)) == b"packed"
    assert "SECRET" not in caplog.text


def test_an_archive_that_breaks_off_is_asked_for_again_later(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    sha = ground.host.commit(ref, "main").sha
    ground.github.cut_archives = True
    error = refused(lambda: b"".join(ground.host.archive(ref, sha, max_bytes=100_000)))
    assert isinstance(error, CodeHostUnavailable)


# --- reporting --------------------------------------------------------------------------------


def test_more_annotations_than_one_call_takes_are_sent_in_several(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    sha = ground.host.commit(ref, "main").sha
    notes = tuple(Annotation("agent.yaml", n, "failure", "t", "m") for n in range(120))
    check = Check(
        "Slipway",
        sha,
        "completed",
        "t",
        "x" * 100_000,
        "https://a.test",
        "",
        conclusion="failure",
        annotations=notes,
    )
    number = ground.host.put_check(ref, check)
    kept = ground.at(ref).check_runs[number]["output"]["annotations"]
    assert [one["start_line"] for one in kept] == [max(1, n) for n in range(120)]


def test_what_somebody_has_removed_is_made_anew(ground: GitHubGround, ref: RepositoryRef) -> None:
    sha = ground.host.commit(ref, "main").sha
    repo = ground.at(ref)
    number = ground.pull(ref)
    comment = ground.host.put_comment(ref, number, "one", comment_id=None)
    run = ground.host.put_check(ref, Check("S", sha, "queued", "t", "s", "https://a.test", ""))
    repo.comments.clear()
    repo.check_runs.clear()
    assert ground.host.put_comment(ref, number, "two", comment_id=comment) != comment
    again = Check("S", sha, "queued", "t", "s", "https://a.test", "", id=run)
    assert ground.host.put_check(ref, again) != run
    assert [one["body"] for one in repo.comments.values()] == ["two"]


def test_our_own_checks_and_statuses_are_not_waited_for(
    ground: GitHubGround, ref: RepositoryRef
) -> None:
    sha = ground.host.commit(ref, "main").sha
    ground.host.put_check(ref, Check("Slipway", sha, "queued", "t", "s", "https://a.test", ""))
    ground.host.put_check(
        ref, Check("Slipway other", sha, "queued", "t", "s", "https://a.test", "")
    )
    repo = ground.at(ref)
    repo.statuses.append({"id": 1, "context": "Slipway", "state": "pending", "sha": sha})
    mine = {"id": 5, "context": "Slipway / echo (preview)", "state": "failure", "sha": sha}
    repo.statuses.append(mine)
    assert ground.host.checks(ref, sha, besides="Slipway") is Checks.NONE
    repo.statuses.append({"id": 2, "context": "ci/old", "state": "error", "sha": sha})
    assert ground.host.checks(ref, sha, besides="Slipway") is Checks.FAILURE
    ground.github.check(repo, sha, "lint", "neutral")
    repo.statuses.append({"id": 3, "context": "ci/old", "state": "success", "sha": sha})
    assert ground.host.checks(ref, sha, besides="Slipway") is Checks.SUCCESS


def test_a_status_is_written_where_the_app_may(ground: GitHubGround, ref: RepositoryRef) -> None:
    sha = ground.host.commit(ref, "main").sha
    ground.installed.permissions["statuses"] = "write"
    ground.host.put_status(
        ref, sha, context="Slipway", state="success", description="Live", url="https://a.test"
    )
    assert ground.at(ref).statuses[0]["state"] == "success"


# --- answers that lie -------------------------------------------------------------------------


def odd(answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> GitHubHost:
    """The adapter, without an App, where somebody else answers in GitHub's place."""
    api = GitHubApi("https://api.github.test", transport=httpx.MockTransport(answer), **options)
    return GitHubHost(api, url="https://github.test", app=None)


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.test/repos/acme/echo",
        "http://api.github.test/repos/acme/echo",
        "http://169.254.169.254/latest/meta-data",
        "https://api.github.test:8443/repositories/1",
        "https://u:p@api.github.test/repositories/1",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_to_another_place_is_not_followed(place: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(301, headers={"location": place})

    error = refused(lambda: odd(answer).repository(RepositoryRef("acme/echo")))
    assert error.code == "code_host_refused"
    assert asked == ["https://api.github.test/repos/acme/echo"]


def test_a_next_page_elsewhere_is_not_read() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.github.test"
        link = '<https://evil.test/branches?page=2>; rel="next"'
        return httpx.Response(200, json=[], headers={"link": link})

    error = refused(lambda: odd(answer).branches(RepositoryRef("acme/echo")))
    assert error.code == "code_host_refused"


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.test/x",
        "http://codeload.github.test/x",
        "https://codeload.github.test.evil.test/",
    ],
)
def test_an_archive_elsewhere_is_not_fetched(place: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.github.test"
        return httpx.Response(302, headers={"location": place})

    ref = RepositoryRef("acme/echo")
    error = refused(lambda: b"".join(odd(answer).archive(ref, SHA, max_bytes=100)))
    assert error.code == "code_host_refused"


def test_an_archive_is_fetched_from_where_github_keeps_archives() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "codeload.github.test":
            return httpx.Response(200, content=iter([b"packed"]))
        return httpx.Response(302, headers={"location": "https://codeload.github.test/x?token=t"})

    ref = RepositoryRef("acme/echo")
    assert b"".join(odd(answer).archive(ref, SHA, max_bytes=100)) == b"packed"


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait"),
    [
        (500, {}, b"oh", 30),
        (502, {}, b"<html>", 30),
        (200, {}, b"<html>", 30),
        (200, {}, b"[]", 30),
        (200, {}, b'{"id": "x"}', 30),
        (429, {"retry-after": "12"}, b"", 12),
        (429, {}, b"", 60),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit"}', 60),
        (403, {"retry-after": "0"}, b"", 1),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000100"}, b"", 100),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999"}, b"", 3700),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, b"rate limit", 60),
    ],
)
def test_what_is_a_matter_of_time_says_when(
    status: int, headers: dict[str, str], body: bytes, wait: int
) -> None:
    host = odd(
        lambda _: httpx.Response(status, headers=headers, content=body), clock=lambda: 1_000_000.0
    )
    error = refused(lambda: host.repository(RepositoryRef("acme/echo")))
    assert isinstance(error, CodeHostUnavailable)
    assert error.retry_after == wait


@pytest.mark.parametrize("status", [400, 403, 404, 410, 451, 418])
def test_what_is_no_matter_of_time_is_refused(status: int) -> None:
    host = odd(lambda _: httpx.Response(status, json={"message": "No\nway " + "x" * 1000}))
    error = refused(lambda: host.repository(RepositoryRef("acme/echo")))
    assert isinstance(error, CodeHostRefused)
    assert "\n" not in error.detail
    assert len(error.detail) < 500


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    host = odd(lambda _: httpx.Response(200, content=b" " * 17_000_000))
    assert isinstance(refused(lambda: host.repository(RepositoryRef("acme/echo"))), CodeHostRefused)
    assert host.changed_paths(RepositoryRef("acme/echo"), SHA, "b" * 40) is None


def test_an_address_that_is_not_https_is_not_spoken_to() -> None:
    for url in ("http://api.github.test", "https://u:p@api.github.test", "ftp://api.github.test"):
        api = GitHubApi(url, transport=httpx.MockTransport(lambda _: httpx.Response(200, json={})))
        host = GitHubHost(api, url="https://github.test", app=None)
        error = refused(lambda host=host: host.repository(RepositoryRef("a/b")))  # type: ignore[misc]
        assert "not https" in error.detail


@given(st.one_of(st.text(max_size=300), st.from_regex(r"[\w./;$%?#&@\\-]{1,40}")))
def test_whatever_a_branch_is_called_it_stays_one_part_of_the_path(name: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"message": "Not Found"})

    refused(lambda: odd(answer).commit(RepositoryRef("acme/echo"), name))
    for path in asked:
        bare, _, query = path.partition("?")
        if bare == "/repos/acme/echo":
            continue
        assert query == "per_page=1"
        assert re.fullmatch(r"/repos/acme/echo/commits/[A-Za-z0-9%._~-]+", bare), bare
        assert bare.rpartition("/")[2] not in (".", "..")


@given(st.text(max_size=60))
def test_whatever_a_repository_is_called_nothing_else_is_asked_for(name: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"message": "Not Found"})

    refused(lambda: odd(answer).repository(RepositoryRef(name)))
    assert all(re.fullmatch(r"/repos/[\w-]+/[\w.-]+", path) for path in asked)


def test_redirects_that_never_end_are_left() -> None:
    place = {"location": "https://api.github.test/repositories/1"}
    host = odd(lambda _: httpx.Response(301, headers=place))
    assert "without end" in refused(lambda: host.repository(RepositoryRef("a/b"))).detail


# --- the stand-in itself ----------------------------------------------------------------------


def test_the_stand_in_takes_nothing_that_the_description_does_not_allow(tmp_path: Path) -> None:
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    with CodeHostStandIn(tmp_path).running() as github:
        installed = github.install("acme")
        repo = github.repository("acme/echo", FILES, installation=installed)
        token = stand_in.Token(installed, github.clock() + 60, None)
        github.tokens["ghs_x"] = token
        sent = {**headers, "Authorization": "Bearer ghs_x"}
        at = f"{github.api_url}/repos/acme/echo"
        sha = repo.git.branches()["main"]

        def ask(method: str, path: str, **given: Any) -> int:
            return httpx.request(method, f"{at}{path}", headers=sent, **given).status_code

        assert ask("GET", "/branches?per_page=101") == 422
        assert ask("GET", "/branches?limit=5") == 422
        assert ask("GET", "/brunches") == 404
        assert ask("POST", "/check-runs", json={"name": "x"}) == 422
        assert ask("POST", "/check-runs", json={"name": "x", "head_sha": sha, "state": "x"}) == 422
        assert ask("POST", f"/statuses/{sha}", json={"state": "fine"}) == 422
        assert ask("PATCH", "/issues/comments/one", json={"body": "x"}) == 422
        assert len(github.complaints) == 7
        assert ask("POST", f"/statuses/{sha}", json={"state": "success"}) == 403
        assert ask("GET", "/branches?per_page=100") == 200
        assert len(github.complaints) == 7


def test_the_stand_ins_payloads_are_as_described_and_signed(tmp_path: Path) -> None:
    with CodeHostStandIn(tmp_path).running() as github:
        github.silent = True
        github.hooks.append(Hook("https://a.test", "secret"))
        installed = github.install("acme")
        repo = github.repository("acme/echo", FILES, installation=installed)
        first = repo.git.branches()["main"]
        second = github.push(repo, {"a.txt": "1"}, "Two")
        github.push(repo, {"b.txt": "2"}, "Other", branch="side", parent=first)
        github.push(repo, {"c.txt": "3"}, "Forced", parent=first)
        github.push_tag(repo, "v1", second)
        number = github.open_pull(repo, "side")
        github.push(repo, {"d.txt": "4"}, "More", branch="side")
        github.close_pull(repo, number, merged=True)
        github.delete_branch(repo, "side")
        github.check(repo, second, "tests", "success")
        github.rename(repo, "acme/new")
        for action in ("created", "suspend", "unsuspend", "deleted"):
            github.installed(installed, action)
        github.ping()
        told = [(one.event, json.loads(one.body)) for one in github.deliveries]
    pushes = [body for event, body in told if event == "push"]
    assert [body["forced"] for body in pushes] == [False, False, True, False, False, False]
    assert [body["created"] for body in pushes] == [False, True, False, True, False, False]
    assert pushes[-1]["deleted"]
    assert pushes[0]["commits"][0]["added"] == ["a.txt"]
    actions = [body["action"] for event, body in told if event == "pull_request"]
    assert actions == ["opened", "synchronize", "closed"]
    one = github.deliveries[0]
    digest = hmac.new(b"secret", one.body, hashlib.sha256).hexdigest()
    assert one.headers()["X-Hub-Signature-256"] == f"sha256={digest}"
    assert len({one.id for one in github.deliveries}) == len(github.deliveries)
