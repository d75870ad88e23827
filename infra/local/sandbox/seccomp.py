"""Which system calls no agent needs: the filter every sandboxed program runs under."""

from __future__ import annotations

import errno
import functools
import os
import tempfile
from typing import Any

# Calls that widen the kernel's surface or reach other processes. An agent never needs them; the
# answer is EPERM, which programs take as "not allowed here".
_REFUSED = (
    *("acct", "add_key", "bpf", "chroot", "clock_adjtime", "clock_settime", "create_module"),
    *("delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick"),
    *("get_kernel_syms", "init_module", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load"),
    *("keyctl", "listmount", "lookup_dcookie", "memfd_secret", "migrate_pages", "mount"),
    *("mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl"),
    *("open_by_handle_at", "open_tree", "open_tree_attr", "perf_event_open", "pidfd_getfd"),
    *("pivot_root", "process_vm_readv", "process_vm_writev", "ptrace", "query_module", "quotactl"),
    *("quotactl_fd", "reboot", "request_key", "setdomainname", "sethostname", "setns"),
    *("settimeofday", "statmount", "stime", "swapoff", "swapon", "syslog", "sysfs", "umount"),
    *("umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old"),
    "vserver",
)

# Programs fall back by themselves when these are unknown.
_UNKNOWN = ("clone3", "io_uring_enter", "io_uring_register", "io_uring_setup")

# Memory that belongs to no process: only a memory cgroup sees it, so without one it is refused.
_UNSEEN_MEMORY = ("shmget", "msgget")

_NEW_NAMESPACES = (
    0x10000000,  # user
    0x00020000,  # mount
    0x40000000,  # network
    0x20000000,  # pid
    0x08000000,  # ipc
    0x04000000,  # uts
    0x02000000,  # cgroup
    0x00000080,  # time
)
# Calls newer than some libseccomp; from 424 on their numbers are the same on every architecture.
_NUMBERS = {
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "fchmodat2": 452,
    "statmount": 457,
    "listmount": 458,
    "open_tree_attr": 467,
}
_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink
_NETLINK, _NETLINK_ROUTE = 16, 0
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # push input into a terminal


def available() -> bool:
    """Whether libseccomp is on this machine."""
    return _library() is not None


@functools.cache
def program(*, memory_cgroup: bool) -> bytes | None:
    """The filter as BPF for `bwrap --seccomp` or prctl; None without libseccomp."""
    sc = _library()
    if sc is None:
        return None
    rules = sc.SyscallFilter(sc.ALLOW)
    refuse = sc.ERRNO(errno.EPERM)
    for name in _REFUSED:
        _add(rules, refuse, name)
    for name in _UNKNOWN:
        _add(rules, sc.ERRNO(errno.ENOSYS), name)
    if not memory_cgroup:
        for name in _UNSEEN_MEMORY:
            _add(rules, refuse, name)
        _add(rules, sc.ERRNO(errno.ENOSYS), "memfd_create")
    for flag in _NEW_NAMESPACES:
        _add(rules, refuse, "clone", sc.Arg(0, sc.MASKED_EQ, flag, flag))
    for request in (_TIOCSTI, _TIOCLINUX):
        _add(rules, refuse, "ioctl", sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, request))
    _refuse_families(sc, rules)
    _refuse_setid_bits(sc, rules)
    return _exported(rules)


def _refuse_families(sc: Any, rules: Any) -> None:
    """AF_VSOCK reaches the hypervisor, AF_ALG and the rest only the kernel's rarer code."""
    no_family = sc.ERRNO(errno.EAFNOSUPPORT)
    last = max(_FAMILIES)
    for family in range(last):
        if family not in _FAMILIES:
            _add(rules, no_family, "socket", sc.Arg(0, sc.EQ, family))
    _add(rules, no_family, "socket", sc.Arg(0, sc.GT, last))
    _add(
        rules,
        no_family,
        "socket",
        sc.Arg(0, sc.EQ, _NETLINK),
        sc.Arg(2, sc.NE, _NETLINK_ROUTE),
    )


def _refuse_setid_bits(sc: Any, rules: Any) -> None:
    """A set-id file in an app folder would work for anybody on the machine who can reach it."""
    for bit in (0o4000, 0o2000):
        for call, position in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2)):
            _add(rules, sc.ERRNO(errno.EPERM), call, sc.Arg(position, sc.MASKED_EQ, bit, bit))


def _add(rules: Any, action: int, name: str, *arguments: Any) -> None:
    try:
        rules.add_rule(action, name, *arguments)
    except (OSError, ValueError, RuntimeError):
        number = _NUMBERS.get(name)
        if number is not None:
            rules.add_rule(action, number, *arguments)
        # Otherwise the call does not exist on this architecture.


def _exported(rules: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.flush()
        return os.pread(file.fileno(), 1 << 20, 0)


@functools.cache
def _library() -> Any | None:
    try:
        import pyseccomp  # noqa: PLC0415  # fails at import where libseccomp.so.2 is missing
    except (ImportError, OSError, RuntimeError):
        return None
    return pyseccomp
