"""Which Python a source wishes for, and how near this machine comes."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path


@cache
def python_version(program: str) -> str:
    """The version of an interpreter, from its name when that says it."""
    if named := re.fullmatch(r"python(3\.\d+)", Path(program).resolve().name):
        return named.group(1)
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([program, "-Sc", say], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def satisfies(wish: str, version: str) -> bool:
    """Whether a wish such as "3.11", ">=3.10" or "^3.9,<3.14" includes this version."""
    here = tuple(map(int, version.split(".")))
    for operator, minor in re.findall(r"(>=|<=|>|<|==|!=|~=|~|\^)?\s*3\.(\d+)", wish):
        there = (3, int(minor))
        if operator == ">=" or operator in {"^", "~="}:
            fine = here >= there
        elif operator == "<":
            fine = here < there
        elif operator == "<=":
            fine = here <= there
        elif operator == ">":
            fine = here > there
        elif operator == "!=":
            fine = True
        else:
            fine = here == there
        if not fine:
            return False
    return True
