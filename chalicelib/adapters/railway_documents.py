"""Every document we send to Railway; a test validates each against Railway's own schema."""

from __future__ import annotations

FIND_SERVICES = """query Services($id: String!, $after: String) {
  project(id: $id) { services(first: 500, after: $after) {
    edges { node { id name createdAt deletedAt } } pageInfo { hasNextPage endCursor } } } }"""
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
STATUS_FIELDS = (
    "{ id status statusUpdatedAt createdAt deploymentStopped meta instances { id status } }"
)
RECENT = f"""query Recent($input: DeploymentListInput!) {{
  deployments(input: $input, first: 10) {{ edges {{ node {STATUS_FIELDS} }} }} }}"""
INSPECT = f"""query Inspect($projectId: String!, $environmentId: String!, $serviceId: String!) {{
  serviceInstance(environmentId: $environmentId, serviceId: $serviceId) {{
    serviceName source {{ image repo }} startCommand cronSchedule
    healthcheckPath healthcheckTimeout numReplicas restartPolicyType restartPolicyMaxRetries
    drainingSeconds overlapSeconds sleepApplication
    latestDeployment {STATUS_FIELDS}
    domains {{ serviceDomains {{ domain }} }} }}
  limits: serviceInstanceLimitOverride(environmentId: $environmentId, serviceId: $serviceId)
  variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId,
    unrendered: true) }}"""
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


def status_document(count: int) -> str:
    """One read of many deployments by alias: `d0: deployment(id: $id0) …`."""
    variables = ", ".join(f"$id{i}: String!" for i in range(count))
    fields = " ".join(f"d{i}: deployment(id: $id{i}) {STATUS_FIELDS}" for i in range(count))
    return f"query Statuses({variables}) {{ {fields} }}"
