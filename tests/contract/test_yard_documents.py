"""Every document written for Railway that the stand-in implements is answered without an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse, print_ast
from graphql.language import FragmentSpreadNode, Visitor, visit

from tests.contract.railway_schema import DOCUMENTS
from tests.contract.yard_harness import ENVIRONMENT, PROJECT, Yard, running, server

WORKSPACE = "00000000-0000-4000-8000-000000000001"
LONG_AGO, FAR_OFF = "2020-01-01T00:00:00.000Z", "2100-01-01T00:00:00Z"


class Spreads(Visitor):
    """Collects the names of the fragments that are used."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        """Called for every `...Name`."""
        self.names.add(node.name.value)


def document(name: str) -> str:
    """One operation with the fragments it needs, as a client would send it."""
    parsed = parse(DOCUMENTS.read_text())
    fragments = {
        one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)
    }
    wanted: list[Any] = [
        one
        for one in parsed.definitions
        if isinstance(one, OperationDefinitionNode) and one.name and one.name.value == name
    ]
    done: set[str] = set()
    for one in wanted:
        spreads = Spreads()
        visit(one, spreads)
        for spread in sorted(spreads.names - done):
            done.add(spread)
            wanted.append(fragments[spread])
    return "\n".join(print_ast(one) for one in wanted)


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with running(tmp_path_factory.mktemp("yard")) as one:
        yield one


@pytest.fixture(scope="module")
def known(yard: Yard) -> dict[str, Any]:
    """Values for the variables of all documents."""
    image = yard.push(server(), command="exec python3 main.py")
    service = yard.service("agent", image, healthcheckPath="/", restartPolicyType="ALWAYS")
    service.variables({"COLOUR": "blue"})
    service.up()
    deployment = service.up()
    service.get("/")
    time.sleep(0.8)  # a sample and a request log row
    return {
        "id": deployment,
        "deploymentId": deployment,
        "serviceId": service.id,
        "environmentId": ENVIRONMENT,
        "projectId": PROJECT,
        "workspaceId": WORKSPACE,
        "startDate": LONG_AGO,
        "endDate": FAR_OFF,
        "measurements": ["CPU_USAGE", "MEMORY_USAGE_GB", "DISK_USAGE_GB", "NETWORK_TX_GB"],
        "groupBy": ["SERVICE_ID", "DEPLOYMENT_ID"],
        "input": {"projectId": PROJECT, "serviceId": service.id, "environmentId": ENVIRONMENT},
        "filter": "",
        "limit": 10,
        "first": 5,
        "domain": service.domain,
    }


IDS = {"ProjectGet": PROJECT, "EnvironmentServices": ENVIRONMENT}


@pytest.mark.parametrize(
    "name",
    [
        "AutoDeployStatus",
        "BuildLogList",
        "DeployLogList",
        "DeploymentEventList",
        "DeploymentGet",
        "DeploymentList",
        "DeploymentStatusOnly",
        "DomainList",
        "EnvironmentList",
        "EnvironmentLogList",
        "EnvironmentServices",
        "HttpLogList",
        "ProjectGet",
        "ProjectList",
        "ProjectTokenList",
        "RegionList",
        "RequestMetrics",
        "ResourceMetrics",
        "ServiceDomainFree",
        "ServiceGet",
        "ServiceInstanceGet",
        "ServiceInstanceLimits",
        "TokenWorkspaces",
        "UsageTotals",
        "VariablesGet",
        "VariablesRendered",
        "WorkspaceBudget",
    ],
)
def test_a_read_is_answered_whole(yard: Yard, known: dict[str, Any], name: str) -> None:
    text = document(name)
    used = {one: value for one, value in known.items() if f"${one}" in text}
    if name in IDS:
        used["id"] = IDS[name]
    if name == "ServiceGet":
        used["id"] = known["serviceId"]
    answer = yard.post(text, **used)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    if name == "AutoDeployStatus":
        assert "not implemented by the local stand-in" in body["errors"][0]["message"]
        return
    assert "errors" not in body
    assert all(value is not None for alias, value in body["data"].items() if alias != "override")


def test_the_instance_shows_what_was_asked_and_what_runs(yard: Yard, known: dict[str, Any]) -> None:
    answer = yard.gql(
        document("ServiceInstanceGet"),
        environmentId=ENVIRONMENT,
        serviceId=known["serviceId"],
    )["serviceInstance"]
    assert answer["restartPolicyType"] == "ALWAYS"
    assert answer["latestDeployment"]["status"] == "SUCCESS"
    assert [one["id"] for one in answer["activeDeployments"]] == [known["deploymentId"]]
    assert answer["domains"]["serviceDomains"][0]["domain"] == known["domain"]
    assert answer["latestDeployment"]["url"] == known["domain"]


def test_cursors_lead_through_all_deployments(yard: Yard, known: dict[str, Any]) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = yard.gql(document("DeploymentList"), input=known["input"], first=1, after=after)[
            "deployments"
        ]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert len(seen) == len(set(seen)) == 2
    assert seen[0] == known["deploymentId"]
