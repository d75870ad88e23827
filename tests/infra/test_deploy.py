"""What a deployment says when it cannot go on, and what it leaves alone when nothing changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from infra import publish, synthesis
from infra import target as targets
from infra.deploy import main
from infra.hosting import Place, ensure_place
from infra.stack import Stack, StackError
from infra.target import DeployError, Target, aws_target, local_target

COMPLETE = {
    "RAILWAY_TOKEN": "token",
    "SLIPWAY_IMAGE_REPOSITORY": "ghcr.io/example/",
    "SLIPWAY_REGISTRY_USERNAME": "user",
    "SLIPWAY_REGISTRY_PASSWORD": "secret",
    "SLIPWAY_MAIL_FROM": "slipway@example.org",
    "AWS_REGION": "eu-central-1",
}


@pytest.fixture
def right_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter that runs the tests counts as the one Lambda runs."""
    monkeypatch.setattr(targets, "LAMBDA_PYTHON", sys.version_info[:2])


def test_another_python_than_lambdas_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "LAMBDA_PYTHON", (2, 7))
    with pytest.raises(DeployError, match=r"needs Python 2\.7") as refusal:
        aws_target("prod", COMPLETE)
    assert "make deploy STAGE=prod" in str(refusal.value)


@pytest.mark.usefixtures("right_python")
def test_everything_missing_is_named_at_once_with_its_meaning() -> None:
    with pytest.raises(DeployError) as refusal:
        aws_target("prod", {})
    for name in COMPLETE:
        assert f"  {name}: " in str(refusal.value)


@pytest.mark.usefixtures("right_python")
def test_a_complete_environment_makes_a_target_that_shows_no_secrets() -> None:
    target = aws_target("prod", COMPLETE)
    assert target.stack == "slipway-prod"
    assert target.image_repository == "ghcr.io/example"
    assert target.mail_identity == "slipway@example.org"
    assert not target.is_local
    assert "secret" not in repr(target)
    assert "token='token'" not in repr(target)


def test_settings_that_nobody_wrote_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="`make up` writes it"):
        local_target(tmp_path / "none.json")


def test_a_failure_is_a_sentence_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stage", "local", "--target", str(tmp_path / "none.json")]) == 1
    assert "cannot be used" in capsys.readouterr().err


# ---- the stack ---------------------------------------------------------------------------------


class Clouds:
    """CloudFormation, as far as one stack needs it."""

    class exceptions:  # noqa: N801 - boto3's own name
        """Where boto3 keeps them."""

        ClientError = ClientError

    def __init__(self) -> None:
        self.stack: dict[str, Any] | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.ends: list[str] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        """The stack, whose status moves on at every look."""
        if self.stack is None:
            message = {"Error": {"Code": "ValidationError", "Message": "does not exist"}}
            raise ClientError(message, "DescribeStacks")
        if self.ends:
            self.stack["StackStatus"] = self.ends.pop(0)
        if self.stack["StackStatus"] == "DELETE_COMPLETE":
            self.stack = None
            return self.describe_stacks(StackName)
        return {"Stacks": [self.stack]}

    def describe_stack_events(self, **_: str) -> dict[str, Any]:
        """Two causes, the newest first, and an older failure."""
        now = datetime.now(UTC)
        return {
            "StackEvents": [
                _event("Second", "Resource creation cancelled", now),
                _event("First", "The bucket is taken", now),
                _event("Older", "not this time", datetime(2020, 1, 1, tzinfo=UTC)),
            ]
        }

    def create_stack(self, **given: Any) -> None:
        """Begin."""
        self._begin("create", given)

    def update_stack(self, **given: Any) -> None:
        """Begin."""
        self._begin("update", given)

    def delete_stack(self, **given: Any) -> None:
        """Begin."""
        self.calls.append(("delete", given))

    def _begin(self, call: str, given: dict[str, Any]) -> None:
        self.calls.append((call, given))
        self.stack = {"StackStatus": "CREATE_IN_PROGRESS", "Tags": given["Tags"], "Outputs": []}


