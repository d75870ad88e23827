"""Landlock: rules a process puts on itself and its children for files, TCP ports and signals.

It needs no privilege and no namespace. What a kernel does not know yet is left out, so the caller
asks `abi()` first and says what is missing.
"""

from __future__ import annotations

import ctypes
import os
import stat
from typing import Any

# Numbers of system calls younger than 424 are the same on every architecture.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_PLEASE = 1
_RULE_PATH, _RULE_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2

PORTS_FROM, SCOPES_FROM = 4, 6
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights each version knows; later: 16
_ATTRIBUTE_WORDS = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2}  # how much of the attribute it reads; later: 3

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock this kernel offers; 0 for none."""
    return max(int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_PLEASE)), 0)


def restrict(rules: dict[str, Any]) -> None:
    """Put this process under the rules. Not to be undone; needs no_new_privs.

    `files`: whether paths are ruled at all, with `read` and `write` the allowed ones; `connect`
    and `bind`: the allowed TCP ports, or None for no rule.
    """
    version = abi()
    handled_files = (1 << _FILE_RIGHTS.get(version, 16)) - 1 if rules["files"] else 0
    handled_ports = 0
    if version >= PORTS_FROM:
        handled_ports |= 0 if rules["connect"] is None else _CONNECT_TCP
        handled_ports |= 0 if rules["bind"] is None else _BIND_TCP
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= SCOPES_FROM else 0
    words = (handled_files, handled_ports, scopes)[: _ATTRIBUTE_WORDS.get(version, 3)]
    attribute = (ctypes.c_uint64 * len(words))(*words)
    ruleset = _call(_CREATE, ctypes.byref(attribute), ctypes.c_size_t(ctypes.sizeof(attribute)), 0)
    for path in rules["read"] if handled_files else ():
        _allow_path(ruleset, path, _READ & handled_files)
    for path in rules["write"] if handled_files else ():
        _allow_path(ruleset, path, handled_files)
    if handled_ports & _CONNECT_TCP:
        _allow_ports(ruleset, rules["connect"], _CONNECT_TCP)
    if handled_ports & _BIND_TCP:
        _allow_ports(ruleset, rules["bind"], _BIND_TCP)
    _call(_RESTRICT, ruleset, 0)
    os.close(ruleset)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _ON_FILES
        rule = _Beneath(rights, handle)
        _call(_ADD, ruleset, _RULE_PATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)


def _allow_ports(ruleset: int, ports: list[int], right: int) -> None:
    for port in ports:
        rule = _Port(right, port)
        _call(_ADD, ruleset, _RULE_PORT, ctypes.byref(rule), 0)


def _call(number: int, *arguments: Any) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return result
