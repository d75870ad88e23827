"""Knows what each part of the local cloud is told: commands, environments, configuration files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from infra.github_app import GitHubAppError, github_app
from infra.local.layout import (
    FIRST_PERSON,
    REGION,
    ROOT,
    STAGE,
    TOOLS,
    Credentials,
    Layout,
    LocalCloudError,
    write_private,
)
from infra.local.parts import Part
from infra.local.sandbox import probe
from infra.publish import build_program
from infra.sign_in import SignInSettingsError, sign_in_settings

EMULATOR = TOOLS / "venvs" / "emulator" / "bin" / "python"
WORKER = TOOLS / "venvs" / "lambda" / "bin" / "python"
MAIL_FROM = "slipway@slipway.local"


def plain_environment() -> dict[str, str]:
    """The user's environment without what would lead our programs to somebody's AWS account."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SLIPWAY_", "PYTHON")) and name != "VIRTUAL_ENV"
    }


def isolation(layout: Layout) -> dict[str, Any]:
    """How agents will be kept apart; refuses when there is no way to."""
    found = probe(layout.yard / "sandbox")
    if not found.usable:
        raise LocalCloudError(
            f"Agents cannot be isolated on this machine, and are not run without: {found.reason}"
        )
    return {
        "tier": found.tier,
        "name": found.name,
        "features": sorted(found.features),
        "missing": list(found.missing),
    }


def write(layout: Layout, credentials: Credentials, isolated: dict[str, Any]) -> None:
    """Write the files that the yard and the deployment read."""
    layout.program.write_bytes(build_program().body)
    ports = layout.ports
    known = layout.data / "registries.json"
    registries = sorted({*json.loads(known.read_text()), layout.registry_host}
                        if known.exists() else {layout.registry_host})  # fmt: skip
    known.write_text(json.dumps(registries))
    yard = {
        "data_dir": str(layout.yard),
        "admin_token": credentials.admin_token,
        "registry_username": credentials.registry_username,
        "registry_password": credentials.registry_password,
        "graphql_port": ports.graphql,
        "codebuild_port": ports.codebuild,
        "registry_port": ports.registry,
        "proxy_ports": list(ports.agents),
        # Images made while another SLIPWAY_PORT was set keep their names.
        "registry_aliases": registries,
        "tokens": [{"token": credentials.railway_token, "kind": "workspace"}],
        "aws": {
            "endpoint_url": layout.aws_url,
            "region": REGION,
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
        },
        "codebuild": {
            "project_name": f"slipway-{STAGE}-build",
            "secret": credentials.codebuild_secret,
            "buildspec": _buildspec(),
            "environment": {
                "SLIPWAY_PROGRAM": str(layout.program),
                "SLIPWAY_BUILD_GROUND": "infra.local.ground:LocalGround",
            },
            "build_environment": {
                "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
                "PYTHONPATH": str(ROOT),
                "SLIPWAY_DATA": str(layout.data),
                "SLIPWAY_REGISTRY_USERNAME": credentials.registry_username,
                "SLIPWAY_REGISTRY_PASSWORD": credentials.registry_password,
            },
        },
    }
    write_private(layout.yard_config, json.dumps(yard, indent=1))
    try:
        sign_in = sign_in_settings(os.environ, loopback=True)
        github = github_app(os.environ, loopback=True)
    except (SignInSettingsError, GitHubAppError) as problem:
        raise LocalCloudError(str(problem)) from problem
    target = {
        "stage": STAGE,
        "ground": "local",
        "region": REGION,
        "mail_from": MAIL_FROM,
        "image_repository": f"{layout.registry_host}/slipway",
        "railway_url": f"http://127.0.0.1:{ports.graphql}/graphql/v2",
        "railway_token": credentials.railway_token,
        "registry_username": credentials.registry_username,
        "registry_password": credentials.registry_password,
        "railway_calls_per_hour": 10_000,
        "operators": FIRST_PERSON,
        "release_strategy": os.environ.get("SLIPWAY_RELEASE_STRATEGY") or "image",
        "web_url": layout.web_url,
        "agent_url_scheme": "http",
        "aws_endpoint": layout.aws_url,
        "aws_access_key_id": credentials.access_key_id,
        "aws_secret_access_key": credentials.secret_access_key,
        "s3_url": layout.aws_url,
        "codebuild_url": f"http://127.0.0.1:{ports.codebuild}/{credentials.codebuild_secret}",
        "providers": sign_in.providers,
        "provider_secrets": dict(sign_in.secrets),
        "github": vars(github),
        "ground_details": {"kind": "local", "isolation": isolated},
        "origin_secret": credentials.origin_secret,
        # Everybody here comes from one address, and tests are in a hurry.
        "rate_factor": 50,
        # Nothing is far away here, and people watch.
        "watch_seconds": "0.05,0.05,0.08,0.1,0.15,0.2,0.3,0.5,1,2",
    }
    write_private(layout.target, json.dumps(target, indent=1))


def _buildspec() -> str:
    """The commands of a build. CodeBuild's `sh` is bash, and Debian's is not: say which."""
    spec = yaml.safe_load((ROOT / "infra" / "build" / "buildspec.yml").read_text())
    return yaml.safe_dump({**spec, "env": {"shell": "bash", **spec.get("env", {})}})


def _aws(layout: Layout, credentials: Credentials, title: str) -> Part:
    folders = {name: layout.aws / name for name in ("home", "objects", "state", "tmp")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    # The emulator hands its whole environment to every function: nothing of the user's is in it.
    env = {
        "ADMIN_TOKEN_FILE": str(layout.admin_token_file),
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": layout.aws_url,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(layout.ports.aws),
        "HOME": str(folders["home"]),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_WARM_TTL_SECONDS": "600",
        "LANG": "C.UTF-8",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "PATH": f"{EMULATOR.parent}:/usr/local/bin:/usr/bin:/bin",
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(folders["objects"]),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "SNAPSHOT_SECONDS": "5",
        "STATE_DIR": str(folders["state"] / "current"),
        "TMPDIR": str(folders["tmp"]),
        "WEB_ORIGIN": layout.web_url,
        "WORKER_PYTHON": str(WORKER),
    }
    return Part(
        name="aws",
        title=title,
        command=[str(EMULATOR), str(ROOT / "infra" / "local" / "aws.py")],
        log=layout.logs / "aws.log",
        ready_url=f"{layout.aws_url}/_ministack/ready",
        env=env,
        stop_limit=30,
    )


def _yard(layout: Layout, _credentials: Credentials, title: str) -> Part:
    return Part(
        name="yard",
        title=title,
        command=_python("-m", "infra.local.yard", "--config", str(layout.yard_config)),
        log=layout.logs / "yard.log",
        ready_url=f"http://127.0.0.1:{layout.ports.graphql}/yard/status",
        env=plain_environment(),
        start_limit=60,
        stop_limit=30,
    )


def _web(layout: Layout, _credentials: Credentials, title: str) -> Part:
    command = _python("-m", "infra.local.web")
    return Part(
        name="web",
        title=title,
        command=command,
        log=layout.logs / "web.log",
        ready_url=f"http://127.0.0.1:{layout.ports.web}/local/ready",
        env={
            **plain_environment(),
            "SLIPWAY_DATA": str(layout.data),
            "SLIPWAY_PORT": str(layout.ports.web),
        },
        stop_limit=5,
    )


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


PARTS: dict[str, Callable[[Layout, Credentials, str], Part]] = {
    "aws": _aws,
    "yard": _yard,
    "web": _web,
}