def _event(name: str, reason: str, at: datetime) -> dict[str, Any]:
    return {
        "LogicalResourceId": name,
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
        "Timestamp": at,
    }


@pytest.fixture
def clouds() -> Clouds:
    return Clouds()


@pytest.fixture
def stack(clouds: Clouds) -> Stack:
    return Stack(clouds, "slipway-test", "code", sleep=lambda _: None)


def test_a_new_stack_is_created_and_waited_for(clouds: Clouds, stack: Stack) -> None:
    clouds.ends = []
    clouds.ends = ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    assert stack.apply("{}", {"Stage": "test"}, s3=None)
    [(call, given)] = clouds.calls
    assert call == "create"
    assert given["Parameters"] == [{"ParameterKey": "Stage", "ParameterValue": "test"}]


def test_an_unchanged_stack_is_left_alone(clouds: Clouds, stack: Stack) -> None:
    clouds.ends = ["CREATE_COMPLETE"]
    stack.apply("{}", {"Stage": "test"}, s3=None)
    assert not stack.apply("{}", {"Stage": "test"}, s3=None)
    assert len(clouds.calls) == 1
    clouds.ends = ["UPDATE_COMPLETE", "UPDATE_COMPLETE"]
    assert stack.apply("{}", {"Stage": "other"}, s3=None)
    assert [call for call, _ in clouds.calls] == ["create", "update"]


