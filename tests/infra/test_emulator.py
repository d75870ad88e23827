"""What our launcher adds to the AWS emulator, asked of a running one; and the stack's AWS half."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from infra.deploy import Deployment
from infra.local import settings
from infra.local.cloud import Cloud
from infra.local.layout import ROOT, Layout
from infra.target import Target
from tests.e2e.conftest import free_ports

ROLE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
HANDLER = """
class TooLate(Exception):
    pass

def handler(event, context):
    import importlib.util, os, sys
    if event.get("raise"):
        raise TooLate("it is over")
    return {
        "sees": [name for name in ("ministack", "yaml", "boto3") if importlib.util.find_spec(name)],
        "home": os.environ.get("HOME"),
        "secret": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "names": sorted(os.environ),
    }
"""


class Emulator:
    """An emulator with data of its own, started and ended as often as a test likes."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        layout.make()
        self.cloud = Cloud(layout)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        part = settings.PARTS["aws"](self.layout, self.layout.credentials(), "aws")
        with part.log.open("ab") as log:
            self.process = subprocess.Popen(
                part.command, cwd=ROOT, env=dict(part.env), stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(part.ready_url, timeout=10).is_success:
                    return
            time.sleep(0.05)
        pytest.fail(part.log.read_text())

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in good order or not."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(60)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    made = Emulator(Layout(tmp_path_factory.mktemp("emulator"), free_ports()))
    made.start()
    yield made
    made.end()


def allow(cloud: Cloud, name: str, *statements: dict[str, Any]) -> str:
    """A role that may do this."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(document))
    return str(role["Arn"])


def zipped(name: str, text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, text)
    return out.getvalue()


@pytest.fixture(scope="module")
def function(emulator: Emulator) -> str:
    """A function that says what it sees."""
    cloud = emulator.cloud
    return str(
        cloud.client("lambda").create_function(
            FunctionName="looks-around",
            Runtime="python3.11",
            Role=allow(cloud, "looks-around"),
            Handler="main.handler",
            Code={"ZipFile": zipped("main.py", HANDLER)},
        )["FunctionArn"]
    )


def invoke(emulator: Emulator, event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = emulator.cloud.client("lambda").invoke(
        FunctionName="looks-around", Payload=json.dumps(event)
    )
    return answer, json.loads(answer["Payload"].read())


def run_machine(emulator: Emulator, name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Run a state machine to its end."""
    machines = emulator.cloud.client("stepfunctions")
    arn = machines.create_state_machine(
        name=name,
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::000000000000:role/looks-around",
    )["stateMachineArn"]
    execution = machines.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found: dict[str, Any] = machines.describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.1)
    pytest.fail(f"{name} is still running")


def test_a_handler_sees_boto3_and_nothing_of_the_emulator(
    emulator: Emulator, function: str
) -> None:
    _, seen = invoke(emulator, {})
    assert seen["sees"] == ["boto3"]
    assert seen["home"] == str(emulator.layout.aws / "home")
    assert seen["secret"] != emulator.layout.credentials().secret_access_key
    ours = {name for name in os.environ if name.startswith(("PIP_", "SLIPWAY_", "UV_"))}
    assert not ours & set(seen["names"])


def test_an_exception_keeps_its_name(emulator: Emulator, function: str) -> None:
    answer, body = invoke(emulator, {"raise": True})
    assert answer["FunctionError"]
    assert body["errorType"] == "TooLate"
    caught = run_machine(
        emulator,
        "catches",
        {
            "StartAt": "Call",
            "States": {
                "Call": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Parameters": {"FunctionName": function, "Payload": {"raise": True}},
                    "Catch": [{"ErrorEquals": ["TooLate"], "Next": "Caught"}],
                    "End": True,
                },
                "Caught": {"Type": "Pass", "Result": "by name", "End": True},
            },
        },
    )
    assert (caught["status"], caught["output"]) == ("SUCCEEDED", '"by name"')


def test_an_execution_past_its_time_is_timed_out(emulator: Emulator, function: str) -> None:
    states = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
    ended = run_machine(
        emulator, "waits", {"TimeoutSeconds": 2, "StartAt": "Wait", "States": states}
    )
    assert (ended["status"], ended["error"]) == ("TIMED_OUT", "States.Timeout")


def test_the_yard_may_speak_in_codebuilds_name_and_functions_may_not(emulator: Emulator) -> None:
    entry = {
        "Source": "aws.codebuild",
        "DetailType": "CodeBuild Build State Change",
        "Detail": "{}",
    }
    answer = emulator.cloud.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


