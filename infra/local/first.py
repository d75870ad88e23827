"""Knows how somebody uses the platform from outside: sign in by mail, upload, deploy, wait.

It speaks to the public API only. The first run deploys its agent with it, and so do tests.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from infra.local.layout import FIRST_PERSON, Layout, LocalCloudError

NAME = "First agent"
_LIMIT_SECONDS = 180.0
_FINAL = {
    "version": frozenset({"ready", "rejected", "failed", "cancelled"}),
    "deployment": frozenset(
        {"live", "failed", "cancelled", "rolled_back", "superseded", "stopped", "crashed", "asleep"}
    ),
}


class Person:
    """Somebody who has signed in."""

    def __init__(self, http: httpx.Client, email: str) -> None:
        self.http = http
        self.email = email

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self.http.close()

    def ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """Call the API; a refusal is raised in the platform's own words.

        An access token lasts minutes; the session's cookie gets the next one, as in a browser.
        """
        answer = self.http.request(method, f"/api/v1{path}", **given)
        if answer.status_code == 401 and not path.startswith("/auth/") and self._refresh():
            answer = self.http.request(method, f"/api/v1{path}", **given)
        if answer.is_error:
            raise Refused(method, path, answer)
        document: dict[str, Any] = answer.json() if answer.content else {}
        return document

    def _refresh(self) -> bool:
        answer = self.http.post("/api/v1/auth/refresh", headers={"X-Slipway-CSRF": "1"})
        if answer.is_error:
            return False
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return True

    def create(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """Create something, once even if the answer is lost."""
        return self.ask("POST", path, json=document, headers={"Idempotency-Key": uuid.uuid4().hex})

    def upload(
        self, agent_id: str, filename: str, archive: bytes, *, deploy: bool = True, **more: Any
    ) -> dict[str, Any]:
        """Make a version of an archive, as a browser does; the version as it was created."""
        document = {"source": "upload", "filename": filename, "size": len(archive), **more}
        version = self.create(f"/agents/{agent_id}/versions", {**document, "deploy": deploy})
        form = version["upload"]
        with httpx.Client(timeout=120, trust_env=False) as plain:
            answer = plain.post(
                form["url"],
                data=form["fields"],
                files={"file": (filename, archive, "application/octet-stream")},
            )
        if answer.is_error:
            raise LocalCloudError(f"The upload was refused ({answer.status_code}): {answer.text}")
        return version

    def wait_for_version(self, agent_id: str, version_id: str, limit: float) -> dict[str, Any]:
        """The version once its build has ended, well or not."""
        path = f"/agents/{agent_id}/versions/{version_id}"
        return wait_for(
            lambda: self.ask("GET", path),
            lambda version: version["state"] in _FINAL["version"],
            limit,
            what=f"version {version_id}",
        )

    def wait_for_deployment(self, deployment_id: str, limit: float) -> dict[str, Any]:
        """The deployment once it has come to rest, live or not."""
        return wait_for(
            lambda: self.ask("GET", f"/deployments/{deployment_id}"),
            lambda deployment: deployment["state"] in _FINAL["deployment"],
            limit,
            what=f"deployment {deployment_id}",
        )

    def wait_for_live(
        self, agent_id: str, version_id: str, limit: float = _LIMIT_SECONDS
    ) -> dict[str, Any]:
        """The live deployment of a version that was made with `deploy`; raises when it is not."""
        deadline = time.monotonic() + limit
        path = f"/agents/{agent_id}/versions/{version_id}"
        version = wait_for(
            lambda: self.ask("GET", path),
            lambda one: bool(one["deployment_id"]) or one["state"] in _FINAL["version"] - {"ready"},
            limit,
            what=f"version {version_id}",
        )
        if not version["deployment_id"]:
            raise LocalCloudError(f"The build ended {version['state']}: {_reasons(version)}")
        left = deadline - time.monotonic()
        deployment = self.wait_for_deployment(version["deployment_id"], left)
        if deployment["state"] != "live":
            raise LocalCloudError(
                f"The deployment ended {deployment['state']}: {_reasons(deployment)}"
            )
        return deployment


class Refused(LocalCloudError):
    """The platform said no; `problem` is its answer."""

    def __init__(self, method: str, path: str, answer: httpx.Response) -> None:
        try:
            self.problem: dict[str, Any] = answer.json()
        except ValueError:
            self.problem = {"detail": answer.text[:500]}
        self.status = answer.status_code
        detail = self.problem.get("detail") or self.problem
        super().__init__(f"{method} {path} was answered with {self.status}: {detail}")


class FirstAgent:
    """The Python template, deployed as anybody would deploy it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def deploy(self) -> dict[str, Any]:
        """The live agent: its name and its URL."""
        try:
            with sign_in(self.layout.web_url, FIRST_PERSON) as person:
                return self._deploy(person)
        except httpx.HTTPError as problem:
            raise LocalCloudError(f"The platform did not answer: {problem}") from problem

    def _deploy(self, person: Person) -> dict[str, Any]:
        agents = person.ask("GET", "/agents")["items"]
        agent = next((one for one in agents if one["name"] == NAME), None)
        if agent is None:
            told = "Made of the Python template when this local cloud was new."
            agent = person.create(
                "/agents", {"name": NAME, "description": told, "runtime": "python"}
            )
        version = person.create(
            f"/agents/{agent['id']}/versions",
            {"source": "template", "template": "python", "deploy": True},
        )
        deployment = person.wait_for_live(agent["id"], version["id"])
        return {
            "name": agent["name"],
            "agent_id": agent["id"],
            "deployment_id": deployment["id"],
            "url": deployment["url"],
            "owner": FIRST_PERSON,
        }


