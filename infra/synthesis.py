"""Knows how one plain CloudFormation template is made of Chalice's SAM and `template.yaml`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

INFRA = Path(__file__).parent
REVISION = b"6"
"""Raise it when this module makes something else of the same input."""
# CloudFront knows these by name; every other header is a custom one to it.
_REFERRER = "Referrer-Policy"
_CSP = "Content-Security-Policy"
_HSTS = "Strict-Transport-Security"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref`, `!Sub`, …)."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load_template(path: Path = INFRA / "template.yaml") -> dict[str, Any]:
    """Our own part of the stack."""
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - safe
    # Anchors make several places one object; what follows edits places.
    return copy.deepcopy(json.loads(json.dumps(document)))


def load_headers(part: str = "pages", root: Path = INFRA) -> dict[str, str]:
    """The security headers of every page, with `${UploadOrigin}` still to be filled in; or those
    of every answer of the `api`, or of every picture (`media`)."""
    headers: dict[str, str] = json.loads((root / "headers.json").read_text())[part]
    return headers


def load_pages(root: Path = INFRA) -> list[tuple[str, str]]:
    """Addresses and the HTML file that each begins with. A star is one part of a path, two are
    every other address; the first one that fits counts."""
    pages = json.loads((root / "pages.json").read_text())
    return [(at, page["file"]) for page in pages for at in page["at"]]


def page_of(path: str, pages: list[tuple[str, str]]) -> str:
    """The HTML file of an address; the distribution's function goes by the same rule."""
    parts = path.strip("/").split("/")
    for at, file in pages:
        wanted = at.strip("/").split("/")
        if at == "**" or (
            len(wanted) == len(parts)
            and all(want in ("*", part) for want, part in zip(wanted, parts, strict=True))
        ):
            return file
    return "index.html"


def merge(base: Any, over: Any) -> Any:
    """`over` laid on `base`: mappings merge, anything else replaces."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {
            key: merge(base[key], over[key])
            if key in base and key in over
            else over.get(key, base.get(key))
            for key in [*base, *(key for key in over if key not in base)]
        }
    return over


def assemble(sam: dict[str, Any], root: Path = INFRA) -> dict[str, Any]:
    """The whole stack as one SAM template."""
    template: dict[str, Any] = merge(sam, load_template(root / "template.yaml"))
    resources = template["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            # Chalice writes a path here; where the package lies is a parameter of the stack.
            resource["Properties"].pop("CodeUri", None)
            resource["Properties"].pop("Tags", None)
    machine = json.loads((root / "deploy.asl.json").read_text())
    resources["DeployMachine"]["Properties"]["DefinitionString"] = json.dumps(machine)
    resources["BuildProject"]["Properties"]["Source"]["BuildSpec"] = (
        root / "build" / "buildspec.yml"
    ).read_text()
    function = resources["WebPaths"]["Properties"]
    function["FunctionCode"] = function["FunctionCode"].replace(
        "$PAGES", json.dumps(load_pages(root))
    )
    parts = (("WebHeaders", "pages"), ("ApiHeaders", "api"), ("MediaHeaders", "media"))
    for policy, part in parts:
        resources[policy]["Properties"]["ResponseHeadersPolicyConfig"].update(
            headers_policy(load_headers(part, root))
        )
    for refusal in resources["RestAPI"]["Properties"]["GatewayResponses"].values():
        refusal["ResponseParameters"]["Headers"] |= {
            name: f"'{value}'"
            for name, value in load_headers("api", root).items()
            # The gateway has no way to write a quote inside a value.
            if "'" not in value
        }
    return template


def headers_policy(headers: dict[str, str]) -> dict[str, Any]:
    """The security headers in CloudFront's form; uploads go straight to the sources bucket."""
    age, *options = headers[_HSTS].split("; ")
    named = {_CSP, _HSTS, _REFERRER, "X-Content-Type-Options", "X-Frame-Options"}
    bucket = "https://${SourcesBucket}.s3.${AWS::Region}.${AWS::URLSuffix}"
    return {
        "SecurityHeadersConfig": {
            "ContentSecurityPolicy": {
                "ContentSecurityPolicy": (
                    {"Fn::Sub": headers[_CSP].replace("${UploadOrigin}", bucket)}
                    if "${" in headers[_CSP]
                    else headers[_CSP]
                ),
                "Override": True,
            },
            "ContentTypeOptions": {"Override": True},
            "FrameOptions": {"FrameOption": headers["X-Frame-Options"], "Override": True},
            "ReferrerPolicy": {"ReferrerPolicy": headers[_REFERRER], "Override": True},
            "StrictTransportSecurity": {
                "AccessControlMaxAgeSec": int(age.partition("=")[2]),
                "IncludeSubdomains": "includeSubDomains" in options,
                "Override": True,
            },
        },
        "CustomHeadersConfig": {
            "Items": [
                {"Header": name, "Value": value, "Override": True}
                for name, value in sorted(headers.items())
                if name not in named
            ]
        },
    }


def translate(template: dict[str, Any]) -> dict[str, Any]:
    """Plain CloudFormation of a SAM template, as AWS's own transform would make it."""
    # Slow to import, and not needed when nothing has changed.
    from boto3.session import Session  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    session = Session(region_name="us-east-1")
    translator = Translator({}, Parser(), boto_session=session)
    native: dict[str, Any] = translator.translate(copy.deepcopy(template), parameter_values={})
    api = native["Resources"]["RestAPI"]["Properties"]
    # The local cloud does not look for them inside the body.
    api["BinaryMediaTypes"] = api["Body"].pop("x-amazon-apigateway-binary-media-types", [])
    return native
