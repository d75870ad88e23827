"""The stand-in answers like Railway: status codes, error codes, tokens, budgets and quirks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.yard_harness import (
    ACCOUNT,
    ENVIRONMENT,
    PROJECT,
    WORKSPACE,
    GraphQLFailed,
    Yard,
    running,
    server,
)

OWN = "project-token"


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with running(tmp_path_factory.mktemp("yard")) as one:
        yield one


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    test: str = request.node.name
    return test.removeprefix("test_")[:40]


class TestTheWire:
    def test_a_document_that_is_no_graphql_is_400_with_the_parse_code(self, yard: Yard) -> None:
        answer = yard.post("query {")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"

    def test_an_unknown_field_is_400_with_the_validation_code(self, yard: Yard) -> None:
        answer = yard.post("query { nothing }")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"

    def test_an_unknown_input_field_is_refused(self, yard: Yard) -> None:
        answer = yard.post(
            "mutation($i: ServiceCreateInput!) { serviceCreate(input: $i) { id } }",
            i={"projectId": PROJECT, "colour": "red"},
        )
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"

    def test_a_resolver_failure_is_200_with_path_code_and_a_decimal_trace_id(
        self, yard: Yard
    ) -> None:
        answer = yard.post('query { deployment(id: "nope") { id } }')
        assert answer.status_code == 200
        body = answer.json()
        error = body["errors"][0]
        assert body["data"] is None
        assert error["message"] == "Deployment not found"
        assert error["path"] == ["deployment"]
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert error["traceId"].isdigit()

    def test_a_body_that_is_not_json_is_400(self, yard: Yard) -> None:
        answer = yard.http.post(f"{yard.url}/graphql/v2", content=b"<xml/>")
        assert answer.status_code == 400

    def test_every_answer_says_what_is_left_and_that_it_is_a_stand_in(self, yard: Yard) -> None:
        headers = yard.post("query { apiToken { workspaces { id } } }").headers
        assert headers["x-stand-in"] == "1"
        for one in ("limit", "remaining", "reset"):
            assert headers[f"x-ratelimit-{one}"].isdigit()
        assert "ratelimit-policy" in headers

    def test_an_operation_without_an_implementation_says_so(self, yard: Yard) -> None:
        with pytest.raises(GraphQLFailed, match="volumeDelete is not implemented by the local"):
            yard.gql('mutation { volumeDelete(volumeId: "x") }')

    def test_a_moment_that_is_none_is_refused(self, yard: Yard) -> None:
        answer = yard.post(
            'query($d: DateTime) { buildLogs(deploymentId: "x", startDate: $d) { message } }',
            d="yesterday",
        )
        assert answer.status_code == 400


class TestTokens:
    def test_no_token_and_a_wrong_token_are_not_authorized(self, yard: Yard) -> None:
        for token in (None, "wrong"):
            answer = yard.post("query { apiToken { workspaces { id } } }", token=token)
            assert answer.status_code == 200
            assert answer.json()["errors"][0]["message"] == "Not Authorized"

    def test_a_workspace_token_fails_on_me_and_knows_its_workspace(self, yard: Yard) -> None:
        asked = "query { me { id } }"
        assert yard.post(asked, token=WORKSPACE).json()["errors"][0]["message"] == "Not Authorized"
        assert yard.post(asked, token=ACCOUNT).json()["data"]["me"]["id"]
        found = yard.post("query { apiToken { workspaces { id } } }", token=WORKSPACE).json()
        assert found["data"]["apiToken"]["workspaces"]

    def project(self, yard: Yard, query: str, token: str = OWN) -> dict[str, object]:
        answer = yard.http.post(
            f"{yard.url}/graphql/v2",
            json={"query": query},
            headers={"Project-Access-Token": token},
        )
        found: dict[str, object] = answer.json()
        return found

    def test_a_project_token_sees_its_environment_and_no_further(self, yard: Yard) -> None:
        scope = self.project(yard, "query { projectToken { projectId environmentId } }")
        assert scope["data"] == {
            "projectToken": {"projectId": PROJECT, "environmentId": ENVIRONMENT}
        }
        own = self.project(yard, f'query {{ project(id: "{PROJECT}") {{ id }} }}')
        assert "errors" not in own
        other = yard.gql(
            'mutation { projectCreate(input: {name: "other"}) { id primaryEnvironmentId } }'
        )["projectCreate"]
        for query in (
            "query { projects { edges { node { id } } } }",
            f'query {{ project(id: "{other["id"]}") {{ id }} }}',
            f'query {{ environment(id: "{other["primaryEnvironmentId"]}") {{ id }} }}',
            "mutation { projectCreate(input: {}) { id } }",
        ):
            refused = self.project(yard, query)
            assert "Not Authorized" in str(refused["errors"]), query

    def test_a_wrong_project_token_is_named_as_such(self, yard: Yard) -> None:
        answer = self.project(yard, "query { projectToken { id } }", token="wrong")
        assert "Project Token not found" in str(answer["errors"])

    def test_a_project_token_made_by_the_api_works_until_it_is_deleted(self, yard: Yard) -> None:
        token = yard.gql(
            "mutation($i: ProjectTokenCreateInput!) { projectTokenCreate(input: $i) }",
            i={"projectId": PROJECT, "environmentId": ENVIRONMENT, "name": "ci"},
        )["projectTokenCreate"]
        made = self.project(yard, "query { projectToken { id } }", token)["data"]
        assert isinstance(made, dict)
        yard.gql(
            "mutation($id: String!) { projectTokenDelete(id: $id) }", id=made["projectToken"]["id"]
        )
        gone = self.project(yard, "query { projectToken { id } }", token)
        assert "not found" in str(gone["errors"])


class TestBudget:
    def test_one_call_too_many_is_429_with_retry_after(self, tmp_path: Path) -> None:
        with running(tmp_path, rate_limit={"per_hour": 3, "per_second": 100}) as yard:
            asked = "query { apiToken { workspaces { id } } }"
            left = [yard.post(asked).headers["x-ratelimit-remaining"] for _ in range(3)]
            assert left == ["2", "1", "0"]
            refused = yard.post(asked)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1


class TestServices:
    def test_two_services_cannot_have_one_name(self, yard: Yard, name: str) -> None:
        yard.service(name)
        with pytest.raises(GraphQLFailed, match=f'A service named "{name}" already exists in'):
            yard.service(name)

    def test_replicas_fall_back_to_one_when_they_are_left_out(self, yard: Yard, name: str) -> None:
        service = yard.service(name, numReplicas=3)
        service.configure(healthcheckPath="/up")
        read = "query($s: String!, $e: String!) { serviceInstance(serviceId: $s, environmentId: $e)"
        found = yard.gql(
            read + " { numReplicas healthcheckPath restartPolicyType restartPolicyMaxRetries } }",
            s=service.id,
            e=ENVIRONMENT,
        )["serviceInstance"]
        assert found == {
            "numReplicas": 1,
            "healthcheckPath": "/up",
            "restartPolicyType": "ON_FAILURE",
            "restartPolicyMaxRetries": 10,
        }

    def test_a_new_image_is_no_new_deployment(self, yard: Yard, name: str) -> None:
        service = yard.service(name)
        service.configure(image=f"{yard.registry}/slipway/x@sha256:{'0' * 64}")
        assert service.deployments() == []

    def test_limits_are_none_until_they_are_set(self, yard: Yard, name: str) -> None:
        service = yard.service(name)
        read = (
            "query($s: String!, $e: String!) {"
            " own: serviceInstanceLimitOverride(serviceId: $s, environmentId: $e)"
            " all: serviceInstanceLimits(serviceId: $s, environmentId: $e) }"
        )
        before = yard.gql(read, s=service.id, e=ENVIRONMENT)
        assert before["own"] is None
        yard.gql(
            "mutation($i: ServiceInstanceLimitsUpdateInput!) {"
            " serviceInstanceLimitsUpdate(input: $i) }",
            i={"serviceId": service.id, "environmentId": ENVIRONMENT, "memoryGB": 0.25},
        )
        after = yard.gql(read, s=service.id, e=ENVIRONMENT)
        assert after["own"]["containers"] == {"memoryGB": 0.25}
        assert after["all"]["containers"]["memoryGB"] == 0.25
        assert after["all"]["containers"]["vCPUs"] == before["all"]["containers"]["vCPUs"]

    def test_what_cannot_be_honoured_is_refused(self, yard: Yard, name: str) -> None:
        service = yard.service(name)
        with pytest.raises(GraphQLFailed, match="cronSchedule is not implemented"):
            service.configure(cronSchedule="* * * * *")

    def test_a_deleted_service_is_gone_with_its_address(self, yard: Yard, name: str) -> None:
        service = yard.service(name, yard.push(server(), command="exec python3 main.py"))
        deployment = service.up()
        assert service.get("/").status_code == 200
        yard.gql("mutation($id: String!) { serviceDelete(id: $id) }", id=service.id)
        service.wait(deployment, "REMOVED")
        with pytest.raises(GraphQLFailed, match="Service not found"):
            yard.gql("query($id: String!) { service(id: $id) { id } }", id=service.id)
        with pytest.raises(Exception, match="refused"):
            service.get("/")
        yard.service(name)  # its name is free again

    def test_services_are_listed_page_by_page(self, tmp_path: Path) -> None:
        with running(tmp_path) as yard:
            for n in range(5):
                yard.service(f"s{n}")
            seen: list[str] = []
            after = None
            while True:
                page = yard.gql(
                    "query($id: String!, $after: String) { project(id: $id) {"
                    " services(first: 2, after: $after) { edges { node { name } }"
                    " pageInfo { hasNextPage endCursor } } } }",
                    id=PROJECT,
                    after=after,
                )["project"]["services"]
                seen += [edge["node"]["name"] for edge in page["edges"]]
                if not page["pageInfo"]["hasNextPage"]:
                    break
                after = page["pageInfo"]["endCursor"]
            assert seen == [f"s{n}" for n in range(5)]


class TestVariables:
    def read(self, yard: Yard, service: str, field: str = "variables") -> dict[str, str]:
        found: dict[str, str] = yard.gql(
            "query($p: String!, $e: String!, $s: String!) {"
            f" {field}(projectId: $p, environmentId: $e, serviceId: $s) }}",
            p=PROJECT,
            e=ENVIRONMENT,
            s=service,
        )[field]
        return found

    def test_replace_removes_what_is_not_there(self, yard: Yard, name: str) -> None:
        service = yard.service(name)
        service.variables({"A": "1", "B": "2"})
        service.variables({"B": "3"})
        assert self.read(yard, service.id) == {"B": "3"}

    def test_references_are_resolved(self, yard: Yard, name: str) -> None:
        service = yard.service(name)
        service.variables({"A": "one", "B": "${{A}}-${{RAILWAY_SERVICE_NAME}}-${{shared.NO}}"})
        assert self.read(yard, service.id)["B"] == f"one-{name}-"
        all_of_them = self.read(yard, service.id, "variablesForServiceDeployment")
        assert all_of_them["RAILWAY_PROJECT_ID"] == PROJECT
        assert all_of_them["RAILWAY_PUBLIC_DOMAIN"] == service.domain

    def test_a_change_without_skip_deploys_redeploys(self, yard: Yard, name: str) -> None:
        image = yard.push(server(), command="exec python3 main.py")
        service = yard.service(name, image, healthcheckPath="/")
        service.up()
        yard.gql(
            "mutation($i: VariableUpsertInput!) { variableUpsert(input: $i) }",
            i={
                "projectId": PROJECT,
                "environmentId": ENVIRONMENT,
                "serviceId": service.id,
                "name": "COLOUR",
                "value": "green",
            },
        )
        newest = service.deployments()[0]
        assert newest["meta"]["reason"] == "redeploy"
        service.wait(newest["id"], "SUCCESS")
        assert service.get("/").json()["env"]["COLOUR"] == "green"
