"""The manifest's word over what was inferred, and the values only it can give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.inference.evidence import Draft, as_dict, as_list, as_text
from chalicelib.domain.inference.python import add_server
from chalicelib.domain.inference.python_packages import Packages

#: Faults that a start command in the manifest answers.
_ANSWERED = frozenset(
    {"no_entry_point", "two_entry_points", "start_file_missing", "nothing_listens", "no_index"}
)


def apply_manifest(given: Mapping[str, Any], draft: Draft, packages: Packages) -> None:
    """Set what the manifest says; findings it answers go away."""
    _start(as_text(as_dict(given.get("start")).get("command")), draft, packages)
    _build(as_dict(given.get("build")), draft)
    health = given.get("health")
    if isinstance(health, dict):
        draft.set("health_path", health.get("path", "/"), "agent.yaml health")
        seconds = health.get("timeout_seconds", 60)
        draft.set("health_timeout_seconds", seconds, "agent.yaml health")
    for name in ("port", "protocol", "resources", "restart", "shutdown"):
        if given.get(name):
            draft.set(name, given[name], f"agent.yaml {name}")
    if given.get("tests"):
        tests = tuple(complete_test(as_dict(test)) for test in as_list(given["tests"]))
        draft.set("tests", tests, "agent.yaml tests")
    _variables(given, draft)


def _start(command: str, draft: Draft, packages: Packages) -> None:
    if command and draft.get("runtime") == "static":
        draft.say(
            "warning",
            "start_not_used",
            "A static site is served, not started; `start` in agent.yaml is not used. Remove it, "
            "or change `runtime`.",
        )
    elif command:
        _drop(draft)
        draft.values.pop("port", None)
        draft.inferred = [known for known in draft.inferred if known.field != "port"]
        draft.set("start_command", command, "agent.yaml start.command")
        if draft.get("runtime") == "python":
            add_server(command, "agent.yaml", packages, draft)


def _build(build: Mapping[str, Any], draft: Draft) -> None:
    if build.get("command"):
        draft.set("build_command", build["command"], "agent.yaml build.command")
    if build.get("output") and draft.get("runtime") == "static":
        draft.set("static_dir", as_text(build["output"]).strip("./"), "agent.yaml build.output")
    if build.get("include"):
        draft.set("include", tuple(build["include"]), "agent.yaml build.include")


def complete_test(test: Mapping[str, Any]) -> dict[str, Any]:
    """A test with every default filled in, so that whoever runs it needs to know none."""
    request, expect = as_dict(test.get("request")), as_dict(test.get("expect"))
    runs = test.get("runs", 1)
    return {
        "name": test.get("name", "test"),
        "request": {"method": "GET", "path": "/", "headers": {}, **request},
        "expect": {"status": 200, "headers": {}, **expect},
        "timeout_seconds": test.get("timeout_seconds", 10),
        "runs": runs,
        "passes": test.get("passes") or runs,
        "advisory": bool(test.get("advisory", False)),
    }


def _variables(given: Mapping[str, Any], draft: Draft) -> None:
    variables = [as_dict(item) for item in as_list(given.get("env"))]
    defaults = {
        item["name"]: str(item["default"])
        for item in variables
        if item.get("default") is not None and item.get("name")
    }
    if defaults:
        draft.env(defaults, "agent.yaml env")
    required = tuple(
        item["name"] for item in variables if item.get("required") and item.get("default") is None
    )
    if required:
        draft.set("required_env", required, "agent.yaml env")


def _drop(draft: Draft) -> None:
    draft.findings = [f for f in draft.findings if f.code not in _ANSWERED]
    draft.candidates = ()
    if draft.values.pop("worker", None):
        draft.inferred = [known for known in draft.inferred if known.field != "worker"]