def test_a_failed_creation_says_why_first_cause_first(clouds: Clouds, stack: Stack) -> None:
    clouds.ends = ["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    with pytest.raises(StackError, match="ROLLBACK_COMPLETE") as refusal:
        stack.apply("{}", {}, s3=None)
    said = str(refusal.value)
    assert said.index("The bucket is taken") < said.index("cancelled")
    assert "not this time" not in said


def test_what_a_failed_creation_left_is_removed_before_the_next(
    clouds: Clouds, stack: Stack
) -> None:
    clouds.stack = {"StackStatus": "ROLLBACK_COMPLETE"}
    assert stack.outputs() == {}
    clouds.ends = ["ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE", "CREATE_COMPLETE"]
    assert stack.apply("{}", {}, s3=None)
    assert [call for call, _ in clouds.calls] == ["delete", "create"]


# ---- Railway -----------------------------------------------------------------------------------

TARGET = Target(
    stage="prod",
    ground="aws",
    region="us-east-1",
    mail_from="a@b.c",
    image_repository="ghcr.io/x",
    railway_url="https://railway.test/graphql/v2",
    railway_token="token",
    registry_username="u",
    registry_password="p",
)
Answer = Callable[[dict[str, Any]], dict[str, Any]]


def railway(answer: Answer, asked: list[str]) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert request.headers["authorization"] == "Bearer token"
        assert str(request.url) == TARGET.railway_url
        asked.append(body["query"].split("(")[0].split()[-1])
        return httpx.Response(200, json=answer(body))

    return httpx.MockTransport(handle)


def page(*projects: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    info = {"hasNextPage": after is not None, "endCursor": after}
    edges = [{"node": project} for project in projects]
    return {"data": {"projects": {"edges": edges, "pageInfo": info}}}


def project(name: str, *environments: str, deleted: bool = False) -> dict[str, Any]:
    nodes = [{"node": {"id": f"{name}-{one}", "name": one}} for one in environments]
    return {
        "id": f"id-{name}",
        "name": name,
        "deletedAt": "2020" if deleted else None,
        "environments": {"edges": nodes},
    }


def test_a_project_on_a_later_page_is_found() -> None:
    asked: list[str] = []

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if body["variables"]["after"] is None:
            return page(project("other"), after="more")
        return page(project("slipway-prod", "production"))

    place = ensure_place(TARGET, railway(answer, asked))
    assert place == Place("id-slipway-prod", "slipway-prod-production")
    assert asked == ["Projects", "Projects"]


def test_a_deleted_project_is_not_taken_and_a_new_one_is_made() -> None:
    asked: list[str] = []

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if "mutation" in body["query"]:
            assert body["variables"]["input"]["name"] == "slipway-prod"
            return {"data": {"projectCreate": project("new", "production")}}
        return page(project("slipway-prod", "production", deleted=True))

    assert ensure_place(TARGET, railway(answer, asked)).project_id == "id-new"
    assert asked == ["Projects", "ProjectCreate"]


def test_a_missing_environment_is_made() -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if "mutation" in body["query"]:
            return {"data": {"environmentCreate": {"id": "made", "name": "production"}}}
        return page(project("slipway-prod", "staging"))

    assert ensure_place(TARGET, railway(answer, [])).environment_id == "made"


def test_a_refusal_says_which_token_is_needed() -> None:
    refusal = {"errors": [{"message": "Not Authorized"}]}
    with pytest.raises(DeployError, match="RAILWAY_TOKEN_KIND says"):
        ensure_place(TARGET, railway(lambda _: refusal, []))


def test_a_projects_token_says_itself_which_project_it_is_for() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["project-access-token"] == TARGET.railway_token
        assert "authorization" not in request.headers
        scope = {"projectId": "p", "environmentId": "e"}
        return httpx.Response(200, json={"data": {"projectToken": scope}})

    given = replace(TARGET, railway_token_kind="project")
    assert ensure_place(given, httpx.MockTransport(answer)) == Place("p", "e")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAILWAY_TOKEN_KIND", "personal"),
        ("RAILWAY_CALLS_PER_HOUR", "many"),
        ("SLIPWAY_RELEASE_STRATEGY", "magic"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "LAMBDA_PYTHON", sys.version_info[:2])
    env = {
        "AWS_REGION": "eu-central-1",
        "RAILWAY_TOKEN": "t",
        "SLIPWAY_IMAGE_REPOSITORY": "ghcr.io/x",
        "SLIPWAY_REGISTRY_USERNAME": "u",
        "SLIPWAY_REGISTRY_PASSWORD": "p",
        "SLIPWAY_MAIL_FROM": "a@b.c",
    }
    assert aws_target("prod", env).release_strategy == "image"
    with pytest.raises(DeployError, match=name):
        aws_target("prod", {**env, name: value})


# ---- what is published ---------------------------------------------------------------------------


def test_every_template_is_published_and_listed_last() -> None:
    uploads = publish.templates(Path(__file__).parents[2])
    *archives, listing = uploads
    index = json.loads(listing.body)
    assert listing.key == publish.TEMPLATES_INDEX
    assert not listing.immutable
    assert {one["key"] for one in index} == {upload.key for upload in archives}
    assert {"python", "nodejs"} <= {one["name"] for one in index}
    assert all(set(one) >= {"name", "runtime", "title", "description", "digest"} for one in index)


def test_the_build_program_has_the_same_name_for_the_same_source() -> None:
    first, second = publish.build_program(), publish.build_program()
    assert first == second
    assert first.key.startswith("programs/slipway-build-")


def test_pages_of_the_site_come_after_what_they_refer_to(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "assets/app.js", "favicon.svg"):
        (tmp_path / name).write_text("x")
    uploads = publish.site(tmp_path)
    assert [upload.key for upload in uploads] == ["assets/app.js", "favicon.svg", "index.html"]
    assert [upload.immutable for upload in uploads] == [True, False, False]
    assert uploads[-1].content_type == "text/html"


def test_merging_keeps_both_sides_and_prefers_ours() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    over = {"a": {"y": [3], "z": 2}, "c": 3}
    assert synthesis.merge(base, over) == {"a": {"x": 1, "y": [3], "z": 2}, "b": 1, "c": 3}
