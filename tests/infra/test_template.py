"""What the emulator does not enforce, and what a bill would tell too late."""

from __future__ import annotations

import fnmatch
import inspect
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.layouts import LAYOUTS
from chalicelib.api.http import HEADERS, ORIGIN_HEADER
from chalicelib.domain.agents import SlugClaim
from chalicelib.domain.audit import AuditHead, AuditRecord
from chalicelib.domain.tenancy import Organisation
from chalicelib.settings import Settings
from infra import package, synthesis
from infra.deploy import Deployment
from tests.service.test_stream_filter import stream_patterns

Resources = dict[str, dict[str, Any]]

# Every type here costs nothing while nobody uses it (storage by the gigabyte aside). Whoever adds
# one looks up its price first.
PRICED_BY_USE = {
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::CodeBuild::Project",
    "AWS::DynamoDB::Table",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
}
# Properties of those types that cost by the hour or the month.
PRICED_BY_TIME = {
    "CacheClusterEnabled",  # API Gateway
    "ContributorInsightsSpecification",
    "FileSystemLocations",
    "KmsKeyId",
    "KmsMasterKeyId",
    "KMSMasterKeyId",
    "ProvisionedConcurrencyConfig",
    "ProvisionedThroughput",
    "SnapStart",
    "VpcConfig",
    "WebACLId",
}


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: one for name, one in resources.items() if one["Type"] == kind}


