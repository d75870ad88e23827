"""What a hostile agent tries. Runs inside a sandbox: standard library only, one JSON line out.

Every attempt answers "shut" or what it got away with. It is given the targets as JSON in TARGETS.
"""

# ruff: noqa: BLE001, PLC0415, PTH101, PTH103, PTH108, PTH116, PTH118, PTH123, PTH208, S103
# ruff: noqa: S104, SIM105, TRY300, UP031
# It attacks on purpose, as plainly as possible.

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Any

TARGETS: dict[str, Any] = json.loads(os.environ.get("TARGETS", "{}"))
libc = ctypes.CDLL(None, use_errno=True)
ATTEMPTS: dict[str, Callable[[], str]] = {}
SHUT = "shut"
APP = os.environ.get("APP", "/app")


def attempt(function: Callable[[], str]) -> Callable[[], str]:
    ATTEMPTS[function.__name__] = function
    return function


def syscall(number: int, *arguments: object) -> str:
    result = libc.syscall(number, *arguments)
    return SHUT if result < 0 else f"syscall {number} answered {result}"


def readable(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return f"read {len(file.read(100))} bytes of {path}"
    except OSError:
        return SHUT


def writable(path: str) -> str:
    try:
        with open(path, "wb") as file:
            file.write(b"x")
        return f"wrote {path}"
    except OSError:
        return SHUT


def reaches(family: int, kind: int, address: tuple[str, int] | str) -> str:
    with socket.socket(family, kind) as near:
        near.settimeout(0.5)
        try:
            near.connect(address)
            if kind == socket.SOCK_DGRAM:
                near.send(b"ping")
                near.recv(10)
            return f"reached {address}"
        except OSError:
            return SHUT


@attempt
def inherited_secrets() -> str:
    found = [name for name, value in os.environ.items() if TARGETS["secret"] in value]
    return f"in {found}" if [name for name in found if name != "TARGETS"] else SHUT


@attempt
def inherited_descriptors() -> str:
    for number in range(3, 400):
        with contextlib.suppress(OSError):
            os.fstat(number)
            return f"descriptor {number} is open"
    return SHUT


@attempt
def environment_of_the_platform() -> str:
    return readable(f"/proc/{TARGETS['pid']}/environ")


@attempt
def memory_of_the_platform() -> str:
    return readable(f"/proc/{TARGETS['pid']}/mem")


@attempt
def root_of_the_platform() -> str:
    try:
        return f"listed {len(os.listdir('/proc/%d/root/' % TARGETS['pid']))}"
    except OSError:
        return SHUT


@attempt
def any_other_environment() -> str:
    mine = {os.getpid(), os.getppid(), 1}
    try:
        names = os.listdir("/proc")
    except OSError:
        return SHUT
    for name in names:
        if name.isdigit() and int(name) not in mine:
            said = readable(f"/proc/{name}/environ")
            if said != SHUT and "read 0" not in said:
                return said
    return SHUT


@attempt
def kill_the_platform() -> str:
    try:
        os.kill(TARGETS["pid"], 0)
        return "may signal it"
    except OSError:
        return SHUT


@attempt
def ptrace_the_platform() -> str:
    return SHUT if libc.ptrace(16, TARGETS["pid"], 0, 0) < 0 else "attached"


@attempt
def files_of_the_user() -> str:
    for path in TARGETS["files"]:
        said = readable(path)
        if said != SHUT:
            return said
    return SHUT


@attempt
def world_readable_files() -> str:
    return readable(TARGETS["world_readable"])


@attempt
def kernel_settings() -> str:
    for name in ("core_pattern", "hostname", "modprobe"):
        try:
            os.close(os.open(f"/proc/sys/kernel/{name}", os.O_WRONLY))
            return f"{name} is open for writing"
        except OSError:
            continue
    return SHUT


@attempt
def sysrq() -> str:
    try:
        os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
        return "open for writing"
    except OSError:
        return SHUT


@attempt
def loopback_tcp() -> str:
    return reaches(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TARGETS["tcp"]))


@attempt
def loopback_tcp_by_this_machines_address() -> str:
    return reaches(socket.AF_INET, socket.SOCK_STREAM, (TARGETS["address"], TARGETS["tcp"]))


@attempt
def loopback_udp() -> str:
    return reaches(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", TARGETS["udp"]))


@attempt
def abstract_socket() -> str:
    return reaches(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + TARGETS["abstract"])


@attempt
def socket_on_disk() -> str:
    return reaches(socket.AF_UNIX, socket.SOCK_STREAM, TARGETS["unix"])


@attempt
def listen_on_the_platforms_port() -> str:
    with socket.socket() as near:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            near.bind(("127.0.0.1", TARGETS["free"]))
        except OSError:
            return SHUT
        return "bound"


@attempt
def new_user_namespace() -> str:
    return SHUT if libc.unshare(0x10000000) < 0 else "made one"


@attempt
def new_user_namespace_by_clone() -> str:
    pid = libc.syscall(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0) if _x86() else -1
    if pid == 0:
        os._exit(0)
    return SHUT if pid < 0 else "made one"


@attempt
def io_uring() -> str:
    return syscall(425, 8, ctypes.create_string_buffer(256))


@attempt
def keyring() -> str:
    return syscall(250, 0, -3, 0) if _x86() else SHUT


@attempt
def bpf() -> str:
    return syscall(321, 0, ctypes.create_string_buffer(128), 128) if _x86() else SHUT


@attempt
def mount() -> str:
    return SHUT if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) < 0 else "mounted"


