"""What runs without anybody waiting: uploads, finished builds, deployment steps, the reconciler.

Each handler is its own Lambda function. All of them can be called twice with the same event.
"""

from __future__ import annotations

import json
from typing import Any

from chalice.app import Blueprint

from chalicelib.bootstrap import platform
from chalicelib.domain.ids import is_id
from chalicelib.errors import PlatformError
from chalicelib.ports import Task
from chalicelib.telemetry import logger, start_trace

workers = Blueprint(__name__)

_FINISHED = frozenset({"SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"})


@workers.on_cw_event({"source": ["aws.s3"], "detail-type": ["Object Created"]})
def on_upload(event: Any) -> None:
    """An object was created in the sources bucket: `org_…/agt_…/ver_…/source`."""
    start_trace(event.to_dict().get("id"))
    detail = event.detail
    key = str(detail.get("object", {}).get("key", ""))
    if detail.get("bucket", {}).get("name") != platform().settings.sources_bucket:
        return
    org_id, _, rest = key.partition("/")
    _, _, rest = rest.partition("/")
    version_id, _, name = rest.partition("/")
    if not (is_id(org_id, "org") and is_id(version_id, "ver") and name == "source"):
        logger.warning("an object that is no version's source", extra={"key": key})
        return
    platform().versions.receive_upload(org_id, version_id)


@workers.on_cw_event({"source": ["aws.codebuild"], "detail-type": ["CodeBuild Build State Change"]})
def on_build(event: Any) -> None:
    """A build of our project changed its state."""
    start_trace(event.to_dict().get("id"))
    detail = event.detail
    status = str(detail.get("build-status", ""))
    if detail.get("project-name") != platform().settings.build_project or status not in _FINISHED:
        return
    environment = detail.get("additional-information", {}).get("environment", {})
    named = {v.get("name"): v.get("value") for v in environment.get("environment-variables", [])}
    org_id, version_id = str(named.get("SLIPWAY_ORG_ID")), str(named.get("SLIPWAY_VERSION_ID"))
    if is_id(org_id, "org") and is_id(version_id, "ver"):
        # The event names the build by its ARN, the API by what follows the last slash.
        build_id = str(detail.get("build-id", "")).rpartition("/")[2] or None
        platform().versions.finish_build(org_id, version_id, status, build_id)


@workers.lambda_function(name="deploy_step")
def deploy_step(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One step of the deployment machine: {step, org_id, deployment_id} → {next, wait_seconds}."""
    start_trace(getattr(context, "aws_request_id", None))
    org_id, deployment_id = str(event["org_id"]), str(event["deployment_id"])
    outcome = platform().releases.step(str(event["step"]), org_id, deployment_id)
    logger.info(
        "step", extra={"step": event["step"], "deployment": deployment_id, "next": outcome.next}
    )
    return outcome.to_json(org_id, deployment_id)


@workers.lambda_function(name="on_listing")
def on_listing(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Listings, or what is counted of them, have changed: the table's stream says so."""
    start_trace(getattr(context, "aws_request_id", None))
    if event.get("ensure"):
        # Who deploys asks for it: the code may need another form of index than there is.
        platform().indexing.ensure()
    changed: list[tuple[str, str]] = []
    for record in event.get("Records") or ():
        image = (record.get("dynamodb") or {}).get("NewImage") or {}
        match image.get("kind", {}).get("S"):
            case "AgentListing":
                said = json.loads(image["doc"]["S"])
                changed.append((said["org_id"], said["agent_id"]))
            # What is counted in a month alone is in no card.
            case "Counter" if "month" not in image:
                changed.append((image["org_id"]["S"], image["agent_id"]["S"]))
    return {"indexed": platform().indexing.refresh(changed)}


@workers.lambda_function(name="on_change")
def on_change(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Something was written that work follows from: the table's stream says so. The work itself
    is handed over, so that what takes long holds up nothing that comes after it."""
    start_trace(getattr(context, "aws_request_id", None))
    failed: list[dict[str, str]] = []
    tasks: dict[Task, str] = {}
    for record in event.get("Records") or ():
        change = record.get("dynamodb") or {}
        image = change.get("NewImage") or {}
        if "doc" in image and "kind" in image:
            said = (str(record.get("eventName")), image["kind"]["S"], image["doc"]["S"])
            sequence = str(change.get("SequenceNumber", ""))
            tasks |= {one: tasks.get(one, sequence) for one in platform().work.plan([said])}
    try:
        platform().work.hand_over(list(tasks))
    except PlatformError as error:
        # The stream offers them again from the first on; the reconciler is there besides.
        logger.warning("not handed over", extra={"detail": error.detail, "tasks": len(tasks)})
        failed = [{"itemIdentifier": min(tasks.values(), key=_in_order)}]
    return {"batchItemFailures": failed}


@workers.lambda_function(name="on_task")
def on_task(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Does what was handed over, one after the other. What fails is all that is tried again."""
    start_trace(getattr(context, "aws_request_id", None))
    failed: list[str] = []
    tasks = [Task(**one) for one in event.get("tasks") or ()]
    for task in tasks:
        try:
            platform().work.run(task)
        except Exception as error:  # noqa: BLE001 - one that fails is no reason to leave others
            detail = error.detail if isinstance(error, PlatformError) else type(error).__name__
            logger.exception("a task failed", extra={"task": vars(task)})
            failed.append(f"{task.kind} {task.subject}: {detail}")
    if failed:
        # Lambda calls again with all of them, which does no harm to those that are done.
        raise TasksFailed("; ".join(failed))
    return {"done": len(tasks)}


class TasksFailed(RuntimeError):
    """Names what could not be done; it is tried again, and then kept with the dead letters."""


def _in_order(sequence: str) -> tuple[int, str]:
    return len(sequence), sequence


@workers.lambda_function(name="reconcile")
def reconcile(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Compares what we say with what is true."""
    start_trace(getattr(context, "aws_request_id", None))
    run = platform().reconciler.run(paced=event.get("source") == "aws.events")
    logger.info("reconciled", extra={"run": vars(run)})
    return dict(vars(run))