def everything(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value in a document, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def statements(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_cloudformation_accepts_the_template(template: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text(json.dumps(template))
    lint = "from cfnlint.runner import main; main()"
    command = [sys.executable, "-c", lint, "--regions", "eu-central-1", "us-east-1"]
    done = subprocess.run([*command, "--", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_costs_while_nobody_uses_it(resources: Resources) -> None:
    assert {one["Type"] for one in resources.values()} <= PRICED_BY_USE
    for name, resource in resources.items():
        keys = {key for key, _ in everything(resource.get("Properties", {}))}
        assert not keys & PRICED_BY_TIME, name
    for table in of_type(resources, "AWS::DynamoDB::Table").values():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    for distribution in of_type(resources, "AWS::CloudFront::Distribution").values():
        certificate = distribution["Properties"]["DistributionConfig"]["ViewerCertificate"]
        assert certificate.get("SslSupportMethod") != "vip"


def test_logs_are_kept_for_a_limited_time(resources: Resources) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert len(groups) == 9
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}


def test_no_role_may_do_more_than_its_part(resources: Resources) -> None:
    for role, statement in statements(resources):
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z]+", action), f"{role}: {action}"
        for resource in listed(statement["Resource"]):
            text = json.dumps(resource)
            assert "Fn::" in text, f"{role}: {resource} names nothing of this stack"
            assert re.search(r"\$\{(AWS::StackName|Stage|MailIdentity|Table)|Fn::GetAtt", text)
            assert not text.strip('"').endswith(":*:*")


@pytest.mark.parametrize("role", ["ApiRole", "WorkerRole"])
def test_the_audit_log_is_append_only_for_the_platform_itself(
    resources: Resources, role: str
) -> None:
    mine = [statement for name, statement in statements(resources) if name == role]
    denied = [s for s in mine if s["Effect"] == "Deny"]
    [log] = [s for s in denied if "dynamodb:DeleteItem" in listed(s["Action"])]
    assert set(log["Action"]) == {"dynamodb:DeleteItem", "dynamodb:UpdateItem"}
    [pattern] = log["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    # Without a key nothing is meant; ForAllValues would take it for a match.
    assert log["Condition"]["Null"] == {"dynamodb:LeadingKeys": False}
    for key in (LAYOUTS[AuditRecord].key("org_1", "1"), LAYOUTS[AuditHead].key("org_1")):
        assert fnmatch.fnmatchcase(key.pk, pattern)
    others = [LAYOUTS[SlugClaim].key("org_1", "audit"), LAYOUTS[Organisation].key("org_1")]
    assert not any(fnmatch.fnmatchcase(key.pk, pattern) for key in others)
    [kept] = [s for s in denied if "s3:DeleteObject" in listed(s["Action"])]
    assert kept["Resource"]["Fn::Sub"].endswith("/audit/*")
    allowed = {a for s in mine if s["Effect"] == "Allow" for a in listed(s["Action"])}
    # Ways to change items that the condition would not see.
    assert not any(re.match("dynamodb:(BatchWrite|PartiQL)", action) for action in allowed)


def test_a_build_cannot_touch_the_checkpoints_of_the_audit_log(resources: Resources) -> None:
    [kept] = [
        s for name, s in statements(resources) if name == "BuildRole" and s["Effect"] == "Deny"
    ]
    assert {"s3:GetObject", "s3:PutObject"} == set(kept["Action"])
    assert kept["Resource"]["Fn::Sub"].endswith("/audit/*")


def test_every_role_is_taken_by_one_service_only(resources: Resources) -> None:
    services = {
        name: role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        for name, role in of_type(resources, "AWS::IAM::Role").items()
    }
    assert services == {
        "ApiRole": {"Service": "lambda.amazonaws.com"},
        "WorkerRole": {"Service": "lambda.amazonaws.com"},
        "BuildRole": {"Service": "codebuild.amazonaws.com"},
        "MachineRole": {"Service": "states.amazonaws.com"},
    }


def test_the_build_cannot_reach_the_platforms_secrets(resources: Resources) -> None:
    for role, statement in statements(resources):
        if role == "BuildRole" and "ssm:GetParameter" in listed(statement["Action"]):
            assert statement["Resource"]["Fn::Sub"].endswith("/registry-*")


def test_every_function_has_role_environment_and_log_group(
    resources: Resources, built: package.Package
) -> None:
    with zipfile.ZipFile(built.zip_path) as archive:
        names = set(archive.namelist())
    functions = of_type(resources, "AWS::Lambda::Function")
    assert set(functions) == {
        "APIHandler",
        "OnUpload",
        "OnBuild",
        "OnListing",
        "OnChange",
        "OnTask",
        "DeployStep",
        "Reconcile",
    }
    wanted = re.findall(r'"(SLIPWAY_[A-Z_0-9]+)"', inspect.getsource(Settings.from_env))
    required = {name for name in wanted if "LIMIT" not in name}
    for name, function in functions.items():
        properties = function["Properties"]
        assert properties["Role"]["Fn::GetAtt"][0] in {"ApiRole", "WorkerRole"}, name
        variables = properties["Environment"]["Variables"]
        assert required <= set(variables), name
        group = resources[properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        own = properties["FunctionName"]["Fn::Sub"]
        assert group["LogGroupName"]["Fn::Sub"] == f"/aws/lambda/{own}", name
        module, _, _ = properties["Handler"].rpartition(".")
        assert f"{module.replace('.', '/')}.py" in names, name


def test_functions_may_write_their_own_logs(resources: Resources) -> None:
    allowed = {
        resource["Fn::Sub"].partition(":log-group:")[2].removesuffix(":*")
        for _, statement in statements(resources)
        if "logs:PutLogEvents" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }
    groups = of_type(resources, "AWS::Logs::LogGroup").values()
    assert allowed == {group["Properties"]["LogGroupName"]["Fn::Sub"] for group in groups}


@pytest.mark.parametrize(
    ("function", "source"),
    [("OnUpload", "aws.s3"), ("OnBuild", "aws.codebuild"), ("Reconcile", None)],
)
def test_events_reach_their_function(
    resources: Resources, function: str, source: str | None
) -> None:
    rules = {
        name: rule["Properties"]
        for name, rule in of_type(resources, "AWS::Events::Rule").items()
        if rule["Properties"]["Targets"][0]["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    }
    [(name, rule)] = rules.items()
    if source is not None:
        assert rule["EventPattern"]["source"] == [source]
        assert rule["EventPattern"]["detail"], "an event of somebody else's must not wake us"
    permissions = [
        one["Properties"]
        for one in of_type(resources, "AWS::Lambda::Permission").values()
        if one["Properties"]["FunctionName"] == {"Ref": function}
    ]
    assert permissions == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": function},
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": [name, "Arn"]},
        }
    ]


def test_what_is_to_be_done_is_kept_until_it_is_done(resources: Resources) -> None:
    dead = {"Destination": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
    changes = resources["WorkChanges"]["Properties"]
    assert changes["FunctionName"] == {"Ref": "OnChange"}
    # Without it Lambda takes a batch for done whatever the function says of its records.
    assert changes["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert changes["DestinationConfig"]["OnFailure"] == dead
    kinds = [json.loads(one["Pattern"]) for one in changes["FilterCriteria"]["Filters"]]
    assert kinds == stream_patterns("WorkChanges")
    named = {kind for one in kinds for kind in one["dynamodb"]["NewImage"]["kind"]["S"]}
    assert named == {"Receipt", "Version", "Deployment", "PullRequest"}
    tasks = resources["TaskRetries"]["Properties"]
    assert tasks["FunctionName"] == {"Ref": "OnTask"}
    assert tasks["DestinationConfig"]["OnFailure"] == dead
    own = resources["OnTask"]["Properties"]["FunctionName"]
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert function["Properties"]["Environment"]["Variables"]["SLIPWAY_TASK_FUNCTION"] == own


def test_a_shard_of_the_stream_has_no_more_readers_than_it_takes(resources: Resources) -> None:
    assert len(of_type(resources, "AWS::Lambda::EventSourceMapping")) <= 2


def test_nobody_polls_a_queue_while_nothing_happens(resources: Resources) -> None:
    """Pollers of a queue ask all the time, and each of their requests is billed."""
    for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values():
        assert mapping["Properties"]["EventSourceArn"] == {"Fn::GetAtt": ["Table", "StreamArn"]}


def test_the_reconciler_sleeps_until_something_is_deployed(resources: Resources) -> None:
    rule = resources["ReconcileRule"]["Properties"]
    assert rule["State"] == "DISABLED"
    for function in of_type(resources, "AWS::Lambda::Function").values():
        variables = function["Properties"]["Environment"]["Variables"]
        assert variables["SLIPWAY_RECONCILE_RULE"] == rule["Name"]


def test_the_gateway_may_call_the_api(resources: Resources) -> None:
    permission = resources["APIHandlerInvokePermission"]["Properties"]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert "${RestAPI}" in permission["SourceArn"]["Fn::Sub"][0] or "RestAPI" in json.dumps(
        permission["SourceArn"]
    )


def test_the_machine_calls_the_deployment_step_and_may(resources: Resources) -> None:
    machine = resources["DeployMachine"]["Properties"]
    step = {"Fn::GetAtt": ["DeployStep", "Arn"]}
    assert machine["DefinitionSubstitutions"] == {"DeployStepArn": step}
    assert machine["RoleArn"] == {"Fn::GetAtt": ["MachineRole", "Arn"]}
    names = set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"]))
    assert names == {"DeployStepArn"}
    allowed = [one for role, one in statements(resources) if role == "MachineRole"]
    assert allowed == [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": step}]


def test_buckets_are_private_and_outlive_the_stack(resources: Resources) -> None:
    buckets = of_type(resources, "AWS::S3::Bucket")
    assert set(buckets) == {"SourcesBucket", "ArtifactsBucket", "WebBucket"}
    for name, bucket in buckets.items():
        block = bucket["Properties"]["PublicAccessBlockConfiguration"]
        assert all(block.values()), name
        assert len(block) == 4, name
        assert bucket["DeletionPolicy"] == "Retain", name
    assert resources["Table"]["DeletionPolicy"] == "Retain"
    sources = buckets["SourcesBucket"]["Properties"]
    [rule] = sources["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["POST"]
    assert rule["AllowedOrigins"] == [{"Ref": "WebUrl"}]
    assert sources["NotificationConfiguration"]["EventBridgeConfiguration"] == {
        "EventBridgeEnabled": True
    }


@pytest.mark.parametrize(
    ("resource", "part"),
    [("WebHeaders", "pages"), ("ApiHeaders", "api"), ("MediaHeaders", "media")],
)
def test_cloudfront_sends_the_headers_that_the_local_cloud_sends(
    resources: Resources, resource: str, part: str
) -> None:
    policy = resources[resource]["Properties"]["ResponseHeadersPolicyConfig"]
    secure, custom = policy["SecurityHeadersConfig"], policy["CustomHeadersConfig"]["Items"]
    hsts = secure["StrictTransportSecurity"]
    csp = secure["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    sent = {item["Header"]: item["Value"] for item in custom} | {
        "Content-Security-Policy": csp["Fn::Sub"] if isinstance(csp, dict) else csp,
        "Referrer-Policy": secure["ReferrerPolicy"]["ReferrerPolicy"],
        "Strict-Transport-Security": f"max-age={hsts['AccessControlMaxAgeSec']}"
        + ("; includeSubDomains" if hsts["IncludeSubdomains"] else ""),
        "X-Content-Type-Options": "nosniff" if secure["ContentTypeOptions"] else "",
        "X-Frame-Options": secure["FrameOptions"]["FrameOption"],
    }
    bucket = "https://${SourcesBucket}.s3.${AWS::Region}.${AWS::URLSuffix}"
    assert sent == {
        name: value.replace("${UploadOrigin}", bucket)
        for name, value in synthesis.load_headers(part).items()
    }
    config = resources["Distribution"]["Properties"]["DistributionConfig"]
    behaviours = {one["PathPattern"]: one for one in config["CacheBehaviors"]}
    assert set(behaviours) == {"/api/*", "/media/*"}
    behaviour = behaviours.get(f"/{part}/*", config["DefaultCacheBehavior"])
    assert behaviour["ResponseHeadersPolicyId"] == {"Ref": resource}


def test_of_the_artifacts_the_world_reads_pictures_alone(resources: Resources) -> None:
    [said] = resources["MediaBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert said["Action"] == "s3:GetObject"
    assert said["Resource"] == {"Fn::Sub": "${ArtifactsBucket.Arn}/media/*"}
    assert said["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert "sandbox" in synthesis.load_headers("media")["Content-Security-Policy"]


def test_the_api_says_by_itself_what_cloudfront_says_for_it(resources: Resources) -> None:
    assert synthesis.load_headers("api") == HEADERS
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    body = resources["RestAPI"]["Properties"]["Body"]
    for response in body["x-amazon-apigateway-gateway-responses"].values():
        said = response["responseParameters"]
        for name, value in HEADERS.items():
            if "'" not in value:
                assert said[f"gatewayresponse.header.{name}"] == f"'{value}'"


def test_the_distribution_proves_itself_to_the_api(resources: Resources) -> None:
    config = resources["Distribution"]["Properties"]["DistributionConfig"]
    [api] = [origin for origin in config["Origins"] if origin["Id"] == "api"]
    [proof] = api["OriginCustomHeaders"]
    assert proof == {"HeaderName": "Slipway-Origin", "HeaderValue": {"Ref": "OriginSecret"}}
    assert proof["HeaderName"].lower() == ORIGIN_HEADER
    for function in of_type(resources, "AWS::Lambda::Function").values():
        variables = function["Properties"]["Environment"]["Variables"]
        assert variables["SLIPWAY_ORIGIN_HASH"] == {"Ref": "OriginHash"}
        assert {"Ref": "OriginSecret"} not in variables.values(), "functions need the hash alone"


def test_scripts_and_styles_come_from_ourselves_only() -> None:
    policy = synthesis.load_headers()["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy


def test_the_distribution_opens_the_same_page_as_the_local_web_server(
    resources: Resources,
) -> None:
    pages = synthesis.load_pages()
    paths = {
        "/": "index.html",
        "/marketplace": "pages/marketplace.html",
        "/marketplace/gist": "pages/offer.html",
        "/marketplace/gist/copy": "pages/other.html",
        "/agents": "pages/agents.html",
        "/agents/": "pages/agents.html",
        "/agents/agt_1": "pages/agent.html",
        "/agents/agt_1/logs": "pages/agent-part.html",
        "/agents/agt_1/deploy": "pages/deploy.html",
        "/agents/agt_1/deployments/dep_1": "pages/deployment.html",
        "/agents/agt_1/versions/ver_1": "pages/version.html",
        "/deploy": "pages/deploy.html",
        "/sign-in": "pages/sign-in.html",
        "/sign-in/link": "pages/other.html",
        "/nowhere/near/a/page": "pages/other.html",
    }
    assert {path: synthesis.page_of(path, pages) for path in paths} == paths
    code = resources["WebPaths"]["Properties"]["FunctionCode"]
    asked = [*paths, "/assets/app-1.js", "/icon.svg"]
    program = (
        f"{code}\nconst uris = {json.dumps(asked)}"
        ".map((uri) => handler({ request: { uri } }).uri);\nconsole.log(JSON.stringify(uris));"
    )
    told = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [
        *(f"/{file}" for file in paths.values()),
        "/assets/app-1.js",
        "/icon.svg",
    ]
    assert len(code.encode()) < 10_000, "CloudFront takes no longer ones"


def test_only_the_web_site_differs_between_the_grounds(resources: Resources) -> None:
    conditional = {name for name, one in resources.items() if "Condition" in one}
    assert conditional == {
        "ApiHeaders",
        "Distribution",
        "MediaBucketPolicy",
        "MediaHeaders",
        "WebAccess",
        "WebBucket",
        "WebBucketPolicy",
        "WebHeaders",
        "WebPaths",
    }


def test_the_deployment_gives_every_parameter(template: dict[str, Any]) -> None:
    given = set(
        re.findall(r'^ {12}"(\w+)":', inspect.getsource(Deployment.parameters), re.MULTILINE)
    )
    assert given | {"WebUrl"} == set(template["Parameters"])


def test_refusals_of_the_gateway_look_like_every_other(resources: Resources) -> None:
    body = resources["RestAPI"]["Properties"]["Body"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    assert len(responses) == 5
    for response in responses.values():
        text = response["responseTemplates"]["application/json"]
        problem = json.loads(text.replace("$context.error.messageString", '"said"'))
        assert set(problem) == {"type", "title", "status", "code", "detail", "trace_id"}
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
