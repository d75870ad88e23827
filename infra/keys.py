"""Knows the platform's own keys: how they are made, and how a new one takes over from an old one.

    python -m infra.keys --stage prod                    (`make rotate-keys STAGE=prod`)
    python -m infra.keys --stage local --target FILE     (`make rotate-keys`: the local cloud)

Signing keys: the first signs, the second is announced for the next time, the others verify what
they have signed. So every function knows a key before it is used, and nobody is signed out.
Vault keys: the first seals, all the others stay, because what they have sealed stays too.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Any

from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.target import DeployError, Target, aws_location, local_target

_PEM = re.compile(r"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n?", re.DOTALL)
_MAX_PARAMETER = 4096


def new_signing_keys() -> str:
    """A ring for a new stage: the key that signs, and the one that will."""
    return _signing_key() + _signing_key()


def rotated_signing_keys(ring: str) -> str:
    """The announced key signs, a new one is announced, the one that signed verifies."""
    keys = [pem if pem.endswith("\n") else f"{pem}\n" for pem in _PEM.findall(ring)]
    if not keys:
        raise DeployError("The parameter signing-key holds no key. `make deploy` makes one.")
    following = keys[1] if len(keys) > 1 else _signing_key()
    return following + _signing_key() + keys[0]


def new_vault_keys() -> str:
    """A ring for a new stage."""
    return f"1:{_vault_key()}"


def rotated_vault_keys(ring: str) -> str:
    """A new key seals from now on; the others go on opening."""
    keys = [line if ":" in line else f"1:{line}" for line in ring.split()]
    number = max((int(line.partition(":")[0]) for line in keys), default=0) + 1
    rotated = "\n".join([f"{number}:{_vault_key()}", *keys])
    if len(rotated) > _MAX_PARAMETER:
        raise DeployError(
            "The parameter vault-key is full. Store every secret variable again, so that none is "
            "sealed with the oldest keys; then remove those lines from the parameter."
        )
    return rotated


ROTATE = {"signing-key": rotated_signing_keys, "vault-key": rotated_vault_keys}


def rotate(ssm: Any, prefix: str, names: list[str], *, revoke: bool = False) -> None:
    """Rotates these parameters. `revoke` leaves nothing of the old signing keys: every access
    token ends at once, and sessions go on with their refresh cookies."""
    for name in names:
        parameter = f"{prefix}/{name}"
        ring = ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]
        revoked = revoke and name == "signing-key"
        value = new_signing_keys() if revoked else ROTATE[name](ring)
        ssm.put_parameter(Name=parameter, Value=value, Type="SecureString", Overwrite=True)


def main(arguments: list[str] | None = None) -> int:
    """Rotate as the command line asks; the exit code says whether it worked."""
    parser = argparse.ArgumentParser(prog="python -m infra.keys", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--target", type=Path, help="settings of a local cloud")
    parser.add_argument("--only", choices=sorted(ROTATE), help="this ring alone")
    parser.add_argument("--revoke", action="store_true", help="let the old signing keys go at once")
    given = parser.parse_args(arguments)
    names = [given.only] if given.only else sorted(ROTATE)
    try:
        if given.target:
            target = local_target(given.target)
            ssm, prefix = _client(target), target.parameters_prefix
        else:
            region = aws_location(os.environ)
            ssm, prefix = Session(region_name=region).client("ssm"), f"/slipway/{given.stage}"
        rotate(ssm, prefix, names, revoke=given.revoke)
    except DeployError as problem:
        print(problem, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as problem:
        print(
            f"The parameters of the stage {given.stage} cannot be changed ({problem}). "
            "Is it deployed, and are the credentials good?",
            file=sys.stderr,
        )
        return 1
    print(f"Rotated: {', '.join(names)}. The platform knows within five minutes.")
    return 0


def _client(target: Target) -> Any:
    return Session(
        aws_access_key_id=target.aws_access_key_id,
        aws_secret_access_key=target.aws_secret_access_key,
        region_name=target.region,
    ).client("ssm", endpoint_url=target.aws_endpoint)


def _signing_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def _vault_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


if __name__ == "__main__":
    raise SystemExit(main())
