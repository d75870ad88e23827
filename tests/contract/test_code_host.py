"""One suite for every code host: the one in memory, and GitHub's adapter over its stand-in."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.repositories import Checks, RepositoryRef
from chalicelib.errors import CodeHostRefused, CodeHostUnavailable, TooLarge
from chalicelib.ports import Annotation, Check
from tests.contract.code_hosts import Clock, GitHubGround, Ground, MemoryGround, standing_in

FILES = {"agent.yaml": "name: echo\n", "src/main.py": "print('hello')\n"}


@pytest.fixture(params=["memory", "github"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "memory":
        yield MemoryGround()
        return
    clock = Clock()
    with standing_in(tmp_path, clock) as github:
        yield GitHubGround(github, clock)


@pytest.fixture
def ref(ground: Ground) -> RepositoryRef:
    return ground.create("acme/echo", FILES)


def unpacked(packed: bytes) -> dict[str, str]:
    """The files of an archive, without the one folder they all lie in."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        found = {}
        for one in archive.getmembers():
            content = archive.extractfile(one) if one.isfile() else None
            if content is not None:
                found[one.name.partition("/")[2]] = content.read().decode()
        return found


def test_who_comes_back_with_a_code_is_told_what_they_may_use_once(ground: Ground) -> None:
    ground.comes_back("c0de")
    assert [one.id for one in ground.host.installations_of("c0de")] == [ground.installation_id]
    with pytest.raises(CodeHostRefused):
        ground.host.installations_of("c0de")


def test_who_comes_back_names_no_repository_they_may_not_read(ground: Ground) -> None:
    shown = ground.create("acme/shown", FILES)
    ground.hide(ground.create("acme/hidden", FILES))
    ground.comes_back("c0de")
    [found] = ground.host.installations_of("c0de", reading=ground.installation_id)
    assert found.repositories == {shown.id}
    assert len(ground.host.repositories(ground.installation_id)) == 2


def test_an_installation_has_an_account_until_it_is_removed(ground: Ground) -> None:
    found = ground.host.installation(ground.installation_id)
    assert (found.account, found.suspended) == ("acme", False)
    ground.revoke()
    with pytest.raises(CodeHostRefused) as refused:
        ground.host.installation(ground.installation_id)
    assert refused.value.code == "installation_gone"


def test_repositories_are_those_of_the_installation(ground: Ground, ref: RepositoryRef) -> None:
    hidden = ground.create("acme/hidden", FILES, private=True)
    found = {one.id: one for one in ground.host.repositories(ground.installation_id)}
    assert set(found) == {ref.id, hidden.id}
    assert (found[hidden.id].private, found[ref.id].full_name) == (True, "acme/echo")


def test_a_repository_is_found_by_its_name_and_by_its_number(
    ground: Ground, ref: RepositoryRef
) -> None:
    by_number = ground.host.repository(ref)
    by_name = ground.host.repository(RepositoryRef("acme/echo"))
    assert by_number == by_name
    assert by_name.default_branch == "main"


def test_what_is_not_there_and_what_is_not_for_us_look_the_same(ground: Ground) -> None:
    ground.create("acme/hidden", FILES, private=True)
    for name in ("acme/hidden", "acme/nowhere", "../etc", "acme/..", "acme"):
        with pytest.raises(CodeHostRefused) as refused:
            ground.host.repository(RepositoryRef(name))
        assert refused.value.code == "repository_gone"


def test_a_public_repository_needs_no_permission(ground: Ground, ref: RepositoryRef) -> None:
    public = RepositoryRef("acme/echo", ref.id)
    sha = ground.host.commit(public, "main").sha
    assert unpacked(b"".join(ground.host.archive(public, sha, max_bytes=1_000_000))) == FILES


@pytest.mark.parametrize("name", ["feature/log-in", "$(id)", "a;b&c|d", "'q'", "ümläut", "100%25"])
def test_a_branch_is_what_it_is_called(ground: Ground, ref: RepositoryRef, name: str) -> None:
    sha = ground.push(ref, {"new.txt": "x"}, "On the side", name)
    assert {one.name: one.sha for one in ground.host.branches(ref)}[name] == sha
    assert ground.host.commit(ref, name).sha == sha


@pytest.mark.parametrize(
    "name", ["nowhere", "../main", "main\n", "a b", "x..y", "", "@", ".hidden", "f" * 40, "main~1"]
)
def test_a_name_of_nothing_names_no_commit(ground: Ground, ref: RepositoryRef, name: str) -> None:
    with pytest.raises(CodeHostRefused) as refused:
        ground.host.commit(ref, name)
    assert refused.value.code == "commit_gone"