def test_policies_name_rules_and_senders_as_on_aws(emulator: Emulator) -> None:
    cloud = emulator.cloud
    arn = allow(
        cloud,
        "narrow",
        {
            "Effect": "Allow",
            "Action": "events:DescribeRule",
            "Resource": "arn:aws:events:us-east-1:000000000000:rule/mine",
        },
        {
            "Effect": "Allow",
            "Action": "ses:SendEmail",
            "Resource": "arn:aws:ses:us-east-1:000000000000:identity/me@example.org",
        },
    )
    cloud.client("events").put_rule(Name="mine", ScheduleExpression="rate(1 day)")
    cloud.client("events").put_rule(Name="other", ScheduleExpression="rate(1 day)")
    for address in ("me@example.org", "you@example.org"):
        cloud.client("ses").verify_email_identity(EmailAddress=address)
    key = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="narrow")["Credentials"]
    narrow = Cloud(emulator.layout)
    narrow.__dict__["_session"] = _session(key)
    narrow.client("events").describe_rule(Name="mine")
    with pytest.raises(ClientError, match="not authorized"):
        narrow.client("events").describe_rule(Name="other")
    message = {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}
    to = {"ToAddresses": ["x@example.org"]}
    send = narrow.client("ses").send_email
    send(Source="Me <me@example.org>", Destination=to, Message=message)
    with pytest.raises(ClientError, match="not authorized"):
        send(Source="you@example.org", Destination=to, Message=message)


def _session(key: dict[str, str]) -> Any:
    return Session(
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
        region_name="us-east-1",
    )


