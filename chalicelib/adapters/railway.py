"""RailwayHost: agents run on Railway, through its public GraphQL API.

It carries out a release's steps one by one and decides nothing. A create is looked up by name
before it is tried again; what changes the host's configuration is done by one function at a time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.railway_api import OPERATE_SECONDS, Missing, RailwayApi
from chalicelib.adapters.railway_documents import (
    CANCEL,
    CREATE_DOMAIN,
    CREATE_SERVICE,
    DELETE_SERVICE,
    DEPLOY,
    FIND_DOMAINS,
    FIND_SERVICES,
    INSPECT,
    LOGS,
    METRICS,
    RECENT,
    RESTART,
    STOP,
    UPDATE_INSTANCE,
    UPDATE_LIMITS,
    UPSERT_VARIABLES,
    status_document,
)
from chalicelib.adapters.railway_views import (
    deployment_seen,
    sample_seconds,
    service_seen,
    stamp,
)
from chalicelib.domain.budget import Need
from chalicelib.domain.hosting import Verdict, verdict
from chalicelib.domain.release import (
    HOST_REFERENCE,
    Configure,
    Deploy,
    EnsureDomain,
    EnsureService,
    SetLimits,
    SetVariables,
    Step,
    Upload,
)
from chalicelib.errors import Conflict, HostRefused, HostUnavailable, NotFound
from chalicelib.ports import (
    HostBudget,
    HostDeployment,
    HostLease,
    HostService,
    LogLine,
    Released,
    ReleaseNote,
    Sample,
)
from chalicelib.telemetry import logger

APPEARS_TRIES = 8
LEASE_TRIES = 8
DEPLOY_SETTLES = timedelta(seconds=20)
"""How long the effect of an unanswered deploy may take to show before it is asked for again."""
BY_REQUEST = "deploy"
"""Why there is a deployment, in the host's record: not moved, not rolled back by the host."""
CLOCKS_DIFFER = timedelta(seconds=2)
_MAX_LINES = 5000
_SERIES = {
    "CPU_USAGE": "cpu",
    "MEMORY_USAGE_GB": "memory_gb",
    "NETWORK_RX_GB": "received_gb",
    "NETWORK_TX_GB": "sent_gb",
}


@dataclass
class _Progress:
    """What a release has come to know so far."""

    service_id: str = ""
    name: str = ""
    is_new: bool = False
    domain: str = ""
    deployment_id: str = ""


