"""The clients of AWS, made on first use, and the small services we ask of it.

Importing this module does no I/O; a function pays only for the clients it touches.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.domain.deployments import Deployment
from chalicelib.domain.versions import Version
from chalicelib.errors import Unavailable
from chalicelib.ports import BuildStatus, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIVE_EXECUTION = "RUNNING"


@cache
def client(service: str) -> Any:
    """A botocore client with short connection limits; one session for all."""
    from botocore.config import Config  # noqa: PLC0415 - paid for on first use only

    options: dict[str, Any] = {}
    if service == "s3":
        options = {"signature_version": "s3v4", "s3": {"addressing_style": "path"}}
    return _session().create_client(
        service,
        config=Config(
            connect_timeout=3,
            read_timeout=20,
            retries={"mode": "standard", "max_attempts": 3},
            **options,
        ),
    )


@cache
def _session() -> Any:
    from botocore.session import get_session  # noqa: PLC0415 - paid for on first use only

    return get_session()


@cache
def parameter(name: str) -> str:
    """A secret from the parameter store, read once for the life of this function instance."""
    return fresh_parameter(name)


def fresh_parameter(name: str) -> str:
    """A secret from the parameter store as it is now."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        answer = client("ssm").get_parameter(Name=name, WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(
            f"The parameter {name} could not be read. If this stays so, deploy the stack again: "
            "that creates every parameter that is missing.",
            retry_after=5,
        ) from error
    return str(answer["Parameter"]["Value"])


class SesMail:
    def __init__(self, sender: str) -> None:
        self._sender = sender

    def send(self, to: str, subject: str, text: str) -> None:
        with translated("Mail could not be sent just now. Try again in a moment."):
            client("ses").send_email(
                Source=self._sender,
                Destination={"ToAddresses": [to]},
                Message={
                    "Subject": {"Data": subject, "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                },
            )


class CodeBuild:
    """The build service. One version is one build, however often it is asked for."""

    def __init__(self, project: str, artifacts_bucket: str) -> None:
        self._project = project
        self._bucket = artifacts_bucket

    def start(self, version: Version, order_key: str) -> str:
        variables = {
            "SLIPWAY_ORDER_BUCKET": self._bucket,
            "SLIPWAY_ORDER_KEY": order_key,
            "SLIPWAY_ORG_ID": version.org_id,
            "SLIPWAY_AGENT_ID": version.agent_id,
            "SLIPWAY_VERSION_ID": version.id,
        }
        with translated("The build service did not answer; the build starts a little later."):
            answer = client("codebuild").start_build(
                projectName=self._project,
                idempotencyToken=f"{version.id}-{version.attempt}",
                environmentVariablesOverride=[
                    {"name": name, "value": value, "type": "PLAINTEXT"}
                    for name, value in variables.items()
                ],
            )
        return str(answer["build"]["id"])

    def status(self, build_ids: Sequence[str]) -> Mapping[str, BuildStatus]:
        with translated("The build service did not answer."):
            answer = client("codebuild").batch_get_builds(ids=list(build_ids))
        return {
            build["id"]: BuildStatus(
                build["id"], build["buildStatus"], build.get("currentPhase", "")
            )
            for build in answer["builds"]
        }

    def stop(self, build_id: str) -> None:
        with translated("The build service did not answer; the build may go on for a while."):
            client("codebuild").stop_build(id=build_id)


class StepFunctions:
    """The engine: one execution for each attempt, named so that a repeat finds it."""

    def __init__(self, machine_arn: str) -> None:
        self._arn = machine_arn

    def start(self, deployment: Deployment) -> None:
        stepfunctions = client("stepfunctions")
        try:
            with translated("The deployment machine did not answer; it starts a little later."):
                stepfunctions.start_execution(
                    stateMachineArn=self._arn,
                    name=_execution(deployment),
                    input=json.dumps({"org_id": deployment.org_id, "deployment_id": deployment.id}),
                )
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, stepfunctions.exceptions.ExecutionAlreadyExists):
                return
            raise

    def is_running(self, deployment: Deployment) -> bool:
        arn = self._arn.replace(":stateMachine:", ":execution:") + f":{_execution(deployment)}"
        stepfunctions = client("stepfunctions")
        try:
            with translated("The deployment machine did not answer."):
                answer = stepfunctions.describe_execution(executionArn=arn)
        except Unavailable as error:
            if isinstance(error.__cause__, stepfunctions.exceptions.ExecutionDoesNotExist):
                return False
            raise
        return bool(answer["status"] == _LIVE_EXECUTION)


class LambdaTasks:
    """Has tasks done by a function that is started without waiting for it. Lambda keeps the call
    until it succeeds, tries it again twice, and then puts it with the dead letters."""

    MOST = 10

    def __init__(self, function: str) -> None:
        self._function = function

    def start(self, tasks: Sequence[Task]) -> None:
        for first in range(0, len(tasks), self.MOST):
            said = [vars(task) for task in tasks[first : first + self.MOST]]
            with translated("What is to be done later could not be handed over just now."):
                client("lambda").invoke(
                    FunctionName=self._function,
                    InvocationType="Event",
                    Payload=json.dumps({"tasks": said}).encode(),
                )


class EventsSchedule:
    """Switches the rule that calls the reconciler. What it is now is never remembered: another
    function may have switched it since."""

    def __init__(self, rule: str) -> None:
        self._rule = rule

    def enable(self) -> None:
        with translated("The schedule did not answer."):
            client("events").enable_rule(Name=self._rule)

    def disable(self) -> None:
        with translated("The schedule did not answer."):
            client("events").disable_rule(Name=self._rule)


def _execution(deployment: Deployment) -> str:
    return f"{deployment.id}-{deployment.attempt}"


class translated:  # noqa: N801 - reads as a phrase: with translated("…")
    """Turns the AWS library's errors into Unavailable, saying what it means for the caller."""

    def __init__(self, detail: str) -> None:
        self._detail = detail

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if isinstance(error, BotoCoreError | ClientError):
            raise Unavailable(self._detail, retry_after=2) from error
