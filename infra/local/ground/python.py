"""Installing Python dependencies: whatever lists them, uv installs them, wheels first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.plan import Plan
from infra.build.diagnosis import Ending
from infra.build.faults import Failed
from infra.local.ground.bench import Command, Workbench
from infra.local.ground.cache import DependencyCache, Kept, key_of

VENV = ".venv"
_LIST = ".slipway-requirements.txt"
_PINS = ".slipway-constraints.txt"
_PROJECT = ".slipway/site"
_CACHE = "/build/uv"
_COMPILE = {
    # Time stamps are lost in an image; a hash that nobody checks keeps the start fast.
    "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
}
_QUIET = {
    "UV_NO_PROGRESS": "1",
    "UV_LINK_MODE": "copy",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_PYTHON_PREFERENCE": "only-system",
    "UV_NO_CONFIG": "0",
}
_NEEDS_BUILD = re.compile(
    r"no wheels|has no usable wheels|only-?binary|building source distributions is disabled|"
    r"--no-build|requires building|no-build",
    re.IGNORECASE,
)


class PythonInstall:
    """The dependencies of one Python source, in /app/.venv."""

    def __init__(self, bench: Workbench, cache: DependencyCache, downloads: Path) -> None:
        self._bench = bench
        self._cache = cache
        self._downloads = downloads
        self._plan = bench.job.order.plan
        self._journal = bench.job.report.journal
        self._root = (
            self._plan.install_root if self._plan.install_root is not None else self._plan.root
        )
        self._folder = bench.app / self._root
        self._python = self._interpreter()

    def install(self) -> Kept | None:
        """Installs, or takes what was installed for the same set before."""
        bench = self._bench
        bench.path[:0] = [bench.inside(f"{VENV}/bin")]
        bench.env |= {
            "VIRTUAL_ENV": bench.inside(VENV),
            "PYTHONUNBUFFERED": "1",
        }
        key = self._key()
        org = bench.job.order.org_id
        kept = self._cache.find(org, key)
        if kept is not None:
            self._journal.info(f"Dependencies: unchanged, taken from the cache ({key[:12]})")
        else:
            self._fresh()
            kept = self._cache.keep(org, key, bench.app, [VENV])
        (bench.app / VENV).mkdir(exist_ok=True)
        bench.binds.append((kept.tree / VENV, bench.inside(VENV), True))
        self._project()
        return kept

    def _fresh(self) -> None:
        self._make_environment()
        if self._plan.installer == "none" and not self._plan.extra_packages:
            return
        wanted = self._wanted()
        if wanted:
            self._fetch(wanted)
        if self._plan.extra_packages:
            self._fetch(
                list(self._plan.extra_packages), "the server that the source does not bring"
            )

    def _make_environment(self) -> None:
        """A virtual environment is a note and a link; making it ourselves saves a process."""
        python, version = self._python
        venv = self._bench.app / VENV
        (venv / "bin").mkdir(parents=True)
        (venv / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
        for name in ("python", "python3", f"python{version}"):
            (venv / "bin" / name).symlink_to(python)
        (venv / "pyvenv.cfg").write_text(
            f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
        )

    def _interpreter(self) -> tuple[Path, str]:
        """The Python that is nearest to the wished one, and its version."""
        wish = re.search(r"3\.(\d+)", self._plan.toolchain or "")
        if wish and (exact := shutil.which(f"python3.{wish.group(1)}", path="/usr/bin:/bin")):
            return Path(exact), f"3.{wish.group(1)}"
        # The system's own: every user id may run it, unlike one in somebody's home folder. The
        # toolchain brings another one along only where there is none.
        own = self._bench.run_tools.path
        path = Path(own[0], "python3") if own else Path("/usr/bin/python3")
        here = ".".join(map(str, sys.version_info[:2]))
        version = here if own else python_version(os.fspath(path))
        if wish and not _satisfies(self._plan.toolchain or "", version):
            self._bench.job.report.warn(
                f"The source wishes for Python {self._plan.toolchain}; here it runs on {version}."
            )
        return path, version

    def _wanted(self) -> list[str]:
        """The arguments that tell uv what to install, from whatever the source locks it with."""
        installer = self._plan.installer
        if installer == "uv-lock":
            return self._from_uv_lock()
        if installer == "poetry":
            return self._from_poetry()
        if installer == "pipenv":
            return self._from_pipenv()
        if installer in {"pyproject", "requirements"}:
            files = self._plan.install_files or _usual_files(self._folder, installer)
            return [word for name in files for word in ("-r", name)]
        return []

    def _fetch(self, wanted: list[str], what: str = "the dependencies") -> None:
        if "uv" in self._bench.build_tools.missing:
            raise Failed.because(
                "uv_missing", "This machine has no uv to install packages with; install it."
            )
        base = (
            "uv", "pip", "install", "--quiet", "--compile-bytecode", "--link-mode", "copy",
            "--python", f"{self._bench.inside(VENV)}/bin/python",
        )  # fmt: skip
        env = {**_QUIET, **_COMPILE, "UV_CACHE_DIR": _CACHE}
        self._downloads.mkdir(parents=True, exist_ok=True)
        # Wheels only: nothing that strangers wrote runs, so the download cache may be shared by
        # all builds of the organisation.
        wheels = Command(
            f"Installing {what}",
            (*base, "--no-build", *wanted),
            workdir=self._root,
            env=env,
            binds=((self._downloads, _CACHE, False),),
        )
        ending = self._bench.attempt(wheels)
        if ending.code == 0:
            return
        if not _needs_build(ending):
            raise self._bench.fault(wheels, ending)
        self._bench.job.report.warn(
            "A dependency has no ready-made wheel for this Python: it is built from its source, "
            "inside the sandbox. Builds are slower for it; a version with a wheel avoids that."
        )
        scratch = self._bench.job.scratch / "uv"
        scratch.mkdir(exist_ok=True)
        self._bench.run(
            Command(
                f"Building {what} from source",
                (*base, *wanted),
                workdir=self._root,
                env=env,
                binds=((scratch, _CACHE, False),),
            )
        )

    def _from_uv_lock(self) -> list[str]:
        # Exported, because `uv sync` refuses a Python that the lock did not foresee, and a wish
        # for a version is no reason not to try.
        self._bench.run(
            Command(
                "Reading uv.lock",
                (
                    "uv", "export", "--quiet", "--frozen", "--no-dev", "--no-emit-workspace",
                    "--no-header", "--no-annotate", "--output-file", _LIST,
                ),
                workdir=self._root,
                network="none",
                env={**_QUIET, "UV_NO_CACHE": "1", "UV_OFFLINE": "1"},
                quiet=True,
            )
        )  # fmt: skip
        return ["--no-deps", "-r", _LIST]

    def _from_poetry(self) -> list[str]:
        lines = list(poetry_wants(_toml(self._folder / "pyproject.toml")))
        pins = [
            f"{name}=={version}" for name, version in _locked(_toml(self._folder / "poetry.lock"))
        ]
        (self._folder / _LIST).write_text("\n".join(lines) + "\n")
        (self._folder / _PINS).write_text("\n".join(pins) + "\n")
        return ["-r", _LIST, "-c", _PINS]

    def _from_pipenv(self) -> list[str]:
        import json  # noqa: PLC0415 - one installer in six needs it

        try:
            lock = json.loads((self._folder / "Pipfile.lock").read_bytes())
        except ValueError as error:
            raise Failed.because(
                "lock_unreadable",
                f"Pipfile.lock is not JSON ({error}). Run `pipenv lock` again.",
                file="Pipfile.lock",
            ) from error
        lines = list(pipenv_wants(lock.get("default") or {}))
        (self._folder / _LIST).write_text("\n".join(lines) + "\n")
        return ["--no-deps", "-r", _LIST]

    def _project(self) -> None:
        """Installs the source itself when it is a package, for its imports and its commands."""
        if not self._is_package():
            return
        bench = self._bench
        site = bench.inside(_PROJECT)
        scratch = bench.job.scratch / "uv"
        scratch.mkdir(exist_ok=True)
        command = Command(
            "Installing the source as a package",
            (
                "uv", "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy",
                "--python", f"{bench.inside(VENV)}/bin/python", "--target", site, ".",
            ),
            workdir=self._root,
            env={**_QUIET, "UV_CACHE_DIR": _CACHE},
            binds=((scratch, _CACHE, False),),
        )  # fmt: skip
        paths = [bench.inside(self._root)]
        if (self._folder / "src").is_dir():
            paths.append(bench.inside(f"{self._root}/src".lstrip("/")))
        if bench.attempt(command).code == 0:
            paths.append(site)
            bench.path.insert(1, f"{site}/bin")
        else:
            bench.job.report.warn(
                "The source could not be installed as a package (see the log); its folders are "
                "on the import path instead, and the commands it declares are not there."
            )
        bench.env["PYTHONPATH"] = ":".join(paths)

    def _is_package(self) -> bool:
        if self._plan.installer not in {"uv-lock", "poetry", "pyproject"}:
            return False
        record = _toml(self._folder / "pyproject.toml")
        if record.get("tool", {}).get("uv", {}).get("package") is False:
            return False
        if record.get("tool", {}).get("poetry", {}).get("package-mode") is False:
            return False
        return "build-system" in record

    def _key(self) -> str:
        plan = self._plan
        parts: list[str | bytes] = [
            "python", plan.installer, plan.toolchain or "", self._root, "\n".join(plan.extra_packages),
            *map(str, self._python),
        ]  # fmt: skip
        for name in _deciding_files(self._folder, plan):
            parts += [name, (self._folder / name).read_bytes()]
        return key_of(*parts)


def _needs_build(ending: Ending) -> bool:
    return any(_NEEDS_BUILD.search(line) for line in ending.tail)


@cache
def python_version(program: str) -> str:
    """The version of an interpreter, from its name when that says it."""
    if named := re.fullmatch(r"python(3\.\d+)", Path(program).resolve().name):
        return named.group(1)
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([program, "-Sc", say], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _satisfies(wish: str, version: str) -> bool:
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


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failed.because(
            "manifest_unreadable", f"{path.name} is not valid TOML: {error}.", file=path.name
        ) from error


def _usual_files(folder: Path, installer: str) -> tuple[str, ...]:
    name = "pyproject.toml" if installer == "pyproject" else "requirements.txt"
    return (name,) if (folder / name).is_file() else ()


def _deciding_files(folder: Path, plan: Plan) -> list[str]:
    """Every file whose bytes decide what is installed, following -r, -c and local paths."""
    names = {
        "uv-lock": ("uv.lock", "pyproject.toml"),
        "poetry": ("poetry.lock", "pyproject.toml"),
        "pipenv": ("Pipfile.lock", "Pipfile"),
        "pyproject": ("pyproject.toml", "setup.py", "setup.cfg"),
    }.get(plan.installer, ())
    found = {name for name in (*names, *plan.install_files) if (folder / name).is_file()}
    if plan.installer == "requirements":
        for name in plan.install_files or _usual_files(folder, plan.installer):
            found |= _included(folder, name)
    return sorted(found)


def _included(folder: Path, start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        path = folder / name
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        for line in path.read_text("utf-8", "replace").splitlines():
            if found := re.match(r"\s*(?:-r|--requirement|-c|--constraint)[= ]\s*(\S+)", line):
                todo.append((Path(name).parent / found.group(1)).as_posix())
            elif re.match(
                r"\s*(?:-e\s|--editable|\.{1,2}(?:/|\[|\s*$)|file:|\S+\s*@\s*(?:file:|\.))", line
            ):
                # The source itself is installed: then all of it decides.
                return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return seen


def poetry_wants(record: dict[str, Any]) -> Iterator[str]:
    """The names a Poetry project asks for; their versions come from its lock."""
    project = record.get("project") or {}
    yield from (str(line) for line in project.get("dependencies") or ())
    table = (record.get("tool") or {}).get("poetry", {}).get("dependencies") or {}
    for name, wish in table.items():
        if name.lower() == "python":
            continue
        details = wish[0] if isinstance(wish, list) and wish else wish
        if not isinstance(details, dict):
            yield name
        elif not details.get("optional"):
            yield _with_details(name, details)


def _with_details(name: str, details: dict[str, Any]) -> str:
    extras = f"[{','.join(details['extras'])}]" if details.get("extras") else ""
    if "git" in details:
        ref = details.get("rev") or details.get("tag") or details.get("branch")
        return f"{name}{extras} @ git+{details['git']}" + (f"@{ref}" if ref else "")
    if "url" in details:
        return f"{name}{extras} @ {details['url']}"
    if "path" in details:
        return f"./{details['path']}"
    marker = details.get("markers")
    return f"{name}{extras}" + (f" ; {marker}" if marker else "")


def _locked(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for package in record.get("package") or ():
        kind = (package.get("source") or {}).get("type")
        if kind in {None, "legacy"}:
            yield package["name"], package["version"]


def pipenv_wants(section: dict[str, Any]) -> Iterator[str]:
    """Pipfile.lock lists the whole set, each with its exact version."""
    for name, details in section.items():
        extras = f"[{','.join(details['extras'])}]" if details.get("extras") else ""
        marker = f" ; {details['markers']}" if details.get("markers") else ""
        if "version" in details:
            yield f"{name}{extras}{details['version']}{marker}"
        elif "git" in details:
            yield f"{name}{extras} @ git+{details['git']}@{details.get('ref', 'HEAD')}{marker}"
        elif "path" in details:
            yield f"{details['path']}"