class RailwayHost:
    """`read_source` gives the bytes of a packed source, by its key."""

    def __init__(
        self,
        api: RailwayApi,
        *,
        project_id: str,
        environment_id: str,
        credentials: Callable[[], tuple[str, str] | None],
        lease: HostLease,
        read_source: Callable[[str], bytes | None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._project = project_id
        self._environment = environment_id
        self._credentials = credentials
        self._lease = lease
        self._read_source = read_source
        self._now = now
        self._sleep = sleep

    @property
    def budget(self) -> HostBudget:
        return self._api.budget

    def carry_out(
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        if requested_at is not None:
            found = self._begun(steps, requested_at)
            if found is not None:
                return found
        at = _Progress()
        with self._turn() as still_ours:
            for step in steps:
                still_ours()
                self._perform(step, at, note)
        return Released(at.service_id, at.deployment_id, at.domain)

    def _perform(self, step: Step, at: _Progress, note: ReleaseNote) -> None:
        match step:
            case EnsureService(name=name, known=known):
                at.name, at.service_id = name, known
                if not known:
                    self._create_service(at)
                _tell(note, at, known)
            case Configure():
                before = at.service_id
                self._configure(at, step)
                _tell(note, at, before)
            case SetLimits(cpu=cpu, memory_gb=memory_gb):
                self._limit(at.service_id, cpu, memory_gb)
            case SetVariables(variables=variables):
                self._set_variables(at.service_id, variables)
            case EnsureDomain(known=known):
                at.domain = self._ensure_domain(at, known)
            case Deploy():
                note(at.service_id, at.domain, asking=True)
                at.deployment_id = self._deploy(at.service_id)
            case Upload(key=key):
                body = self._packed(key)
                note(at.service_id, at.domain, asking=True)
                at.deployment_id = self._upload(at.service_id, body)

    # --- reading ------------------------------------------------------------------------

    def deployments(
        self, ids: Sequence[str], *, need: Need = Need.DEPLOY
    ) -> Mapping[str, HostDeployment]:
        wanted = [i for i in dict.fromkeys(ids) if i]
        if not wanted:
            return {}
        names: dict[str, Any] = {f"id{i}": name for i, name in enumerate(wanted)}
        try:
            data = self._api(status_document(len(wanted)), need=need, **names)
        except Missing as error:
            # An unknown id spoils the whole answer: ask again without those that were missed.
            left = [one for i, one in enumerate(wanted) if f"d{i}" not in error.aliases]
            return self.deployments(left, need=need) if len(left) < len(wanted) else {}
        return {node["id"]: deployment_seen(node) for node in data.values() if node}

    def recent(self, service_id: str, *, need: Need = Need.DEPLOY) -> list[HostDeployment]:
        asked = {"serviceId": service_id, "environmentId": self._environment}
        try:
            data = self._api(RECENT, need=need, input=asked)
        except NotFound:
            return []
        nodes = [edge["node"] for edge in data["deployments"]["edges"]]
        nodes.sort(key=lambda node: str(node["createdAt"]), reverse=True)
        return [deployment_seen(node) for node in nodes]

    def inspect(self, service_id: str) -> HostService | None:
        try:
            data = self._api(
                INSPECT,
                need=Need.READ,
                projectId=self._project,
                environmentId=self._environment,
                serviceId=service_id,
            )
        except NotFound:
            return None
        return service_seen(service_id, data)

    def services(self) -> list[HostService]:
        return [
            HostService(
                id=str(node["id"]),
                name=str(node["name"]),
                created_at=datetime.fromisoformat(str(node["createdAt"])),
            )
            for node in self._all_services(Need.BACKGROUND)
        ]

    # --- operating ------------------------------------------------------------------------

    def restart(self, deployment_id: str) -> None:
        self._api(RESTART, seconds=OPERATE_SECONDS, id=deployment_id)

    def stop(self, deployment_id: str) -> None:
        self._end(STOP, deployment_id, seconds=OPERATE_SECONDS)

    def cancel(self, deployment_id: str) -> None:
        self._end(CANCEL, deployment_id, seconds=OPERATE_SECONDS)

    def remove_service(self, service_id: str) -> None:
        with self._turn():
            self._end(DELETE_SERVICE, service_id, environmentId=self._environment)

    def logs(self, deployment_id: str, *, since: str | None, limit: int) -> list[LogLine]:
        wanted = limit if since is None else _MAX_LINES
        try:
            data = self._api(
                LOGS, need=Need.READ, deploymentId=deployment_id, limit=wanted, startDate=since
            )
        except NotFound:
            return []
        lines = sorted(data["deploymentLogs"], key=lambda line: str(line["timestamp"]))
        lines = lines[-limit:] if since is None else lines[:limit]
        return [
            LogLine(str(line["timestamp"]), (line["severity"] or "info").lower(), line["message"])
            for line in lines
        ]

    def metrics(
        self, service_id: str, *, start: datetime, end: datetime
    ) -> Mapping[str, list[Sample]]:
        data = self._api(
            METRICS,
            need=Need.READ,
            serviceId=service_id,
            environmentId=self._environment,
            startDate=stamp(start),
            endDate=stamp(end),
            step=sample_seconds((end - start).total_seconds()),
        )
        series = {
            _SERIES[found["measurement"]]: [Sample(v["ts"], v["value"]) for v in found["values"]]
            for found in data["metrics"]
            if found["measurement"] in _SERIES
        }
        for group in data["requests"]:
            name = f"requests_{group['statusCode']}"
            series[name] = [Sample(v["ts"], v["value"]) for v in group["samples"]]
        return series

    # --- how ----------------------------------------------------------------------------

    @contextmanager
    def _turn(self) -> Iterator[Callable[[], None]]:
        """Alone with the host's configuration; what is given checks that it still is so."""
        holder = secrets.token_hex(8)
        for attempt in range(LEASE_TRIES):
            if self._lease.acquire(holder):
                break
            if attempt == LEASE_TRIES - 1:
                raise HostUnavailable(
                    "Another deployment is changing the host's configuration; this one is next.",
                    code="host_in_use",
                    retry_after=1,
                )
            self._sleep(min(0.05 * 2**attempt, 1.0))

        def still_ours() -> None:
            if not self._lease.keep(holder):
                raise HostUnavailable(
                    "This release took too long at the host and another one went on; it is taken "
                    "up again.",
                    code="host_in_use",
                    retry_after=1,
                )

        try:
            yield still_ours
        finally:
            self._lease.release(holder)

    def _begun(self, steps: Sequence[Step], requested_at: datetime) -> Released | None:
        """What the host began when it was asked before, if it did."""
        ensured = next(s for s in steps if isinstance(s, EnsureService))
        domain = next(s for s in steps if isinstance(s, EnsureDomain)).known
        image = next(s for s in steps if isinstance(s, Configure)).image
        former = next(s for s in steps if isinstance(s, Deploy | Upload)).former
        service_id = ensured.known or self._service_named(ensured.name)
        if not service_id:
            return None
        for found in self.recent(service_id):
            if found.created_at is None or found.created_at < requested_at - CLOCKS_DIFFER:
                continue
            # Begun at our word, and of another image: it is found to be stale, not begun again.
            stale = found.detail == BY_REQUEST and found.created_at >= requested_at
            if found.id == former or (image and found.image != image and not stale):
                continue
            # One that has failed meanwhile is what we asked for, too; but not one from just before.
            if verdict(found) is not Verdict.DOWN or found.created_at >= requested_at:
                return Released(service_id, found.id, domain or self._domain(service_id) or "")
        if self._now() - requested_at < DEPLOY_SETTLES:
            raise HostUnavailable(
                "The host did not say whether it began the deployment; we look again before we "
                "ask once more.",
                code="host_silent",
                retry_after=5,
                ambiguous=True,
            )
        return None

    def _create_service(self, at: _Progress) -> None:
        create = {"projectId": self._project, "environmentId": self._environment, "name": at.name}
        try:
            made = self._api(CREATE_SERVICE, input=create)["serviceCreate"]
        except Conflict:
            found = self._service_named(at.name)
            if found is None:
                raise
            at.service_id = found
        except HostUnavailable as error:
            # It may have been made all the same.
            found = self._service_named(at.name) if error.ambiguous else None
            if found is None:
                raise
            at.service_id = found
        else:
            at.service_id, at.is_new = str(made["id"]), True

    def _service_named(self, name: str) -> str | None:
        for node in self._all_services(Need.DEPLOY):
            if node["name"] == name:
                return str(node["id"])
        return None

    def _all_services(self, need: Need) -> Iterator[Mapping[str, Any]]:
        after: str | None = None
        while True:
            data = self._api(FIND_SERVICES, need=need, id=self._project, after=after)
            page = data["project"]["services"]
            yield from (e["node"] for e in page["edges"] if not e["node"]["deletedAt"])
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def _configure(self, at: _Progress, step: Configure) -> None:
        # What is not wanted is said too: somebody may have set it by hand at the host.
        wanted: dict[str, Any] = {
            "startCommand": step.start_command,
            "cronSchedule": None,
            "healthcheckPath": step.health_path,
            "healthcheckTimeout": step.health_timeout_seconds,
            "numReplicas": step.replicas,
            "restartPolicyType": step.restart_policy,
            "restartPolicyMaxRetries": step.restart_retries,
            "drainingSeconds": step.draining_seconds,
            "overlapSeconds": step.overlap_seconds,
            "sleepApplication": step.sleep,
        }
        if step.image:
            wanted["source"] = {"image": step.image}
            credentials = self._credentials()
            if credentials is not None:
                username, password = credentials
                wanted["registryCredentials"] = {"username": username, "password": password}
        # A new service's instance appears at the host a moment after the service.
        for attempt in range(APPEARS_TRIES):
            try:
                self._api(
                    UPDATE_INSTANCE,
                    serviceId=at.service_id,
                    environmentId=self._environment,
                    input=wanted,
                )
            except NotFound as error:
                if attempt == APPEARS_TRIES - 1:
                    raise HostUnavailable(error.detail, retry_after=2) from error
                if attempt == 0 and not at.is_new:
                    self._find_again(at)
                else:
                    self._sleep(min(0.1 * 2**attempt, 1.0))
            else:
                return

    def _find_again(self, at: _Progress) -> None:
        """The service we knew does not answer: it may be gone, with its address."""
        found = self._service_named(at.name)
        if found == at.service_id:
            return
        logger.warning("service gone at the host", extra={"service_id": at.service_id})
        at.service_id = found or ""
        if not found:
            self._create_service(at)

    def _limit(self, service_id: str, cpu: float, memory_gb: float) -> None:
        self._api(
            UPDATE_LIMITS,
            input={
                "environmentId": self._environment,
                "serviceId": service_id,
                "vCPUs": cpu,
                "memoryGB": memory_gb,
            },
        )

    def _set_variables(self, service_id: str, variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            if HOST_REFERENCE in value:
                raise HostRefused(
                    f"The value of {name} contains {HOST_REFERENCE}, which the host would take "
                    "for a reference to something else. Change the value."
                )
        self._api(
            UPSERT_VARIABLES,
            input={
                "projectId": self._project,
                "environmentId": self._environment,
                "serviceId": service_id,
                "variables": dict(variables),
                "replace": True,
                "skipDeploys": True,
            },
        )

    def _ensure_domain(self, at: _Progress, known: str) -> str:
        if known and not at.is_new:
            return known
        found = None if at.is_new else self._domain(at.service_id)
        if found is not None:
            return found
        create = {"environmentId": self._environment, "serviceId": at.service_id}
        try:
            return str(self._api(CREATE_DOMAIN, input=create)["serviceDomainCreate"]["domain"])
        except (Conflict, HostUnavailable):
            # "please try again" too may come after the domain was made.
            found = self._domain(at.service_id)
            if found is None:
                raise
            return found

    def _domain(self, service_id: str) -> str | None:
        data = self._api(
            FIND_DOMAINS,
            projectId=self._project,
            environmentId=self._environment,
            serviceId=service_id,
        )
        domains = data["domains"]["serviceDomains"]
        return str(domains[0]["domain"]) if domains else None

    def _deploy(self, service_id: str) -> str:
        data = self._api(DEPLOY, serviceId=service_id, environmentId=self._environment)
        return str(data["serviceInstanceDeployV2"])

    def _packed(self, key: str) -> bytes:
        body = self._read_source(key)
        if body is None:
            raise HostRefused(
                "The packed source of this version is not there any more. Upload the source as a "
                "new version.",
                code="source_missing",
            )
        return body

    def _upload(self, service_id: str, body: bytes) -> str:
        path = f"/project/{self._project}/environment/{self._environment}/up"
        answer = self._api.upload(path, body, serviceId=service_id, message="slipway")
        deployment_id = answer.get("deploymentId")
        if not deployment_id:
            raise HostUnavailable(
                "The host took the source without naming a deployment; we look for it.",
                ambiguous=True,
            )
        return str(deployment_id)

    def _end(self, document: str, thing_id: str, **more: Any) -> None:
        """What is already gone at the host needs no ending."""
        try:
            self._api(document, id=thing_id, **more)
        except NotFound:
            logger.info("already gone at the host", extra={"host_id": thing_id})


def _tell(note: ReleaseNote, at: _Progress, before: str) -> None:
    """A service that was not known before is claimed at once."""
    if at.service_id != before:
        note(at.service_id, "", asking=False)
