"""The end of an organisation, on the real stack: it stops, and later nothing of it is left."""

from __future__ import annotations

import json

import httpx

from tests.e2e.conftest import LocalCloud


def left_of(cloud: LocalCloud, org_id: str) -> dict[str, list[str]]:
    """Everything that still begins with the organisation, but its audit log and what expires."""
    s3, table = cloud.admin.client("s3"), cloud.admin.client("dynamodb")
    outputs = json.loads(cloud.layout.outputs.read_text())
    found = {
        bucket: [
            item["Key"]
            for item in s3.list_objects_v2(
                Bucket=outputs[f"{bucket}BucketName"], Prefix=f"{org_id}/"
            ).get("Contents", [])
        ]
        for bucket in ("Sources", "Artifacts")
    }
    pages = table.get_paginator("scan").paginate(TableName=outputs["TableName"])
    lasting = [i for page in pages for i in page["Items"] if "expires_at" not in i]
    keys = [item["pk"]["S"] for item in lasting]
    begins, audit = f"ORG#{org_id}#", f"ORG#{org_id}#AUDIT#"
    found["table"] = [k for k in keys if k.startswith(begins) and not k.startswith(audit)]
    return found


def test_an_account_that_goes_takes_everything_that_was_its_own(cloud: LocalCloud) -> None:
    person = cloud.sign_in("leaver@example.org")
    home = next(o for o in person.ask("GET", "/organisations")["items"] if o["personal"])
    agent = person.create("/agents", {"name": "Soon gone"})
    version = person.create(
        f"/agents/{agent['id']}/versions",
        {"source": "template", "template": "static", "deploy": True},
    )
    deployment = person.wait_for_live(agent["id"], version["id"])
    assert httpx.get(deployment["url"]).status_code == 200
    assert all(left_of(cloud, home["id"]).values())
    person.ask("DELETE", "/me", json={"confirm": "leaver@example.org"})
    cloud.people.pop("leaver@example.org").close()
    cloud.wait(
        lambda: {**cloud.admin.reconcile(), **left_of(cloud, home["id"])},
        lambda now: not any(now[where] for where in ("Sources", "Artifacts", "table")),
        what="everything to be removed",
    )


def test_closing_stops_an_agent_at_once_and_restoring_lets_it_be_deployed_again(
    cloud: LocalCloud,
) -> None:
    person = cloud.sign_in("founder@example.org")
    made = person.create("/organisations", {"name": "Short-lived"})
    person.http.headers["Slipway-Organisation"] = made["id"]
    try:
        agent = person.create("/agents", {"name": "Stopped"})
        version = person.create(
            f"/agents/{agent['id']}/versions",
            {"source": "template", "template": "static", "deploy": True},
        )
        deployment = person.wait_for_live(agent["id"], version["id"])
        path = f"/organisations/{made['id']}"
        closing = person.ask("DELETE", path, json={"confirm": "Short-lived"})
        assert closing["closes_at"]
        seen = person.ask("GET", f"/deployments/{deployment['id']}")
        assert seen["state"] == "stopped"
        assert httpx.get(deployment["url"]).status_code != 200
        assert person.ask("POST", f"{path}/restore")["closes_at"] is None
        again = person.create(f"/agents/{agent['id']}/deployments", {"version_id": version["id"]})
        cloud.wait(
            lambda: person.ask("GET", f"/deployments/{again['id']}"),
            lambda now: now["state"] == "live",
            what="the agent to be live again",
        )
    finally:
        del person.http.headers["Slipway-Organisation"]