def test_a_commit_is_named_by_branch_tag_and_number(ground: Ground, ref: RepositoryRef) -> None:
    sha = ground.push(ref, {"new.txt": "x"}, "First line\n\nThe rest of it", "main")
    ground.tag(ref, "v1", sha)
    found = [ground.host.commit(ref, name) for name in ("main", "v1", sha)]
    assert {one.sha for one in found} == {sha}
    assert found[0].message == "First line\n\nThe rest of it"
    assert found[0].author
    assert found[0].committed_at is not None


def test_a_tag_does_not_hide_a_branch(ground: Ground, ref: RepositoryRef) -> None:
    before = ground.host.commit(ref, "main").sha
    ground.tag(ref, "main", before)
    after = ground.push(ref, {"new.txt": "x"}, "Later", "main")
    assert ground.host.commit(ref, "main").sha == after


def test_what_changed_between_two_commits(ground: Ground, ref: RepositoryRef) -> None:
    before = ground.host.commit(ref, "main").sha
    after = ground.push(ref, {"docs/a.md": "x", "src/main.py": "pass\n"}, "Change", "main")
    assert ground.host.changed_paths(ref, before, after) == ("docs/a.md", "src/main.py")
    assert ground.host.changed_paths(ref, after, after) == ()


def test_what_cannot_be_compared_is_not_guessed(ground: Ground, ref: RepositoryRef) -> None:
    head = ground.host.commit(ref, "main").sha
    for base in ("0" * 40, "f" * 40):
        assert ground.host.changed_paths(ref, base, head) is None


@pytest.mark.parametrize("outcome", [Checks.PENDING, Checks.SUCCESS, Checks.FAILURE])
def test_what_other_checks_come_to(ground: Ground, ref: RepositoryRef, outcome: Checks) -> None:
    sha = ground.host.commit(ref, "main").sha
    assert ground.host.checks(ref, sha, besides="Slipway") is Checks.NONE
    ground.check(ref, sha, outcome)
    assert ground.host.checks(ref, sha, besides="Slipway") is outcome


def test_an_archive_holds_the_files_in_one_folder(ground: Ground, ref: RepositoryRef) -> None:
    sha = ground.push(ref, {"more.txt": "x"}, "More", "main")
    packed = b"".join(ground.host.archive(ref, sha, max_bytes=1_000_000))
    assert unpacked(packed) == {**FILES, "more.txt": "x"}


def test_an_archive_that_is_too_large_is_not_taken(ground: Ground, ref: RepositoryRef) -> None:
    sha = ground.host.commit(ref, "main").sha
    with pytest.raises(TooLarge):
        b"".join(ground.host.archive(ref, sha, max_bytes=10))


def test_a_commit_that_vanished_has_no_archive(ground: Ground, ref: RepositoryRef) -> None:
    with pytest.raises(CodeHostRefused) as refused:
        b"".join(ground.host.archive(ref, "f" * 40, max_bytes=1_000_000))
    assert refused.value.code == "commit_gone"


def test_a_check_is_made_once_and_then_changed(ground: Ground, ref: RepositoryRef) -> None:
    sha = ground.host.commit(ref, "main").sha
    made = Check("Slipway", sha, "in_progress", "Building", "…", "https://a.test/d", "ver_1")
    number = ground.host.put_check(ref, made)
    failing = (Annotation("agent.yaml", 3, "failure", "Test 1", "expected 200, was 500"),)
    done = Check(
        "Slipway",
        sha,
        "completed",
        "Failed",
        "…",
        "https://a.test/d",
        "ver_1",
        conclusion="failure",
        annotations=failing,
        id=number,
    )
    assert ground.host.put_check(ref, done) == number
    assert ground.runs(ref) == {number: "failure"}


def test_a_deployment_is_announced_and_then_followed(ground: Ground, ref: RepositoryRef) -> None:
    sha = ground.host.commit(ref, "main").sha
    number = ground.host.create_deployment(ref, sha, environment="production", transient=False)
    for state in ("in_progress", "success"):
        ground.host.put_deployment_status(
            ref,
            number,
            state=state,
            environment_url="https://echo.test",
            log_url="https://a.test/d",
            description="x" * 500,
        )


def test_a_comment_is_written_once_and_then_changed(ground: Ground, ref: RepositoryRef) -> None:
    number = ground.pull(ref)
    first = ground.host.put_comment(ref, number, "Building", comment_id=None)
    assert ground.host.put_comment(ref, number, "Live", comment_id=first) == first
    assert ground.comments(ref) == ["Live"]


def test_a_host_that_is_down_says_when_to_come_back(ground: Ground, ref: RepositoryRef) -> None:
    ground.go_down()
    with pytest.raises(CodeHostUnavailable) as down:
        ground.host.commit(ref, "main")
    assert down.value.retry_after


def test_nothing_is_read_through_a_revoked_installation(ground: Ground, ref: RepositoryRef) -> None:
    ground.revoke()
    with pytest.raises(CodeHostRefused) as refused:
        ground.host.commit(ref, "main")
    assert refused.value.code == "installation_gone"