@attempt
def open_tree() -> str:
    return syscall(428, -100, b"/", 1)


@attempt
def perf() -> str:
    return syscall(298, ctypes.create_string_buffer(128), 0, -1, -1, 0) if _x86() else SHUT


@attempt
def userfaultfd() -> str:
    return syscall(323, 0) if _x86() else SHUT


@attempt
def odd_sockets() -> str:
    for family, kind in ((17, socket.SOCK_RAW), (38, socket.SOCK_SEQPACKET), (40, 1), (44, 3)):
        with contextlib.suppress(OSError):
            socket.socket(family, kind).close()
            return f"family {family}"
    return SHUT


@attempt
def raw_socket() -> str:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError:
        return SHUT
    return "open"


@attempt
def push_terminal_input() -> str:
    try:
        fcntl.ioctl(0, termios.TIOCSTI, b"x")
    except OSError:
        return SHUT
    return "pushed"


@attempt
def set_id_bit() -> str:
    os.makedirs(APP + "/made", exist_ok=True)
    with open(APP + "/made/tool", "w") as file:
        file.write("#!/bin/sh\n")
    try:
        os.chmod(APP + "/made/tool", 0o4755)
    except OSError:
        pass
    return "set" if os.stat(APP + "/made/tool").st_mode & 0o6000 else SHUT


@attempt
def set_id_bit_by_number() -> str:
    path = ctypes.c_char_p((APP + "/made/tool").encode())
    libc.syscall(452, -100, path, 0o4755, 0)
    return "set" if os.stat(APP + "/made/tool").st_mode & 0o6000 else SHUT


@attempt
def become_root() -> str:
    try:
        os.setuid(0)
    except OSError:
        return SHUT
    return "root"


@attempt
def raise_limits() -> str:
    import resource

    for which in (resource.RLIMIT_DATA, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
        _, hard = resource.getrlimit(which)
        if hard == resource.RLIM_INFINITY:
            return f"limit {which} is infinite"
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(which, (hard + 4096, hard + 4096))
            return f"raised {which}"
    return SHUT


@attempt
def spare_oneself_from_memory_killer() -> str:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-1000")
    except OSError:
        return SHUT
    return "spared"


@attempt
def write_outside() -> str:
    for path in ("/usr/bin/evil", "/etc/passwd", "/evil", "/dev/evil", "/opt/evil", "/var/evil"):
        said = writable(path)
        if said != SHUT:
            return said
    return SHUT


@attempt
def fill_shared_memory() -> str:
    written = 0
    try:
        with open("/dev/shm/fill", "wb") as file:
            for _ in range(200):
                file.write(b"x" * (1 << 20))
                file.flush()
                written += 1
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            os.unlink("/dev/shm/fill")
    return SHUT if written <= 64 else f"wrote {written} MB"


@attempt
def fill_tmp() -> str:
    written = 0
    path = os.path.join(os.environ["TMPDIR"], "fill")
    try:
        with open(path, "wb") as file:
            for _ in range(300):
                file.write(b"x" * (1 << 20))
                file.flush()
                written += 1
    except OSError as error:
        return SHUT if error.errno in (errno.ENOSPC, errno.EFBIG) else repr(error)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return f"wrote {written} MB"


@attempt
def memory_nobody_owns() -> str:
    """Memory files and segments stay when their maker ends; only a control group sees them."""
    made = libc.syscall(319, b"x", 0) if _x86() else -1
    segment = libc.shmget(0, ctypes.c_size_t(1 << 30), 0o1600)
    if (made >= 0 or segment >= 0) and not TARGETS["memory_cgroup"]:
        return f"memfd {made}, segment {segment}"
    return SHUT


@attempt
def bomb() -> str:
    """Start processes until refused."""
    pids = []
    try:
        for _ in range(600):
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            pids.append(pid)
    except OSError:
        pass
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return SHUT if len(pids) <= TARGETS["processes"] else f"started {len(pids)}"


@attempt
def core_dump() -> str:
    import resource

    return SHUT if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else "would dump"


@attempt
def hypervisor() -> str:
    try:
        with socket.socket(40, socket.SOCK_STREAM) as near:
            near.settimeout(0.3)
            near.connect((2, 22))
    except OSError:
        return SHUT
    return "reached"


@attempt
def proxy_to_loopback() -> str:
    proxy = os.environ["HTTP_PROXY"].rpartition("@")[2].removeprefix("http://")
    host, port = proxy.split(":")
    for name in (
        "127.0.0.1",
        "localhost",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        TARGETS["address"],
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
    ):
        with socket.create_connection((host, int(port)), timeout=5) as near:
            near.sendall(f"CONNECT {name}:{TARGETS['tcp']} HTTP/1.1\r\n".encode() + _pass())
            answer = near.recv(200)
            if b" 200 " in answer.split(b"\r\n")[0]:
                return f"{name} let through"
    return SHUT


def _pass() -> bytes:
    import base64

    user = os.environ["HTTP_PROXY"].removeprefix("http://").rpartition("@")[0]
    if not user:
        return b"\r\n"
    return b"Proxy-Authorization: Basic " + base64.b64encode(user.encode()) + b"\r\n\r\n"


def _x86() -> bool:
    return os.uname().machine == "x86_64" and struct.calcsize("P") == 8


def main() -> None:
    names = sys.argv[1:] or list(ATTEMPTS)
    outcome = {}
    for name in names:
        try:
            outcome[name] = ATTEMPTS[name]()
        except Exception as error:
            outcome[name] = f"error: {error!r}"
    print("OUTCOME " + json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
