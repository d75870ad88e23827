"""Knows how a stage of the platform is brought to its ground, AWS or the local cloud.

    python -m infra.deploy --stage local --target .local/target.json   (the supervisor does this)
    python -m infra.deploy --stage prod                                (`make deploy STAGE=prod`)

Each step prints one line. A step finds out by itself whether anything has changed, so that a
second run takes a second; running again after a failure goes on where it failed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra import keys, package, publish, synthesis
from infra.github_app import GitHubApp, stored_app
from infra.hosting import Place, ensure_place
from infra.package import Package, PackagingError
from infra.stack import Stack, StackError
from infra.target import UNKNOWN_WEB_URL, DeployError, Target, aws_target, local_target

ROOT = Path(__file__).parent.parent
ORIGIN = "origin-secret"
T = TypeVar("T")


class Deployment:
    """One run: the steps in their order, and what they hand to each other."""

    def __init__(
        self,
        target: Target,
        root: Path,
        work: Path,
        *,
        railway: httpx.BaseTransport | None = None,
    ) -> None:
        self.target = target
        self.root = root
        self.work = work
        self._railway = railway
        self._github: GitHubApp | None = None
        self._session = Session(
            aws_access_key_id=target.aws_access_key_id,
            aws_secret_access_key=target.aws_secret_access_key,
            region_name=target.region,
        )

    def client(self, service: str) -> Any:
        """A client of the ground's service."""
        local = {"s3": {"addressing_style": "path"}} if self.target.is_local else {}
        config = Config(retries={"mode": "standard", "max_attempts": 4}, **local)
        return self._session.client(service, endpoint_url=self.target.aws_endpoint, config=config)

    def run(self) -> dict[str, Any]:
        """Everything, in order; the stack's outputs and what clients need to know."""
        account = _step("Check credentials", self.check_account)
        place = _step("Find the place at Railway", lambda: ensure_place(self.target, self._railway))
        built = _step("Package the application", self.build_package)
        template = _step("Make the template", lambda: self.make_template(built))
        code_bucket = f"slipway-code-{account}-{self.target.region}"
        _step("Upload the package", lambda: self.upload_code(code_bucket, built))
        kept = _step("Store the secrets", self.store_secrets)
        program = publish.build_program()
        uploads = [program, *publish.templates(self.root)]
        stack = Stack(self.client("cloudformation"), self.target.stack, code_bucket)
        before = stack.outputs()
        parameters = self.parameters(place, code_bucket, built, program.key, kept[ORIGIN])
        parameters["WebUrl"] = self.target.web_url or before.get("WebAddress", UNKNOWN_WEB_URL)
        if before:
            # Before functions are told of a program, it has to be there.
            _step("Publish the templates", lambda: self.publish_artifacts(before, uploads))

        def apply() -> bool:
            return stack.apply(template, parameters, self.client("s3"))

        changed = _step("Update the stack" if before else "Create the stack", apply)
        outputs = stack.outputs()
        if not before:
            _step("Publish the templates", lambda: self.publish_artifacts(outputs, uploads))
        if parameters["WebUrl"] == UNKNOWN_WEB_URL:
            # The functions cannot refer to the distribution in the template: it refers to the
            # API, and the API to them. So they are told once it has a name.
            parameters["WebUrl"] = outputs["WebAddress"]
            _step("Set the web address", apply)
        if self.target.is_local:
            _step("Do what the emulator leaves out", lambda: self.mend_emulator(template, outputs))
        elif (self.root / "frontend" / "dist" / "index.html").exists():
            _step("Publish the web site", lambda: self.publish_site(outputs))
        if changed:
            _step("Look after the search index", self.ensure_index)
        return {
            **outputs,
            "account": account,
            "stage": self.target.stage,
            "web_url": self.target.web_url or outputs.get("WebAddress"),
            "railway_project_id": place.project_id,
            "railway_environment_id": place.environment_id,
            "package_digest": built.digest,
            "changed": changed,
        }

    # -- steps -------------------------------------------------------------------------------

    def check_account(self) -> str:
        """Who we are on this ground; also proves that the credentials work."""
        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as problem:
            raise DeployError(
                f"AWS does not accept the credentials ({problem}). Sign in with `aws sso login` "
                "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from problem

    def build_package(self) -> Package:
        """The Lambda package, taken from the last run when nothing has changed."""
        return package.build(self.root, self.target.stage, self.work, local=self.target.is_local)

    def ensure_index(self) -> None:
        """New code may need another form of index than there is; nobody waits for it."""
        self.client("lambda").invoke(
            FunctionName=f"{self.target.stack}-on-listing",
            InvocationType="Event",
            Payload=json.dumps({"ensure": True}),
        )

    def make_template(self, built: Package) -> str:
        """The stack as plain CloudFormation; the slow translation is kept by its input."""
        sam = json.dumps(synthesis.assemble(built.sam, self.root / "infra"), sort_keys=True)
        digest = hashlib.sha256(sam.encode() + synthesis.REVISION).hexdigest()[:16]
        kept = self.work / f"template-{digest}.json"
        if not kept.exists():
            fresh = self.work / f"making-{digest}-{os.getpid()}.json"
            fresh.write_text(json.dumps(synthesis.translate(json.loads(sam)), sort_keys=True))
            fresh.replace(kept)
            package.forget_older(self.work, "template-", keep=kept)
        return kept.read_text()

    def upload_code(self, bucket: str, built: Package) -> None:
        """The package, where CloudFormation fetches it from."""
        s3 = self.client("s3")
        ensure_bucket(s3, bucket, self.target.region)
        key = _code_key(built)
        upload = publish.Upload(key, built.zip_path.read_bytes(), "application/zip")
        publish.publish(s3, bucket, [upload])

    def parameters(
        self, place: Place, code_bucket: str, built: Package, program_key: str, origin: str
    ) -> dict[str, str]:
        """The template's parameters but the web's address: all that the two grounds differ in."""
        target = self.target
        return {
            "Stage": target.stage,
            "Ground": target.ground,
            "GroundDetails": json.dumps(target.ground_details, sort_keys=True),
            "CodeBucket": code_bucket,
            "CodeKey": _code_key(built),
            "BuildProgramKey": program_key,
            "MailFrom": target.mail_from,
            "MailIdentity": target.mail_identity or target.mail_from,
            "ImageRepository": target.image_repository,
            "RailwayUrl": target.railway_url,
            "RailwayProjectId": place.project_id,
            "RailwayEnvironmentId": place.environment_id,
            "RailwayTokenKind": target.railway_token_kind,
            "RailwayCallsPerHour": str(target.railway_calls_per_hour),
            "ReleaseStrategy": target.release_strategy,
            "Operators": target.operators,
            "AgentUrlScheme": target.agent_url_scheme,
            "S3Url": target.s3_url,
            "CodeBuildUrl": target.codebuild_url,
            "GitHubApp": json.dumps(self.github().public(), sort_keys=True),
            "SignInProviders": json.dumps(list(target.providers), sort_keys=True),
            "WatchSeconds": target.watch_seconds,
            "LogDays": str(target.log_days),
            "AuditDays": str(target.audit_days),
            "PreviewIdleDays": str(target.preview_idle_days),
            "OriginSecret": origin,
            "OriginHash": hashlib.sha256(origin.encode()).hexdigest(),
            "RateFactor": str(target.rate_factor),
        }

    def github(self) -> GitHubApp:
        """The GitHub App that the environment names, or that `make github-app` has made."""
        if self._github is None:
            named = GitHubApp(**self.target.github)
            stored = None if named.app_id or self.target.is_local else self._stored_app()
            self._github = stored or named
        return self._github

    def _stored_app(self) -> GitHubApp | None:
        return stored_app(self.client("ssm"), self.target.parameters_prefix)

    def store_secrets(self) -> dict[str, str]:
        """What the platform keeps for itself is made once; what was given is kept up to date.

        Returns all of it by name.
        """
        ssm = self.client("ssm")
        prefix = self.target.parameters_prefix
        given = {
            "railway-token": self.target.railway_token,
            "registry-username": self.target.registry_username,
            "registry-password": self.target.registry_password,
            "provider-secrets": json.dumps(dict(self.target.provider_secrets), sort_keys=True),
            **self.github().parameters(),
        }
        made: dict[str, Callable[[], str]] = {
            "signing-key": keys.new_signing_keys,
            "vault-key": keys.new_vault_keys,
            "railway-webhook-secret": lambda: secrets.token_urlsafe(32),
            ORIGIN: lambda: self.target.origin_secret or secrets.token_urlsafe(32),
        }
        names = [f"{prefix}/{name}" for name in (*given, *made)]
        answer = ssm.get_parameters(Names=names, WithDecryption=True)
        there = {one["Name"].rpartition("/")[2]: one["Value"] for one in answer["Parameters"]}
        wanted = {name: value for name, value in given.items() if there.get(name) != value}
        wanted |= {name: make() for name, make in made.items() if name not in there}
        for name, value in wanted.items():
            ssm.put_parameter(
                Name=f"{prefix}/{name}",
                Value=value,
                Type="SecureString",
                Overwrite=name in there,
            )
        return there | wanted

    def publish_artifacts(self, outputs: dict[str, str], uploads: list[publish.Upload]) -> int:
        """The build program and the agent templates."""
        return publish.publish(self.client("s3"), outputs["ArtifactsBucketName"], uploads)

    def mend_emulator(self, template: str, outputs: dict[str, str]) -> None:
        """Verify the sender of mail, and give the gateway the refusals it found in the API's body.

        On AWS the first is done by a person, once, and the second by the import of the body.
        """
        ses = self.client("ses")
        if self.target.mail_from not in ses.list_identities()["Identities"]:
            ses.verify_email_identity(EmailAddress=self.target.mail_from)
        body = json.loads(template)["Resources"]["RestAPI"]["Properties"]["Body"]
        wanted = body.get("x-amazon-apigateway-gateway-responses", {})
        gateway, api = self.client("apigateway"), outputs["RestApiId"]
        there = {
            one["responseType"]: one["responseTemplates"]
            for one in gateway.get_gateway_responses(restApiId=api)["items"]
            if not one["defaultResponse"]
        }
        if there == {kind: one["responseTemplates"] for kind, one in wanted.items()}:
            return
        for kind, one in wanted.items():
            gateway.put_gateway_response(restApiId=api, responseType=kind, **one)
        gateway.create_deployment(restApiId=api, stageName="api")

    def publish_site(self, outputs: dict[str, str]) -> int:
        """The built frontend, and word to the caches that it has changed."""
        uploads = publish.site(self.root / "frontend" / "dist")
        uploads.append(publish.robots(self.target.web_url or outputs["WebAddress"]))
        written = publish.publish(self.client("s3"), outputs["WebBucketName"], uploads)
        if written:
            self.client("cloudfront").create_invalidation(
                DistributionId=outputs["DistributionId"],
                InvalidationBatch={
                    "Paths": {"Quantity": 1, "Items": ["/*"]},
                    "CallerReference": f"deploy-{time.time_ns()}",
                },
            )
        return written


def ensure_bucket(s3: Any, bucket: str, region: str) -> None:
    """The bucket for packages, which must be there before the stack."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise DeployError(
                f"The bucket {bucket} cannot be used: {problem}. It must belong to this account."
            ) from problem
        place = {} if region == "us-east-1" else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        )


def _code_key(built: Package) -> str:
    return f"packages/{built.digest}.zip"


def _step(name: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = work()
    print(f"{name}\t{time.perf_counter() - began:.2f}", flush=True)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Deploy as the command line asks; the exit code says whether it worked."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--target", type=Path, help="settings of a local cloud")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--work", type=Path, help="where packages are kept between runs")
    parser.add_argument("--output", type=Path, help="write what clients need to know here")
    given = parser.parse_args(arguments)
    try:
        target = local_target(given.target) if given.target else aws_target(given.stage, os.environ)
        work = given.work or ROOT / ".local" / "package"
        result = Deployment(target, given.root, work).run()
    except (DeployError, PackagingError, StackError) as problem:
        print(problem, file=sys.stderr)
        return 1
    text = json.dumps(result, indent=1, sort_keys=True)
    if given.output:
        fresh = given.output.with_suffix(".next")
        fresh.write_text(text)
        fresh.replace(given.output)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
