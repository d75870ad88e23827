"""What the last words of a failed install or build mean, and what to change."""

from __future__ import annotations

import re
import signal

from infra.build.diagnosis import Ending, how, quote
from infra.build.faults import Failed, Reason
from infra.build.order import Limits

_DISK = r"no space left on device|disk quota exceeded|\benospc\b"
_FILE = r"file too large|file size limit exceeded|\befbig\b"
_PROCESSES = (
    r"cannot fork|fork: (?:retry: )?resource|can't start new thread|"
    r"resource temporarily unavailable|spawn \S+ eagain"
)
_MEMORY = r"out of memory|memoryerror|cannot allocate memory|heap limit"

_HOSTS = (
    r"could not resolve host|ENOTFOUND|EAI_AGAIN|dns error|failed to lookup address|"
    r"tunnel connection failed|tunneling socket could not|proxy CONNECT aborted|"
    r"name or service not known|temporary failure in name resolution"
)
#: Pattern, code, advice; the pattern's first filled group takes the place of {}.
_SIGNS = (
    (
        (
            r"Because ([\w.\[\]-]+) was not found in the (?:package registry|provided)|"
            r"Because there (?:is|are) no versions? of ([^\s,]+)|"
            r"No solution found.*?no version of (\S+)"
        ),
        "dependency_unknown",
        "there is no {}. Correct the name or the version where your dependencies are listed.",
    ),
    (
        (
            r"Because the (?:current|requested) Python version \(([^)]+)\) does not satisfy|"
            r"requires a different python|requires-python"
        ),
        "dependency_python",
        "a package does not run on the Python here ({}). Choose a version of it that does.",
    ),
    (
        r"404 Not Found - GET \S*/((?:@[\w.-]+%2f)?[\w.-]+)",
        "dependency_unknown",
        "the npm registry has no {}. Correct its name in package.json.",
    ),
    (
        r"No matching version found for ([^\s]+?)\.?\s",
        "dependency_unknown",
        "there is no {}. Name a version that exists in package.json.",
    ),
    (
        (
            r"can only install packages when your (package\.json) and package-lock\.json|"
            r"ERR_PNPM_OUTDATED_LOCKFILE|lockfile needs to be updated|"
            r"lockfile would have been modified"
        ),
        "lock_out_of_date",
        "the lock file does not match package.json. Install once on your side and commit the lock.",
    ),
    (
        r"Missing script: \"([\w:-]+)\"",
        "build_script_missing",
        "package.json has no script {}. Add it, or set build.command in agent.yaml.",
    ),
    (
        r"no matching package named [`']?([\w-]+)|failed to (?:get|load|download) [`']?([\w-]+)",
        "dependency_unknown",
        (
            "cargo cannot get {}. Vendor your crates with `cargo vendor`, and commit the folder "
            "and .cargo/config.toml."
        ),
    ),
    (
        _HOSTS,
        "build_network",
        (
            "it asked for a host that a build may not reach. Only the package registries are open: "
            "put what you need into the source, or fetch it when the agent starts."
        ),
    ),
)


def timed_out(what: str, ending: Ending, limits: Limits, fault: Failed) -> Failed:
    """The time is over; the last words may tell of a limit that was hit long before."""
    reason = _limit(what, ending, limits, " ".join(ending.tail).lower())
    return Failed(reason, *fault.reasons) if reason else fault


def starved(line: str) -> bool:
    """Whether a line tells that no further process could be started."""
    return "annot fork" in line or "emporarily unavailable" in line


def build_failed(what: str, ending: Ending, limits: Limits) -> tuple[Reason, ...]:
    """Why an install or build command failed."""
    # As one line, because installers wrap their sentences.
    text = " ".join(" ".join(ending.tail).split())
    reason = _limit(what, ending, limits, text.lower()) or _sign(what, ending, text)
    return (
        reason or Reason("build_command_failed", f"{what} {how(ending.code)}.{quote(ending.tail)}"),
    )


def _limit(what: str, ending: Ending, limits: Limits, text: str) -> Reason | None:
    if ending.disk_full or re.search(_DISK, text):
        return Reason(
            "build_disk_full",
            f"{what} filled the disk: a build may write {limits.disk_mb} MB. Make it write less, "
            "or leave large data out of the image and fetch it when the agent starts.",
        )
    if re.search(_FILE, text) or ending.code in {-signal.SIGXFSZ, 128 + signal.SIGXFSZ}:
        return Reason(
            "build_file_too_large",
            f"{what} tried to write a file larger than a build may ({limits.disk_mb} MB).",
        )
    if re.search(_PROCESSES, text):
        return Reason(
            "build_too_many_processes",
            f"{what} started more processes than a build may have ({limits.processes}). Look for "
            "a loop that starts processes without end, or lower its parallelism.",
        )
    if ending.out_of_memory or re.search(_MEMORY, text):
        return Reason(
            "build_out_of_memory",
            f"{what} needed more memory than a build may use ({limits.memory_mb} MB).",
        )
    return None


def _sign(what: str, ending: Ending, text: str) -> Reason | None:
    for pattern, code, advice in _SIGNS:
        if found := re.search(pattern, text, re.IGNORECASE):
            name = next((group for group in found.groups() if group), "such a thing")
            return Reason(code, f"{what} failed: {advice.format(name)}{quote(ending.tail)}")
    return None
