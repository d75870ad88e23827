"""Knows how a CloudFormation stack is created or updated, and how to say why it was not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from infra.target import DeployError

FINGERPRINT = "slipway:fingerprint"
_BUSY = "_IN_PROGRESS"
_INLINE_LIMIT = 51_200
_LIMIT_SECONDS = 3600


class StackError(DeployError):
    """The stack could not be brought to the state asked for."""


class Stack:
    """One stack by its name."""

    def __init__(
        self,
        cloudformation: Any,
        name: str,
        code_bucket: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = cloudformation
        self.name = name
        self._code_bucket = code_bucket
        self._sleep = sleep

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; empty while there is no finished stack."""
        there = self._describe()
        if there is None or there["StackStatus"] in {"ROLLBACK_COMPLETE", "DELETE_COMPLETE"}:
            return {}
        return {one["OutputKey"]: one["OutputValue"] for one in there.get("Outputs", [])}

    def apply(self, template: str, parameters: dict[str, str], s3: Any) -> bool:
        """Bring the stack to this template and these parameters; False when it was there."""
        text = json.dumps([template, parameters], sort_keys=True)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        there = self._settle()
        if there and there["StackStatus"] == "ROLLBACK_COMPLETE":
            # A creation that failed leaves a name and nothing else.
            self._api.delete_stack(StackName=self.name)
            there = self._settle()
        if there and there["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            tags = {tag["Key"]: tag["Value"] for tag in there.get("Tags", [])}
            if tags.get(FINGERPRINT) == fingerprint:
                return False
        call = self._api.update_stack if there else self._api.create_stack
        began = time.time()
        try:
            call(
                StackName=self.name,
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in sorted(parameters.items())
                ],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                Tags=[{"Key": FINGERPRINT, "Value": fingerprint}],
                **self._template(template, s3),
            )
        except self._api.exceptions.ClientError as problem:
            if "No updates are to be performed" not in str(problem):
                raise StackError(f"CloudFormation refused the stack: {problem}") from problem
            return False
        after = self._settle()
        if after is None or after["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            status = after["StackStatus"] if after else "gone"
            raise StackError(f"The stack {self.name} is {status}:\n{self._reasons(began)}")
        return True

    def _template(self, template: str, s3: Any) -> dict[str, str]:
        if len(template.encode()) <= _INLINE_LIMIT:
            return {"TemplateBody": template}
        key = f"templates/{hashlib.sha256(template.encode()).hexdigest()}.json"
        s3.put_object(Bucket=self._code_bucket, Key=key, Body=template.encode())
        url = s3.generate_presigned_url(
            "get_object", Params={"Bucket": self._code_bucket, "Key": key}, ExpiresIn=900
        )
        return {"TemplateURL": url.partition("?")[0]}

    def _settle(self) -> dict[str, Any] | None:
        """The stack once nothing moves any more."""
        deadline = time.monotonic() + _LIMIT_SECONDS
        pause = 0.05
        while (there := self._describe()) and there["StackStatus"].endswith(_BUSY):
            if time.monotonic() > deadline:
                raise StackError(f"The stack {self.name} is still {there['StackStatus']}.")
            self._sleep(pause)
            pause = min(5.0, pause * 1.5)
        return there

    def _describe(self) -> dict[str, Any] | None:
        try:
            there: dict[str, Any] = self._api.describe_stacks(StackName=self.name)["Stacks"][0]
        except self._api.exceptions.ClientError as problem:
            if "does not exist" in str(problem):
                return None
            raise StackError(f"CloudFormation did not describe the stack: {problem}") from problem
        return None if there["StackStatus"] == "DELETE_COMPLETE" else there

    def _reasons(self, since: float) -> str:
        """What failed, first cause first."""
        events = self._api.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [
            f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason')}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("_FAILED")
            and event["Timestamp"].timestamp() >= since - 1
        ]
        return "\n".join(failed) or "  CloudFormation gives no reason."
