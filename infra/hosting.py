"""Knows how a stage gets its place at Railway: one project, found by its name or made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from infra.target import DeployError, Target

ENVIRONMENT = "production"
_Ask = Callable[[str, dict[str, Any]], dict[str, Any]]

_PROJECTS = """
query Projects($workspaceId: String, $after: String) {
  projects(workspaceId: $workspaceId, first: 100, after: $after) {
    edges { node { id name deletedAt environments { edges { node { id name } } } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_SCOPE = "query Scope { projectToken { projectId environmentId } }"
_CREATE_PROJECT = """
mutation ProjectCreate($input: ProjectCreateInput!) {
  projectCreate(input: $input) { id name environments { edges { node { id name } } } }
}
"""
_CREATE_ENVIRONMENT = """
mutation EnvironmentCreate($input: EnvironmentCreateInput!) {
  environmentCreate(input: $input) { id name }
}
"""


@dataclass(frozen=True)
class Place:
    """The project and the environment that hold a stage's agents."""

    project_id: str
    environment_id: str


def ensure_place(target: Target, transport: httpx.BaseTransport | None = None) -> Place:
    """Find the stage's project and environment, or make what is missing."""
    is_project_token = target.railway_token_kind == "project"  # noqa: S105 - a kind, not a token
    headers = {"Authorization": f"Bearer {target.railway_token}"}
    if is_project_token:
        headers = {"Project-Access-Token": target.railway_token}
    with httpx.Client(headers=headers, timeout=30, transport=transport) as client:
        ask = functools.partial(_ask, client, target.railway_url)
        if is_project_token:
            # Such a token is for one environment of one project, and may make neither.
            scope = ask(_SCOPE, {})["projectToken"]
            return Place(scope["projectId"], scope["environmentId"])
        project = next((one for one in _projects(ask, target) if one["name"] == target.stack), None)
        if project is None:
            given = {
                "name": target.stack,
                "description": "Agents deployed by Slipway",
                "defaultEnvironmentName": ENVIRONMENT,
            }
            if target.railway_workspace_id:
                given["workspaceId"] = target.railway_workspace_id
            project = ask(_CREATE_PROJECT, {"input": given})["projectCreate"]
        environment = next(
            (
                edge["node"]
                for edge in project["environments"]["edges"]
                if edge["node"]["name"] == ENVIRONMENT
            ),
            None,
        )
        if environment is None:
            given = {"name": ENVIRONMENT, "projectId": project["id"]}
            answer = ask(_CREATE_ENVIRONMENT, {"input": given})
            environment = answer["environmentCreate"]
    return Place(project["id"], environment["id"])


def _projects(ask: _Ask, target: Target) -> Iterator[dict[str, Any]]:
    after: str | None = None
    while True:
        variables = {"workspaceId": target.railway_workspace_id, "after": after}
        page = ask(_PROJECTS, variables)["projects"]
        for edge in page["edges"]:
            if not edge["node"].get("deletedAt"):
                yield edge["node"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def _ask(
    client: httpx.Client, url: str, document: str, variables: dict[str, Any]
) -> dict[str, Any]:
    try:
        answer = client.post(url, json={"query": document, "variables": variables})
        body = answer.json()
    except httpx.HTTPError as problem:
        raise DeployError(f"Railway ({url}) did not answer: {problem}") from problem
    except ValueError as problem:
        raise DeployError(
            f"Railway ({url}) answered {answer.status_code} without JSON."
        ) from problem
    if errors := body.get("errors"):
        said = "; ".join(str(error.get("message")) for error in errors)
        if "not authorized" in said.lower():
            said += (
                ". RAILWAY_TOKEN is not valid, or of another kind than RAILWAY_TOKEN_KIND says "
                "(workspace, account or project)"
            )
        raise DeployError(f"Railway refused: {said}.")
    data: dict[str, Any] = body["data"]
    return data
