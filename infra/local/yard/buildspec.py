"""What a buildspec says, and the shell program that does it phase by phase as CodeBuild would."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
KNOWN = frozenset(
    {"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"}
)


class BadBuildspec(Exception):
    """The buildspec cannot be carried out; says why."""


@dataclass(frozen=True)
class Phase:
    """One phase: its commands, and those that run whatever became of the others."""

    name: str
    commands: tuple[str, ...] = ()
    finally_: tuple[str, ...] = ()
    on_failure: str = ""  # ABORT | CONTINUE | "" (CodeBuild's own rule)


@dataclass(frozen=True)
class Buildspec:
    """The parts of a buildspec that are carried out here."""

    phases: tuple[Phase, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    shell: str = "sh"


def parse_buildspec(text: str) -> Buildspec:
    """A buildspec of version 0.2; raises BadBuildspec."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise BadBuildspec(f"YAML_FILE_ERROR Message: {exc}") from exc
    if not isinstance(raw, dict) or str(raw.get("version")) != "0.2":
        raise BadBuildspec("YAML_FILE_ERROR Message: the buildspec must have version 0.2")
    if unknown := sorted(set(raw) - KNOWN):
        raise BadBuildspec(f"YAML_FILE_ERROR Message: unknown keys: {', '.join(unknown)}")
    phases = raw.get("phases")
    if not isinstance(phases, dict) or not phases:
        raise BadBuildspec("YAML_FILE_ERROR Message: the buildspec has no phases")
    if unknown := sorted(set(phases) - set(PHASES)):
        raise BadBuildspec(f"YAML_FILE_ERROR Message: unknown phases: {', '.join(unknown)}")
    env = raw.get("env") or {}
    if {"parameter-store", "secrets-manager"} & set(env):
        raise BadBuildspec("parameters and secrets in env are not implemented by the stand-in")
    return Buildspec(
        tuple(_phase(name, phases[name] or {}) for name in PHASES if name in phases),
        {str(name): str(value) for name, value in (env.get("variables") or {}).items()},
        str(env.get("shell") or "sh"),
    )


def _phase(name: str, raw: Any) -> Phase:
    if not isinstance(raw, dict):
        raise BadBuildspec(f"YAML_FILE_ERROR Message: phases/{name} must be a mapping")
    commands, last = raw.get("commands") or (), raw.get("finally") or ()
    if not all(isinstance(one, str) for one in (*commands, *last)):
        raise BadBuildspec(f"YAML_FILE_ERROR Message: phases/{name}: every command must be text")
    return Phase(name, tuple(commands), tuple(last), str(raw.get("on-failure") or ""))


def script(spec: Buildspec, report: int) -> str:
    """A shell program: all commands share one shell, and phases are reported on a descriptor.

    It writes `begin PHASE`, `failed PHASE CODE COMMAND` and `end PHASE`.
    """
    lines = [
        "CODEBUILD_BUILD_SUCCEEDING=1; export CODEBUILD_BUILD_SUCCEEDING",
        f"_report() {{ printf '%s\\n' \"$*\" >&{report}; }}",
        "_stopped=0",
    ]
    for phase in spec.phases:
        lines += _phase_lines(phase, report)
    lines.append('[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ]')
    return "\n".join(lines) + "\n"


def _phase_lines(phase: Phase, report: int) -> list[str]:
    name = phase.name.upper()
    lines = [f'if [ "$_stopped" = 0 ]; then _report begin {name}; _failed=0']
    for command in phase.commands:
        told = f'_report failed {name} "$_code" {shlex.quote(_one_line(command))}'
        lines += [
            'if [ "$_failed" = 0 ]; then',
            f"printf '[Container] Running command %s\\n' {shlex.quote(command)}",
            # The descriptor is ours: a command that keeps it open would hold the build.
            f"eval {shlex.quote(command)} {report}>&-",
            f'_code=$?; [ "$_code" = 0 ] || {{ _failed=1; {told}; }}; fi',
        ]
    for command in phase.finally_:
        lines.append(f"eval {shlex.quote(command)} {report}>&- || _failed=1")
    lines.append('if [ "$_failed" = 1 ]; then CODEBUILD_BUILD_SUCCEEDING=0')
    # After a failed `build` CodeBuild still runs post_build, after other phases nothing more.
    goes_on = phase.on_failure == "CONTINUE" or (phase.name == "build" and not phase.on_failure)
    lines.append(f"{':' if goes_on else '_stopped=1'}; fi; _report end {name}; fi")
    return lines


def _one_line(command: str) -> str:
    return " ".join(command.split())[:500]
