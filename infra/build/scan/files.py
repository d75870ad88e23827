"""Judging files by what they are: programs, environment files, nested archives, sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from infra.build.scan.findings import Finding

_LARGE_BYTES = 50 * 1024 * 1024
_LARGE_SOURCE_BYTES = 2 * 1024 * 1024

_PROGRAMS = (
    (b"\x7fELF", "a Linux program (ELF)"),
    (b"\xfe\xed\xfa\xce", "a macOS program (Mach-O)"),
    (b"\xfe\xed\xfa\xcf", "a macOS program (Mach-O)"),
    (b"\xce\xfa\xed\xfe", "a macOS program (Mach-O)"),
    (b"\xcf\xfa\xed\xfe", "a macOS program (Mach-O)"),
)
_ARCHIVES = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
)
#: Formats that are a zip or gzip inside and are data, not archives, to their users.
_DATA_SUFFIXES = frozenset(
    {
        ".docx",
        ".xlsx",
        ".pptx",
        ".odt",
        ".ods",
        ".epub",
        ".npz",
        ".pt",
        ".pth",
        ".keras",
        ".svgz",
        ".jar",
        ".crate",
    }
)
_EXAMPLE_ENV = (".example", ".sample", ".template", ".dist", ".test", ".ci")
_KEY_NAMES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})
_CODE_SUFFIXES = frozenset({".py", ".js", ".mjs", ".cjs", ".ts", ".rs", ".sh"})


def scan_file(name: str, size: int, head: bytes) -> list[Finding]:
    """What one file is, from its name, its size and its first bytes."""
    path = PurePosixPath(name)
    findings = []
    if finding := _program(name, head) or _archive(name, path, head):
        findings.append(finding)
    if finding := _environment(name, path, head):
        findings.append(finding)
    if size > _LARGE_BYTES:
        findings.append(
            Finding(
                "file_large",
                "low",
                "warn",
                name,
                None,
                f"The file has {size // 1_000_000} MB.",
                "Large data makes every build and start slower; fetch it when the agent starts.",
            )
        )
    elif size > _LARGE_SOURCE_BYTES and path.suffix in _CODE_SUFFIXES and ".min." not in name:
        findings.append(
            Finding(
                "file_partly_scanned",
                "low",
                "info",
                name,
                None,
                f"Only the first {_LARGE_SOURCE_BYTES // 1_048_576} MB of this file were scanned.",
                "Generated code this large is better made by the build.",
            )
        )
    return findings


def _program(name: str, head: bytes) -> Finding | None:
    kind = next((kind for magic, kind in _PROGRAMS if head.startswith(magic)), None)
    if kind is None and head.startswith(b"MZ") and _is_pe(head):
        kind = "a Windows program (PE)"
    if kind is None:
        return None
    return Finding(
        "binary",
        "medium",
        "warn",
        name,
        None,
        f"This is {kind}; nobody can see what it does.",
        "Build it from source, or install it from a package registry.",
    )


def _is_pe(head: bytes) -> bool:
    offset = int.from_bytes(head[60:64], "little")
    return head[offset : offset + 4] == b"PE\0\0" or b"This program cannot be run" in head


def _archive(name: str, path: PurePosixPath, head: bytes) -> Finding | None:
    if path.suffix.lower() in _DATA_SUFFIXES:
        return None
    kind = next((kind for magic, kind in _ARCHIVES if head.startswith(magic)), None)
    if kind is None:
        return None
    wheel = path.suffix.lower() in {".whl", ".tgz"}
    return Finding(
        "nested_archive",
        "low",
        "info" if wheel else "warn",
        name,
        None,
        f"This is {kind}; what is inside was not scanned.",
        "Unpack it into the source if the agent needs it, else leave it out.",
    )


def _environment(name: str, path: PurePosixPath, head: bytes) -> Finding | None:
    lower = path.name.lower()
    if lower in _KEY_NAMES and b"PRIVATE KEY" in head:
        return None  # the rule for private keys says it better
    is_env = lower == ".env" or (lower.startswith(".env.") and not lower.endswith(_EXAMPLE_ENV))
    if not is_env:
        return None
    filled = _values(head)
    if not filled:
        return None
    return Finding(
        "env_file",
        "high",
        "warn",
        name,
        None,
        f"An environment file with {filled} values came with the source; whoever can read the "
        "source can read them.",
        "Leave it out of the upload, and set its values under the agent's variables.",
    )


def _values(head: bytes) -> int:
    lines: Callable[[bytes], list[bytes]] = bytes.splitlines
    return sum(
        1
        for line in lines(head)
        if b"=" in line
        and not line.lstrip().startswith(b"#")
        and line.partition(b"=")[2].strip(b" \t'\"")
    )
