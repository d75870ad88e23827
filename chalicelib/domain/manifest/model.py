"""The fields of agent.yaml: their types, bounds, defaults, and what each is for.

The JSON Schema, the table in docs/agent-spec.md and the messages about faults all come from here.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.release import HOST_REFERENCE

SCHEMA_PATH = "/api/v1/agent.schema.json"
_RESERVED = re.compile(r"^(PORT|SLIPWAY_.*)$")
_SEMVER = (
    r"^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$"
)

Command = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]+$")
]
RelativePath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300, pattern=r"^[^/\\\x00-\x1f][^\\\x00-\x1f]*$"),
]
UrlPath = Annotated[str, StringConstraints(max_length=1000, pattern=r"^/[^\s\x00-\x1f]*$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
HeaderValue = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Protocol(StrEnum):
    """What the agent speaks at its URL."""

    HTTP = "http"
    MCP = "mcp"
    A2A = "a2a"


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_enum_values=True, serialize_by_alias=True
    )


class Build(_Part):
    """How the source is built."""

    command: Command | None = Field(
        None, description="Shell command that builds the source, run after dependencies are there."
    )
    include: list[RelativePath] = Field(
        default_factory=list,
        max_length=100,
        description="Globs of what the running agent needs; empty means everything.",
    )
    output: RelativePath | None = Field(
        None, description="Folder the build writes; for a static site, the folder that is served."
    )


class Start(_Part):
    """How the agent is started."""

    command: Command = Field(
        description="Shell command that starts the agent; it should listen on 0.0.0.0:$PORT."
    )


class Health(_Part):
    """How Slipway sees that the agent is up."""

    path: UrlPath = Field("/", description="Path that answers 200 when the agent is ready.")
    timeout_seconds: int = Field(
        60, ge=1, le=600, description="How long a start may take before it counts as failed."
    )


class Variable(_Part):
    """One environment variable the agent reads."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")] = Field(
        description="Name; PORT and SLIPWAY_… are set by Slipway."
    )
    description: str = Field("", max_length=500, description="What it is for and where to get it.")
    required: bool = Field(False, description="Without a value for it nothing is deployed.")
    secret: bool = Field(False, description="Stored encrypted and never shown again.")
    default: Annotated[str, StringConstraints(max_length=4000)] | None = Field(
        None, description="Value to use when none is set; not for secrets."
    )

    @field_validator("name")
    @classmethod
    def _free_name(cls, name: str) -> str:
        if _RESERVED.match(name):
            raise ValueError(f"{name} is set by Slipway; remove it here and read it in your code")
        return name

    @field_validator("default", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        # `default: 30` and `default: true` can mean only one thing in an environment.
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _no_open_secret(self) -> Self:
        if self.default and HOST_REFERENCE in self.default:
            raise ValueError(
                f"a default must not contain {HOST_REFERENCE}: where agents run that is a "
                "reference to another service; write the value itself"
            )
        if self.secret and self.default:
            raise ValueError(
                "a secret must not have a default, since everyone with the source could read it; "
                "remove `default`"
            )
        return self


class Resources(_Part):
    """What the agent may use."""

    cpu: float = Field(1.0, ge=0.1, le=32, description="Processor cores.")
    memory_mb: int = Field(512, ge=64, le=32_768, description="Memory in megabytes.")
    replicas: int = Field(1, ge=1, le=50, description="How many copies run side by side.")
    sleep: bool = Field(False, description="May be put to sleep while nobody calls it.")


class RestartPolicy(StrEnum):
    """When an agent that has ended is started again."""

    ON_FAILURE = "on_failure"
    ALWAYS = "always"
    NEVER = "never"


class Restart(_Part):
    """What happens when the agent ends by itself."""

    policy: RestartPolicy = Field(
        RestartPolicy.ON_FAILURE, description="on_failure, always or never."
    )
    retries: int = Field(
        5, ge=0, le=10, description="How often it is started again before it counts as crashed."
    )


class Shutdown(_Part):
    """How the agent is ended when another deployment takes its place."""

    grace_seconds: int = Field(
        10, ge=0, le=300, description="From SIGTERM to SIGKILL: time to finish open requests."
    )
    overlap_seconds: int = Field(
        0, ge=0, le=300, description="How long it keeps running beside the new deployment."
    )


class Request(_Part):
    """What a test sends."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        "GET", description="HTTP method."
    )
    path: UrlPath = Field("/", description="Path and query.")
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, max_length=50, description="Headers to send."
    )
    body: Annotated[str, StringConstraints(max_length=65_536)] | None = Field(
        None, description="Body to send as it is."
    )
    json_: JsonValue = Field(None, alias="json", description="Body to send as JSON.")

    @field_validator("method", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and "json_" in self.model_fields_set:
            raise ValueError("has both `body` and `json`; keep one of them")
        return self


class Expect(_Part):
    """What a test wants back."""

    status: int = Field(200, ge=100, le=599, description="Status code.")
    json_: JsonValue = Field(
        None,
        alias="json",
        description="Must be found in the answer: objects may have more keys, lists may not "
        "have more items.",
    )
    text: Annotated[str, StringConstraints(min_length=1, max_length=4000)] | None = Field(
        None, description="Must stand somewhere in the answer's body."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, max_length=50, description="Headers that must have these values."
    )


class Test(_Part):
    """One request to the started agent, and the answer that lets it through."""

    __test__ = False  # pytest takes every class of this name for one of its own

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="What it shows; stands in the build report."
    )
    request: Request = Field(default_factory=Request, description="What is sent.")
    expect: Expect = Field(default_factory=Expect, description="What must come back.")
    timeout_seconds: int = Field(10, ge=1, le=120, description="How long one run may take.")
    runs: int = Field(1, ge=1, le=20, description="How often it is run.")
    passes: int | None = Field(
        None, ge=1, le=20, description="How many runs must pass; all, when not given."
    )
    advisory: bool = Field(
        False, description="A failure is only a warning: nothing is held back for it."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.passes is not None and self.passes > self.runs:
            raise ValueError(f"`passes: {self.passes}` is more than `runs: {self.runs}`")
        return self


class Manifest(_Part):
    """What an agent says about itself; every field is optional."""

    model_config = ConfigDict(title="agent.yaml")

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = Field(
        None, description="What people call the agent."
    )
    description: str | None = Field(
        None, max_length=500, description="What it does, in a sentence."
    )
    category: Category | None = Field(None, description="Where the marketplace shows it.")
    runtime: Runtime | None = Field(None, description="What runs it; found out when not given.")
    version: Annotated[str, StringConstraints(pattern=_SEMVER)] | None = Field(
        None, description="Version of the agent (semantic versioning), for people to read."
    )
    root: RelativePath | None = Field(
        None, description="Folder of the app, when the source holds more than one."
    )
    build: Build | None = Field(None, description="How the source is built.")
    start: Start | None = Field(None, description="How the agent is started.")
    port: int | None = Field(
        None, ge=1, le=65_535, description="Port the agent listens on; $PORT when not given."
    )
    health: Health | None = Field(
        None, description="How Slipway sees that it is up; any answer on / when not given."
    )
    protocol: Protocol | None = Field(
        None, description="What it speaks at its URL; found out when not given."
    )
    env: list[Variable] = Field(
        default_factory=list, max_length=200, description="Variables the agent reads."
    )
    resources: Resources | None = Field(None, description="What it may use.")
    restart: Restart | None = Field(
        None, description="What happens when it ends by itself; restarted 5 times when not given."
    )
    shutdown: Shutdown | None = Field(None, description="How it is ended when it is replaced.")
    tests: list[Test] = Field(
        default_factory=list,
        max_length=50,
        description="Requests that must succeed before a version is ready.",
    )

    @field_validator("root")
    @classmethod
    def _inside(cls, root: str | None) -> str | None:
        if root is not None and ".." in root.split("/"):
            raise ValueError("must be a folder inside the source, without `..`")
        return root

    @field_validator("env")
    @classmethod
    def _named_once(cls, env: list[Variable]) -> list[Variable]:
        names = [variable.name for variable in env]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice; keep one")
        return env

    def to_json(self) -> dict[str, Any]:
        """What the file says and nothing it does not say, in the names of the file."""
        record: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return record


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of agent.yaml."""
    schema = Manifest.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_PATH,
        **schema,
    }
