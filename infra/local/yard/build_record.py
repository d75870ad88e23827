"""A build as CodeBuild describes it: phases, times, statuses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.yard.config import Config

COMMAND_PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")


class BuildRecord:
    """Changes a build's description as it goes on. `document` is JSON, times in seconds."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._failed: dict[str, tuple[int, str]] = {}

    @classmethod
    def new(
        cls,
        config: Config,
        build_id: str,
        number: int,
        overrides: Mapping[str, Any],
        folder: Path,
    ) -> BuildRecord:
        """A build that was just asked for."""
        project, aws = config.codebuild, config.aws
        name, _, uid = build_id.partition(":")
        given = [dict(one) for one in overrides.get("environmentVariablesOverride") or ()]
        fixed = [
            {"name": name, "value": value, "type": "PLAINTEXT"}
            for name, value in project.environment.items()
            if name not in {one["name"] for one in given}
        ]
        moment = time.time()
        record = cls(
            {
                "id": build_id,
                "arn": f"arn:aws:codebuild:{aws.region}:{aws.account_id}:build/{build_id}",
                "buildNumber": number,
                "startTime": moment,
                "currentPhase": "QUEUED",
                "buildStatus": "IN_PROGRESS",
                "projectName": name,
                "phases": [],
                "source": {"type": "NO_SOURCE"},
                "artifacts": {"location": ""},
                "cache": {"type": "NO_CACHE"},
                "environment": {
                    "type": "LINUX_CONTAINER",
                    "image": "local-stand-in",
                    "computeType": "BUILD_GENERAL1_SMALL",
                    "environmentVariables": fixed + [{"type": "PLAINTEXT", **one} for one in given],
                    "privilegedMode": False,
                },
                "serviceRole": project.service_role,
                "logs": {
                    "groupName": f"/aws/codebuild/{name}",
                    "streamName": uid,
                    "deepLink": f"file://{folder / 'log.txt'}",
                },
                "timeoutInMinutes": overrides.get("timeoutInMinutesOverride")
                or project.timeout_minutes,
                "queuedTimeoutInMinutes": overrides.get("queuedTimeoutInMinutesOverride")
                or project.queued_timeout_minutes,
                "buildComplete": False,
                "initiator": "local-stand-in",
                "encryptionKey": "",
            }
        )
        record.begin("SUBMITTED")
        record.begin("QUEUED")
        return record

    @classmethod
    def stored(cls, document: dict[str, Any]) -> BuildRecord:
        """A build read from the store."""
        return cls(document)

    @property
    def id(self) -> str:
        """project:uuid."""
        return str(self.document["id"])

    @property
    def status(self) -> str:
        """IN_PROGRESS until it ends."""
        return str(self.document["buildStatus"])

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables: the project's and this build's."""
        listed = self.document["environment"]["environmentVariables"]
        return {one["name"]: one["value"] for one in listed}

    @property
    def timeout_seconds(self) -> float:
        """How long the commands may take."""
        return float(self.document["timeoutInMinutes"]) * 60

    @property
    def queued_seconds(self) -> float:
        """How long it may wait for its turn."""
        return float(self.document["queuedTimeoutInMinutes"]) * 60

    def begin(self, phase: str) -> None:
        """A phase begins, and with it the one before has ended well."""
        self._close("SUCCEEDED")
        self.document["phases"].append({"phaseType": phase, "startTime": time.time()})
        self.document["currentPhase"] = phase

    def command_failed(self, phase: str, code: int, command: str) -> None:
        """A command of a phase ended badly."""
        self._failed[phase] = (code, command)

    def end(self, phase: str) -> None:
        """All commands of a phase are over."""
        if phase in self._failed:
            code, command = self._failed[phase]
            self._close(
                "FAILED",
                "COMMAND_EXECUTION_ERROR",
                f"Error while executing command: {command}. Reason: exit status {code}",
            )
        else:
            self._close("SUCCEEDED")

    def commands_ended(self, code: int) -> None:
        """The shell is gone: everything went well, or something failed."""
        phase = self._open
        if code != 0 and phase is not None and phase["phaseType"] in COMMAND_PHASES:
            # The shell itself ended in the middle of a phase, by `exit` or a signal.
            self._close(
                "FAILED", "COMMAND_EXECUTION_ERROR", f"The shell ended with exit status {code}"
            )
        self.begin("UPLOAD_ARTIFACTS")
        self.finish("SUCCEEDED" if code == 0 else "FAILED")

    def finish(self, status: str, message: str = "", phase: str = "") -> None:
        """The end, whatever way."""
        opened = self._open
        if phase and (opened is None or opened["phaseType"] != phase):
            self.begin(phase)
        outcome = status if status != "SUCCEEDED" and message else "SUCCEEDED"
        self._close(outcome, status if message else "", message)
        if not message:
            self.begin("FINALIZING")
            self._close("SUCCEEDED")
        self.document["phases"].append({"phaseType": "COMPLETED", "startTime": time.time()})
        self.document.update(
            currentPhase="COMPLETED",
            buildStatus=status,
            buildComplete=True,
            endTime=time.time(),
        )

    @property
    def _open(self) -> dict[str, Any] | None:
        phases: list[dict[str, Any]] = self.document["phases"]
        return phases[-1] if phases and "endTime" not in phases[-1] else None

    def _close(self, status: str, code: str = "", message: str = "") -> None:
        phase = self._open
        if phase is None:
            return
        moment = time.time()
        phase["endTime"] = moment
        phase["phaseStatus"] = status
        phase["durationInSeconds"] = int(moment - phase["startTime"])
        if code:
            phase["contexts"] = [{"statusCode": code, "message": message}]