def test_a_kill_loses_seconds_and_never_the_whole(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    emulator = Emulator(Layout(tmp_path, free_ports()))
    emulator.start()
    request.addfinalizer(emulator.end)
    cloud = emulator.cloud
    cloud.client("dynamodb").create_table(
        TableName="kept",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    cloud.client("ses").verify_email_identity(EmailAddress="a@example.org")
    cloud.client("ses").send_email(
        Source="a@example.org",
        Destination={"ToAddresses": ["b@example.org"]},
        Message={"Subject": {"Data": "kept"}, "Body": {"Text": {"Data": "t"}}},
    )
    # Killed again and again while it writes: what is read afterwards is always a whole snapshot.
    written: dict[int, float] = {}
    for round_ in range(3):
        for n in range(40):
            _put(cloud, round_ * 40 + n)
            written[round_ * 40 + n] = time.monotonic()
            if n == 20:
                time.sleep(5.5)
        killed = time.monotonic()
        emulator.end(signal.SIGKILL)
        emulator.start()
        found = {
            int(item["pk"]["S"])
            for item in cloud.client("dynamodb").scan(TableName="kept")["Items"]
        }
        lost = {n for n in written if n not in found}
        assert all(killed - written[n] < 10 for n in lost)
        written = {n: at for n, at in written.items() if n in found}
    mails = httpx.get(
        f"{emulator.layout.aws_url}/_ministack/ses/messages",
        headers={"X-Slipway-Admin": emulator.layout.credentials().admin_token},
    ).json()["messages"]
    assert [mail["Subject"] for mail in mails["000000000000"]] == ["kept"]


def _put(cloud: Cloud, n: int) -> None:
    client = cloud.__dict__.setdefault("dynamodb", cloud.client("dynamodb"))
    client.put_item(TableName="kept", Item={"pk": {"S": str(n)}})


def railway(request: httpx.Request) -> httpx.Response:
    """Railway, as far as a deployment asks it."""
    query = json.loads(request.content)["query"]
    if "projects(" in query:
        empty = {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return httpx.Response(200, json={"data": {"projects": empty}})
    environment = {"node": {"id": "env-1", "name": "production"}}
    project = {"id": "prj-1", "name": "x", "environments": {"edges": [environment]}}
    return httpx.Response(200, json={"data": {"projectCreate": project}})


def test_the_aws_half_of_the_stack_deploys_and_a_second_run_changes_nothing(
    emulator: Emulator, tmp_path: Path
) -> None:
    credentials = emulator.layout.credentials()
    target = Target(
        stage="prod",
        ground="aws",
        region="us-east-1",
        mail_from="slipway@example.org",
        mail_identity="example.org",
        image_repository="ghcr.io/example",
        railway_url="https://railway.test/graphql/v2",
        railway_token="token",
        registry_username="user",
        registry_password="secret",
        aws_endpoint=emulator.layout.aws_url,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
    )
    work = ROOT / ".local" / "package"

    def deploy(to: Target) -> dict[str, Any]:
        return Deployment(to, ROOT, work, railway=httpx.MockTransport(railway)).run()

    first = deploy(target)
    assert first["changed"]
    assert first["web_url"] == first["WebAddress"]
    assert first["WebAddress"].startswith("https://")
    api = emulator.cloud.client("lambda").get_function_configuration(
        FunctionName="slipway-prod-api"
    )
    variables = api["Environment"]["Variables"]
    assert variables["SLIPWAY_WEB_URL"] == first["WebAddress"]
    assert variables["SLIPWAY_RAILWAY_ENVIRONMENT_ID"] == "env-1"
    assert "AWS_ENDPOINT_URL_CODEBUILD" not in variables
    ssm = emulator.cloud.client("ssm")
    key = ssm.get_parameter(Name="/slipway/prod/signing-key", WithDecryption=True)
    assert not deploy(target)["changed"]
    assert (
        ssm.get_parameter(Name="/slipway/prod/signing-key", WithDecryption=True)["Parameter"][
            "Value"
        ]
        == key["Parameter"]["Value"]
    )
    deploy(replace(target, registry_password="rotated"))
    rotated = ssm.get_parameter(Name="/slipway/prod/registry-password", WithDecryption=True)
    assert rotated["Parameter"]["Value"] == "rotated"


def test_calls_of_a_busy_function_share_a_few_workers(emulator: Emulator, function: str) -> None:
    invoke(emulator, {})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: invoke(emulator, {"n": n})[1], range(60)))
    assert all(answer["sees"] == ["boto3"] for answer in answers)
    workers = [
        process
        for process in Path("/proc").glob("[0-9]*/cmdline")
        if "ministack-lambda-looks-around" in _read(process)
        and str(emulator.layout.data) in _read(process)
    ]
    assert 1 <= len(workers) <= max(2, os.cpu_count() or 2)


def test_what_only_grows_is_kept_within_bounds(emulator: Emulator, function: str) -> None:
    logs = emulator.cloud.client("logs")
    logs.create_log_group(logGroupName="busy")
    logs.create_log_stream(logGroupName="busy", logStreamName="one")
    now = int(time.time() * 1000)
    for batch in range(3):
        lines = [{"timestamp": now, "message": f"{batch} {n}"} for n in range(500)]
        logs.put_log_events(logGroupName="busy", logStreamName="one", logEvents=lines)
    deadline = time.monotonic() + 45
    while True:
        kept = logs.get_log_events(
            logGroupName="busy", logStreamName="one", startFromHead=False, limit=10_000
        )["events"]
        if len(kept) <= 1000:
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert kept[-1]["message"] == "2 499"


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


GUESSED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Credential=000000000000%2F20260101"
    "%2Fus-east-1%2Fdynamodb%2Faws4_request"
)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/?{GUESSED}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}),
        ("/some-bucket?AWSAccessKeyId=test&Expires=9999999999&Signature=x", {}),
        ("/?Action=GetCallerIdentity&Version=2011-06-15", {}),
        ("/latest/meta-data/iam/security-credentials/", {}),
        ("/2015-03-31/functions", {}),
        ("/2015-03-31/functions", {"Origin": "http://evil.example"}),
        ("/restapis/abc/api/_user_request_/v1/health", {"Origin": "http://127.0.0.1:8820"}),
        ("/restapis/abc/api/_user_request_/v1/health", {"Sec-Fetch-Site": "cross-site"}),
        (
            "/restapis/abc/api/_user_request_/v1/health",
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        ),
        ("/2015-03-31/functions", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
    ],
)
def test_nobody_without_a_key_and_no_foreign_page_gets_in(
    emulator: Emulator, path: str, headers: dict[str, str]
) -> None:
    answer = httpx.get(f"{emulator.layout.aws_url}{path}", headers=headers, trust_env=False)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_who_comes_back_from_a_sign_in_provider_reaches_the_api(emulator: Emulator) -> None:
    path = "/restapis/abc/api/_user_request_/v1/auth/acme/callback"
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "null"}
    url = f"{emulator.layout.aws_url}{path}"
    assert httpx.get(url, headers=visit, trust_env=False).status_code == 404, "no such API here"
    assert httpx.post(url, headers=visit, trust_env=False).status_code == 403
