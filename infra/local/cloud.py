"""Knows how to talk to a running local cloud from outside: its functions, mail, logs, snapshots."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import httpx
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.layout import REGION, STAGE, Layout, LocalCloudError

STACK = f"slipway-{STAGE}"


#: The host's words for people; the others only in lower case.
_WORDS = {"SUCCESS": "live", "SLEEPING": "asleep"}


class Cloud:
    """What a person with the admin token can see and do."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def client(self, service: str, read_timeout: int = 150) -> Any:
        """An AWS client of the emulator."""
        config = Config(
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path"},
            read_timeout=read_timeout,
            # Addresses that are signed in advance would be signed the old way otherwise.
            signature_version="s3v4" if service == "s3" else None,
        )
        return self._session.client(service, endpoint_url=self.layout.aws_url, config=config)

    @functools.cached_property
    def _session(self) -> Any:
        credentials = self.layout.credentials()
        return Session(
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            region_name=REGION,
        )

    @property
    def _admin(self) -> dict[str, str]:
        return {"X-Slipway-Admin": self.layout.credentials().admin_token}

    def reconcile(self) -> dict[str, Any]:
        """Have the platform compare what it says with what runs, now."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{STACK}-reconcile", Payload=json.dumps({"source": "supervisor"})
        )
        body: dict[str, Any] = json.loads(answer["Payload"].read() or "{}") or {}
        if answer.get("FunctionError"):
            raise LocalCloudError(f"The reconciler failed: {body.get('errorMessage', body)}")
        return body

    def snapshot(self) -> None:
        """Have the emulator save now."""
        url = f"{self.layout.aws_url}/_local/snapshot"
        httpx.post(url, headers=self._admin, timeout=30, trust_env=False).raise_for_status()

    def yard_status(self) -> dict[str, Any]:
        """What the yard says of itself and what it runs."""
        url = f"http://127.0.0.1:{self.layout.ports.graphql}/yard/status"
        answer = httpx.get(url, timeout=5, trust_env=False)
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        return status

    def agents(self) -> list[dict[str, Any]]:
        """What the yard runs at the moment: name, status, address."""
        return [
            {
                "name": one["name"],
                "status": _WORDS.get(one["status"], str(one["status"]).lower()),
                "url": one["url"],
            }
            for one in self.yard_status().get("services", [])
        ]

    def stack_status(self) -> str:
        """CloudFormation's word for the stack."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        except (BotoCoreError, ClientError):
            return "unknown"
        return str(stacks[0]["StackStatus"])

    def function_logs(self, function: str, since: int = 0) -> Iterator[tuple[int, str]]:
        """What a function has logged since a moment (in milliseconds), line by line."""
        pages = self.client("logs").get_paginator("filter_log_events")
        group = f"/aws/lambda/{STACK}-{function}"
        try:
            for page in pages.paginate(logGroupName=group, startTime=since):
                for event in page["events"]:
                    yield event["timestamp"], event["message"].rstrip()
        except ClientError as problem:
            raise LocalCloudError(f"There are no logs of {function}: {problem}") from problem
        except BotoCoreError as problem:
            raise LocalCloudError(
                f"The logs of {function} are kept by the emulator, which does not answer; "
                "`make up` starts it."
            ) from problem
