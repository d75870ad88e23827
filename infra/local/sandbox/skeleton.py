"""The /etc an agent sees, and the variables every sandboxed program starts with."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from infra.local.sandbox.bubblewrap import INSIDE_ID
from infra.local.sandbox.spec import HOME, SEARCH_PATH, Bind

_FILES = {
    "passwd": (
        f"root:x:0:0:root:/:/usr/sbin/nologin\n"
        f"agent:x:{INSIDE_ID}:{INSIDE_ID}:agent:{HOME}:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
    ),
    "group": f"root:x:0:\nagent:x:{INSIDE_ID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost agent\n::1 localhost agent\n",
    "hostname": "agent\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    # No name server is reachable from inside: names are looked up by the proxy.
    "resolv.conf": "",
}
# Taken from this machine as they are: no secrets, and programs behave oddly without them.
_COPIED = ("ld.so.cache", "localtime", "mime.types", "services", "protocols", "debian_version")
_SHARED = ("ssl", "pki", "ca-certificates", "alternatives")

# Where people say which certificates this machine trusts.
TRUST = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
)


def etc(state_dir: Path) -> Path:
    """A folder that serves as /etc. Its name follows its content, so several may share it."""
    content = {name: text.encode() for name, text in _FILES.items()}
    for name in _COPIED:
        host = Path("/etc", name)
        if host.is_file() and os.access(host, os.R_OK):
            content[name] = host.read_bytes()
    shared = [name for name in _SHARED if Path("/etc", name).is_dir()]
    digest = hashlib.sha256(repr((sorted(content.items()), shared)).encode()).hexdigest()[:16]
    folder = state_dir / f"etc-{digest}"
    if not folder.is_dir():
        fresh = Path(tempfile.mkdtemp(dir=state_dir))
        for name, data in content.items():
            (fresh / name).write_bytes(data)
            (fresh / name).chmod(0o644)
        # Mount points: nothing can be created in a read-only folder later.
        for name in shared:
            (fresh / name).mkdir()
            (fresh / name).chmod(0o755)
        fresh.chmod(0o755)
        try:
            fresh.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def system_binds(state_dir: Path) -> list[Bind]:
    """The binds every sandbox has: /etc, what it shares with this machine, certificates."""
    folder = etc(state_dir)
    binds: list[Bind] = [(folder, "/etc", True)]
    binds += [
        (Path("/etc", name), f"/etc/{name}", True) for name in _SHARED if (folder / name).is_dir()
    ]
    binds += [(path, str(path), True) for path in _trust_outside()]
    return binds


def environment() -> dict[str, str]:
    """The variables every sandbox has. Nothing else of ours is handed on."""
    env = {
        "PATH": SEARCH_PATH,
        "HOME": HOME,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108  # the sandbox's own
    }
    env.update({name: os.environ[name] for name in TRUST if _usable(os.environ.get(name))})
    return env


def _trust_outside() -> list[Path]:
    """Certificates this machine trusts that lie where no sandbox would see them."""
    found: dict[Path, None] = {}
    for name in TRUST:
        value = os.environ.get(name)
        if value and _usable(value) and not value.startswith(("/etc/", "/usr/")):
            found[Path(value)] = None
    return list(found)


def _usable(value: str | None) -> bool:
    return value is not None and value.startswith("/") and Path(value).exists()
