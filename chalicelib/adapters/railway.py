"""RailwayHost: agents run on Railway, through its public GraphQL API.

Every document below is validated against Railway's own schema in a test. Mutations are repeated
only where a repeat is harmless; a create is looked up by name before it is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from chalicelib.domain.hosting import Verdict, verdict
from chalicelib.domain.masking import Masker
from chalicelib.domain.release import (
    HOST_REFERENCE,
    Configure,
    Deploy,
    EnsureDomain,
    EnsureService,
    SetLimits,
    SetVariables,
    Step,
)
from chalicelib.errors import Conflict, HostRefused, HostUnavailable, NotFound, PlatformError
from chalicelib.ports import HostDeployment, LogLine, Released, ReleaseNote, Sample
from chalicelib.telemetry import logger

FIND_SERVICES = """query Services($id: String!, $after: String) {
  project(id: $id) { services(first: 500, after: $after) {
    edges { node { id name deletedAt } } pageInfo { hasNextPage endCursor } } } }"""
CREATE_SERVICE = """mutation CreateService($input: ServiceCreateInput!) {
  serviceCreate(input: $input) { id } }"""
DELETE_SERVICE = """mutation DeleteService($id: String!, $environmentId: String) {
  serviceDelete(id: $id, environmentId: $environmentId) }"""
UPDATE_INSTANCE = """mutation Configure($serviceId: String!, $environmentId: String!,
    $input: ServiceInstanceUpdateInput!) {
  serviceInstanceUpdate(serviceId: $serviceId, environmentId: $environmentId, input: $input) }"""
UPDATE_LIMITS = """mutation Limits($input: ServiceInstanceLimitsUpdateInput!) {
  serviceInstanceLimitsUpdate(input: $input) }"""
UPSERT_VARIABLES = """mutation Variables($input: VariableCollectionUpsertInput!) {
  variableCollectionUpsert(input: $input) }"""
FIND_DOMAINS = """query Domains($projectId: String!, $environmentId: String!,
    $serviceId: String!) {
  domains(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId) {
    serviceDomains { id domain } } }"""
CREATE_DOMAIN = """mutation CreateDomain($input: ServiceDomainCreateInput!) {
  serviceDomainCreate(input: $input) { id domain } }"""
DEPLOY = """mutation Deploy($serviceId: String!, $environmentId: String!) {
  serviceInstanceDeployV2(serviceId: $serviceId, environmentId: $environmentId) }"""
NEWEST = """query Newest($input: DeploymentListInput!) {
  deployments(input: $input, first: 5) {
    edges { node { id status createdAt deploymentStopped meta } } } }"""
RESTART = "mutation Restart($id: String!) { deploymentRestart(id: $id) }"
STOP = "mutation Stop($id: String!) { deploymentStop(id: $id) }"
CANCEL = "mutation Cancel($id: String!) { deploymentCancel(id: $id) }"
LOGS = """query Logs($deploymentId: String!, $limit: Int, $startDate: DateTime) {
  deploymentLogs(deploymentId: $deploymentId, limit: $limit, filter: "", startDate: $startDate) {
    timestamp message severity } }"""
METRICS = """query Metrics($serviceId: String!, $environmentId: String!, $startDate: DateTime!,
    $endDate: DateTime!, $step: Int) {
  metrics(serviceId: $serviceId, environmentId: $environmentId, startDate: $startDate,
    endDate: $endDate, sampleRateSeconds: $step,
    measurements: [CPU_USAGE, MEMORY_USAGE_GB, NETWORK_RX_GB, NETWORK_TX_GB]) {
    measurement values { ts value } }
  requests: httpMetricsGroupedByStatus(serviceId: $serviceId, environmentId: $environmentId,
    startDate: $startDate, endDate: $endDate, stepSeconds: $step) {
    statusCode samples { ts value } } }"""
STATUS_FIELDS = "{ id status statusUpdatedAt createdAt deploymentStopped meta }"

READS = ("query",)
_APPEARS_TRIES = 8
_MAX_LINES = 5000
_SERIES = {
    "CPU_USAGE": "cpu",
    "MEMORY_USAGE_GB": "memory_gb",
    "NETWORK_RX_GB": "received_gb",
    "NETWORK_TX_GB": "sent_gb",
}


def status_document(count: int) -> str:
    """One read of many deployments by alias: `d0: deployment(id: $id0) …`."""
    variables = ", ".join(f"$id{i}: String!" for i in range(count))
    fields = " ".join(f"d{i}: deployment(id: $id{i}) {STATUS_FIELDS}" for i in range(count))
    return f"query Statuses({variables}) {{ {fields} }}"


class RailwayApi:
    """One POST a call, every failure a typed error."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self._url = url
        self._token = token
        self.calls = 0

    def __call__(self, document: str, **variables: Any) -> dict[str, Any]:
        """The answer's data. Reads are repeated once after a failure; mutations never here."""
        tries = 2 if document.startswith(READS) else 1
        for left in range(tries - 1, -1, -1):
            try:
                return self._post(document, variables)
            except HostUnavailable as error:
                if not left or error.retry_after:
                    raise
                time.sleep(0.3)
        raise AssertionError("unreachable")

    def _post(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        import httpx  # noqa: PLC0415 - only deployments pay for it

        self.calls += 1
        read = document.startswith(READS)
        try:
            response = self._client.post(
                self._url,
                json={"query": document, "variables": variables},
                headers={"authorization": f"Bearer {self._token()}"},
                timeout=httpx.Timeout(20.0 if read else 60.0, connect=5.0),
            )
        except httpx.HTTPError as error:
            raise HostUnavailable(
                f"The host of the agents did not answer ({type(error).__name__}). We try again."
            ) from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise HostUnavailable(
                "The host allows no more calls just now. We go on as soon as it does.",
                code="host_rate_limited",
                retry_after=int(response.headers.get("retry-after", "30") or 30),
            )
        try:
            answer = response.json()
        except ValueError:
            raise HostUnavailable(
                f"The host of the agents answered {response.status_code} with something that is "
                "not its API. We try again."
            ) from None
        errors = answer.get("errors")
        if errors:
            # The host may quote what it was sent, and what it was sent may be secret.
            raise _typed(_sent(variables).deep(errors[0]), response.status_code)
        data: dict[str, Any] = answer.get("data") or {}
        return data

    @cached_property
    def _client(self) -> Any:
        import httpx  # noqa: PLC0415

        return httpx.Client(headers={"user-agent": "Slipway/1"}, trust_env=False)


def _sent(variables: Mapping[str, Any]) -> Masker:
    given = variables.get("input")
    if not isinstance(given, Mapping):
        return Masker()
    values = dict(given.get("variables") or {})
    credentials = given.get("registryCredentials") or {}
    return Masker([*values.values(), credentials.get("password", "")])


def _typed(error: Mapping[str, Any], status: int) -> PlatformError:
    """Railway says almost everything with one code, so the message decides."""
    message = str(error.get("message") or "no message")
    trace = error.get("traceId") or (error.get("extensions") or {}).get("traceId")
    logger.warning("host error", extra={"host_message": message, "host_trace": trace})
    lowered = message.lower()
    told = f"The host said: {message}" + (f" (trace {trace})" if trace else "")
    if "too quickly" in lowered or "every 30s" in lowered:
        return HostUnavailable(told, code="host_throttled", retry_after=31)
    if "not found" in lowered:
        return NotFound(told, code="host_not_found")
    if "already exists" in lowered or "already in use" in lowered:
        return Conflict(told, code="host_conflict")
    if (
        "please try again" in lowered
        or "operation is already in progress" in lowered
        or "problem processing request" in lowered
        or status >= 500
    ):
        return HostUnavailable(told, retry_after=2)
    if "not authorized" in lowered or "token not found" in lowered:
        return HostRefused(
            f"{told}. The operator's Railway token is missing, expired or lacks the right; put a "
            "new one in the parameter railway-token.",
            code="host_unauthorized",
        )
    return HostRefused(told)


class RailwayHost:
    def __init__(
        self,
        api: RailwayApi,
        *,
        project_id: str,
        environment_id: str,
        credentials: Callable[[], tuple[str, str] | None],
    ) -> None:
        self._api = api
        self._project = project_id
        self._environment = environment_id
        self._credentials = credentials

    def carry_out(  # noqa: C901 - one case for each kind of step
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        service_id, domain, image, deployment_id = "", "", "", ""
        for step in steps:
            match step:
                case EnsureService(name=name):
                    service_id = self._ensure_service(name)
                case Configure():
                    image = step.image
                    if requested_at is not None:
                        deployment_id = self._begun(service_id, image, requested_at) or ""
                    if not deployment_id:
                        self._configure(service_id, step)
                case SetLimits(cpu=cpu, memory_gb=memory_gb):
                    if not deployment_id:
                        self._limit(service_id, cpu, memory_gb)
                case SetVariables(variables=variables):
                    if not deployment_id:
                        self._set_variables(service_id, variables)
                case EnsureDomain():
                    domain = self._ensure_domain(service_id)
                case Deploy():
                    if not deployment_id:
                        note(service_id, domain)
                        deployment_id = self._deploy(service_id)
        return Released(service_id, deployment_id, domain)

    def deployments(self, ids: Sequence[str]) -> Mapping[str, HostDeployment]:
        wanted = [i for i in dict.fromkeys(ids) if i]
        if not wanted:
            return {}
        names = {f"id{i}": name for i, name in enumerate(wanted)}
        try:
            data = self._api(status_document(len(wanted)), **names)
        except NotFound:
            # One unknown id spoils the whole answer; ask for each by itself.
            return self._one_by_one(wanted)
        return {node["id"]: _seen(node) for node in data.values() if node}

    def newest(self, service_id: str) -> HostDeployment | None:
        try:
            found = self._list(service_id)
        except NotFound:
            return None
        return found[0] if found else None

    def restart(self, deployment_id: str) -> None:
        self._api(RESTART, id=deployment_id)

    def stop(self, deployment_id: str) -> None:
        self._end(STOP, deployment_id)

    def cancel(self, deployment_id: str) -> None:
        self._end(CANCEL, deployment_id)

    def remove_service(self, service_id: str) -> None:
        self._end(DELETE_SERVICE, service_id, environmentId=self._environment)

    def logs(self, deployment_id: str, *, since: str | None, limit: int) -> list[LogLine]:
        wanted = limit if since is None else _MAX_LINES
        try:
            data = self._api(LOGS, deploymentId=deployment_id, limit=wanted, startDate=since)
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
            serviceId=service_id,
            environmentId=self._environment,
            startDate=_stamp(start),
            endDate=_stamp(end),
            step=_sample_seconds((end - start).total_seconds()),
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

    def _ensure_service(self, name: str) -> str:
        found = self._service_named(name)
        if found is not None:
            return found
        create = {
            "input": {
                "projectId": self._project,
                "environmentId": self._environment,
                "name": name,
            }
        }
        try:
            return str(self._api(CREATE_SERVICE, **create)["serviceCreate"]["id"])
        except (Conflict, HostUnavailable):
            # It may have been made all the same: by us before a timeout, or by a second run.
            found = self._service_named(name)
            if found is None:
                raise
            return found

    def _service_named(self, name: str) -> str | None:
        after: str | None = None
        while True:
            page = self._api(FIND_SERVICES, id=self._project, after=after)["project"]["services"]
            for edge in page["edges"]:
                node = edge["node"]
                if node["name"] == name and not node["deletedAt"]:
                    return str(node["id"])
            if not page["pageInfo"]["hasNextPage"]:
                return None
            after = page["pageInfo"]["endCursor"]

    def _configure(self, service_id: str, step: Configure) -> None:
        wanted: dict[str, Any] = {
            "source": {"image": step.image},
            "healthcheckPath": step.health_path,
            "healthcheckTimeout": step.health_timeout_seconds,
            "numReplicas": step.replicas,
            "restartPolicyType": step.restart_policy,
            "restartPolicyMaxRetries": step.restart_retries,
            "drainingSeconds": step.draining_seconds,
            "overlapSeconds": step.overlap_seconds,
            "sleepApplication": step.sleep,
        }
        if step.start_command:
            wanted["startCommand"] = step.start_command
        credentials = self._credentials()
        if credentials is not None:
            username, password = credentials
            wanted["registryCredentials"] = {"username": username, "password": password}
        # A new service's instance appears at the host a moment after the service.
        for attempt in range(_APPEARS_TRIES):
            try:
                self._api(
                    UPDATE_INSTANCE,
                    serviceId=service_id,
                    environmentId=self._environment,
                    input=wanted,
                )
            except NotFound as error:
                if attempt == _APPEARS_TRIES - 1:
                    raise HostUnavailable(error.detail, retry_after=2) from error
                time.sleep(min(0.1 * 2**attempt, 1.0))
            else:
                return

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

    def _ensure_domain(self, service_id: str) -> str:
        found = self._domain(service_id)
        if found is not None:
            return found
        create = {"environmentId": self._environment, "serviceId": service_id}
        try:
            return str(self._api(CREATE_DOMAIN, input=create)["serviceDomainCreate"]["domain"])
        except (Conflict, HostUnavailable):
            found = self._domain(service_id)
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

    def _begun(self, service_id: str, image: str, requested_at: datetime) -> str | None:
        """A deployment of this image that the host began after we had asked for one."""
        for found in self._list(service_id):
            begun = found.created_at is not None and found.created_at >= requested_at
            if begun and found.image == image and verdict(found) is not Verdict.DOWN:
                return found.id
        return None

    def _list(self, service_id: str) -> list[HostDeployment]:
        data = self._api(
            NEWEST, input={"serviceId": service_id, "environmentId": self._environment}
        )
        nodes = [edge["node"] for edge in data["deployments"]["edges"]]
        nodes.sort(key=lambda node: str(node["createdAt"]), reverse=True)
        return [_seen(node) for node in nodes]

    def _one_by_one(self, ids: Sequence[str]) -> Mapping[str, HostDeployment]:
        found = {}
        for deployment_id in ids:
            try:
                node = self._api(status_document(1), id0=deployment_id)["d0"]
            except NotFound:
                continue
            found[deployment_id] = _seen(node)
        return found

    def _end(self, document: str, thing_id: str, **more: Any) -> None:
        """What is already gone at the host needs no ending."""
        try:
            self._api(document, id=thing_id, **more)
        except NotFound:
            logger.info("already gone at the host", extra={"host_id": thing_id})


def _seen(node: Mapping[str, Any]) -> HostDeployment:
    meta = node.get("meta") or {}
    created = node.get("createdAt")
    return HostDeployment(
        id=str(node["id"]),
        status=str(node["status"]),
        image=meta.get("image"),
        stopped=bool(node.get("deploymentStopped")),
        detail=str(meta.get("reason") or ""),
        created_at=datetime.fromisoformat(str(created)) if created else None,
    )


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _sample_seconds(span: float) -> int:
    """The host's own sampling steps, by the length of the window."""
    hour = 3600
    for limit, step in ((hour, 30), (6 * hour, 60), (24 * hour, 240), (168 * hour, 3600)):
        if span <= limit:
            return step
    return 14400
