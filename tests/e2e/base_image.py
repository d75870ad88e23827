"""An image made on the spot that can stand in for every base the templates' Dockerfiles name.

No registry is needed: the files of some installed Debian packages, found by following their
dependencies, make a small system with Python, a C linker and the usual tools; Node.js is copied
from wherever it is installed; nginx is fetched as a package but not installed, because installing
it starts it. The Rust toolchain is too large to copy and is mounted while building.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGES = (
    "bash",
    "binutils",
    "ca-certificates",
    "coreutils",
    "dash",
    "findutils",
    "gcc",
    "grep",
    "gzip",
    "libc-bin",
    "libc6-dev",
    "libpcre2-8-0",
    "python3",
    "python3-pip",
    "python3-venv",
    "sed",
    "tar",
)
RUST_AT = "/opt/rust"
# What nobody reads in a container, and what gcc needs for more than linking Rust.
_SKIPPED = re.compile(
    r"^/usr/share/(doc|doc-base|info|lintian|locale|man)/"
    r"|/(cc1|lto1|lto-dump|[^/]*-lto-dump[^/]*)$|/lib(a|hwa|l|t|ub)san\b"
)
_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_WHEELS = "/opt/wheels"


def write_base(out: Path, work: Path, requirements: Path) -> None:
    """Write the whole system as one tar, with the wheels that `requirements` pins."""
    wheels = _download_wheels(requirements, work / "wheels")
    nginx = _fetch_nginx(work)
    with tarfile.open(out, "w") as tar:
        image = _Image(tar)
        for name in _MERGED:
            if Path(f"/{name}").is_symlink():
                image.link(f"/{name}", str(Path(f"/{name}").readlink()))
        for package in sorted(_closure(PACKAGES)):
            for listed in _lines("dpkg", "-L", package):
                if not _SKIPPED.search(listed):
                    image.copy(Path(listed))
        _add_node(image)
        for path in (*nginx.glob("usr/sbin/nginx"), *nginx.rglob("*.so")):
            image.copy(path, f"/{path.relative_to(nginx)}")
            image.libraries(path)
        for path in wheels.iterdir():
            image.copy(path, f"{_WHEELS}/{path.name}")
        image.write("/etc/pip.conf", f"[global]\nno-index = true\nfind-links = {_WHEELS}\n")
        image.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nnginx:x:101:101::/:/bin/false\n")
        image.write("/etc/group", "root:x:0:\nnginx:x:101:\n")
        image.link("/usr/local/bin/python", "/usr/bin/python3")
        image.link("/usr/local/bin/cc", "/usr/bin/gcc")
        for tool in ("cargo", "rustc"):
            image.link(f"/usr/local/bin/{tool}", f"{RUST_AT}/bin/{tool}")
        for folder, mode in {"/tmp": 0o1777, "/root": 0o700, "/proc": 0o555, "/sys": 0o555}.items():
            image.folder(folder, mode)


def rust_sysroot() -> Path:
    """Where this machine's Rust toolchain is."""
    return Path(_lines("rustc", "--print", "sysroot")[0])


class _Image:
    """A tar being written: every path once, through the links that merge /bin into /usr/bin."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.there: set[str] = set()

    def copy(self, source: Path, target: str | None = None) -> None:
        """One file or link of this machine; folders come into being by themselves."""
        name = self._merged(target or str(source))
        if name in self.there or (source.is_dir() and not source.is_symlink()):
            return
        if source.is_symlink() or source.is_file():
            self._enter(name)
            info = self.tar.gettarinfo(source, name.lstrip("/"))
            # Each as a file of its own: what it is hard-linked to may not come along.
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            if source.is_symlink():
                self.tar.addfile(info)
            else:
                info.type, info.size = tarfile.REGTYPE, source.stat().st_size
                with source.open("rb") as content:
                    self.tar.addfile(info, content)

    def libraries(self, program: Path) -> None:
        """The shared libraries a program needs."""
        for line in _lines("ldd", str(program)):
            if found := re.search(r"(/\S+) \(0x", line):
                path = Path(found.group(1))
                self.copy(path.resolve(), str(path))

    def write(self, name: str, text: str) -> None:
        """A file with this text."""
        info = tarfile.TarInfo(name.lstrip("/"))
        info.size = len(text.encode())
        self._enter(name)
        self.tar.addfile(info, io.BytesIO(text.encode()))

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        info = tarfile.TarInfo(name.lstrip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._enter(name)
        self.tar.addfile(info)

    def folder(self, name: str, mode: int) -> None:
        """An empty folder."""
        self._enter(name)
        info = tarfile.TarInfo(name.lstrip("/"))
        info.type, info.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(info)

    def _enter(self, name: str) -> None:
        """Note a path, after the folders above it: engines do not make those by themselves."""
        parent = name.rpartition("/")[0]
        if parent and parent not in self.there:
            self.folder(parent, 0o755)
        self.there.add(name)

    @staticmethod
    def _merged(name: str) -> str:
        top = name.split("/", 2)[1]
        merged = top in _MERGED and name != f"/{top}" and Path(f"/{top}").is_symlink()
        return f"/usr{name}" if merged else name


def _add_node(image: _Image) -> None:
    node = Path(_which("node")).resolve()
    image.copy(node, "/usr/local/bin/node")
    image.libraries(node)
    npm = Path(_which("npm")).resolve().parent.parent
    for path in npm.rglob("*"):
        image.copy(path, f"/usr/local/lib/node_modules/npm/{path.relative_to(npm)}")
    image.link("/usr/local/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js")


def _closure(wanted: tuple[str, ...]) -> set[str]:
    """The installed packages that these cannot do without, themselves included."""
    needs: dict[str, str] = {}
    provided: dict[str, str] = {}
    fields = "${Package}\t${db:Status-Status}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    for line in _lines("dpkg-query", "-W", "-f", fields):
        package, status, depends, provides = line.split("\t")
        if status == "installed":
            needs[package] = depends
            provided.update((name, package) for name in _names(provides))
    missing = [package for package in wanted if package not in needs]
    if missing:
        raise LookupError(f"These Debian packages are not installed: {', '.join(missing)}.")
    found: set[str] = set()
    left = list(wanted)
    while left:
        package = left.pop()
        package = package if package in needs else provided.get(package, "")
        if package and package not in found:
            found.add(package)
            left.extend(name for name in _names(needs[package]) if name not in found)
    return found


def _names(field: str) -> list[str]:
    parts = (part.strip() for part in re.split(r"[,|]", field))
    return [part.split(" ")[0].split(":")[0] for part in parts if part]


def _fetch_nginx(work: Path) -> Path:
    folder = work / "nginx"
    folder.mkdir()
    subprocess.run(
        ["apt-get", "download", "-q", "nginx"], cwd=folder, check=True, capture_output=True
    )
    package = next(folder.glob("nginx_*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    package.unlink()
    return folder


def _download_wheels(requirements: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--dest", str(folder), "-r", str(requirements)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def _which(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise LookupError(f"{program} is not installed.")
    return found