def sign_in(web_url: str, email: str) -> Person:
    """Ask for a link, read it in the mailbox, and follow it."""
    person = Person(httpx.Client(base_url=web_url, timeout=40, trust_env=False), email)
    try:
        _redeem(person)
    except BaseException:
        person.close()
        raise
    return person


def _redeem(person: Person) -> None:
    mailbox = httpx.QueryParams({"format": "json", "to": person.email})

    def mails() -> dict[str, Any]:
        document: dict[str, Any] = person.http.get(f"/local/mailbox?{mailbox}").json()
        return document

    seen = {mail["sent_at"] for mail in mails()["items"]}
    person.ask("POST", "/auth/email", json={"email": person.email})
    found = wait_for(
        mails,
        lambda now: any(mail["sent_at"] not in seen for mail in now["items"]),
        15,
        what="the sign-in mail",
    )
    mail = next(mail for mail in found["items"] if mail["sent_at"] not in seen)
    secret = parse_qs(urlsplit(mail["links"][0]).fragment)["token"][0]
    session = person.ask("POST", "/auth/email/redeem", json={"token": secret})
    person.http.headers["Authorization"] = f"Bearer {session['access_token']}"


def api_token(layout: Layout, email: str, *, name: str) -> str:
    """An API token for a person of this local cloud."""
    try:
        with sign_in(layout.web_url, email) as person:
            return str(person.create("/tokens", {"name": name, "scope": "admin"})["token"])
    except httpx.HTTPError as problem:
        raise LocalCloudError(
            f"{layout.web_url} does not answer ({problem}); `make up` starts the local cloud."
        ) from problem


def wait_for(
    look: Callable[[], dict[str, Any]],
    enough: Callable[[dict[str, Any]], bool],
    limit: float,
    *,
    what: str,
) -> dict[str, Any]:
    """Look again and again, until what is seen is enough."""
    deadline = time.monotonic() + limit
    pause = 0.1
    while True:
        seen = look()
        if enough(seen):
            return seen
        if time.monotonic() > deadline:
            state = f" (state: {seen['state']})" if "state" in seen else ""
            raise LocalCloudError(f"Waited {limit:.0f} s for {what} in vain{state}.")
        time.sleep(pause)
        pause = min(0.5, pause * 1.3)


def _reasons(thing: dict[str, Any]) -> str:
    reasons = [str(reason["detail"]) for reason in thing.get("reasons") or ()]
    return "; ".join(reasons) or "no reason was given"
