"""Which variables an app asks for, by the sample file it brings along."""

from __future__ import annotations

import re

from chalicelib.domain.inference.evidence import Draft, Source

_SAMPLES = (
    ".env.example",
    ".env.sample",
    ".env.template",
    "env.example",
    ".env.dist",
    "example.env",
)
_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")
#: Set by the platform, or about nothing a person must supply.
_GIVEN = frozenset(
    {"PORT", "HOST", "HOSTNAME", "NODE_ENV", "DEBUG", "LOG_LEVEL", "ENV", "ENVIRONMENT", "TZ"}
)
_PLACEHOLDER = re.compile(
    r"^$|your|xxx|changeme|change-me|change_me|replace|secret|<.*>|\.\.\.|todo|insert|example|"
    r"^sk-|^\*+$|_here$|dummy|placeholder",
    re.IGNORECASE,
)


def sample_variables(source: Source, draft: Draft) -> None:
    """Note the names a sample leaves to be filled in; a sample of PORT alone asks for nothing."""
    name = source.first(*_SAMPLES)
    if name is None:
        return
    wanted: list[str] = []
    first_line: int | None = None
    for number, line in enumerate(source.text(name).splitlines(), 1):
        match = _LINE.match(line)
        if match is None:
            continue
        key, value = match.group(1), re.sub(r"\s#.*$", "", match.group(2)).strip().strip("'\"")
        if key in _GIVEN or not _PLACEHOLDER.search(value) or key in wanted:
            continue
        wanted.append(key)
        first_line = first_line or number
    if not wanted:
        return
    draft.set("suggested_env", tuple(wanted[:100]), name)
    shown = ", ".join(wanted[:12]) + (" and others" if len(wanted) > 12 else "")
    draft.say(
        "warning",
        "variables_needed",
        f"{name} leaves {shown} to be filled in. Set what the agent needs as variables of its "
        f"environment; to insist on one, add to agent.yaml: `env: [{{name: {wanted[0]}, "
        "required: true, secret: true}]`.",
        source.path(name),
        first_line,
    )
