"""Installing Python dependencies: whatever lists them, uv installs them, wheels first."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from infra.build.diagnosis import Ending
from infra.build.faults import Failed
from infra.local.ground.bench import Command, Workbench
from infra.local.ground.cache import DependencyCache, Kept, key_of, own_key
from infra.local.ground.plain import plain_python
from infra.local.ground.python_lists import (
    deciding_files,
    locked,
    pipenv_wants,
    poetry_wants,
    read_toml,
    usual_files,
)
from infra.local.ground.python_versions import python_version, satisfies

VENV = ".venv"
_LIST = ".slipway-requirements.txt"
_PINS = ".slipway-constraints.txt"
_PROJECT = ".slipway/site"
_CACHE = "/build/uv"
_COMPILE = (
    # Without site, which would run the .pth files of what was just installed.
    "-I", "-S", "-m", "compileall", "-qq", "-j", "0",
    # Time stamps are lost in an image; a hash that nobody checks keeps the start fast.
    "--invalidation-mode", "unchecked-hash",
)  # fmt: skip
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
        self._folder = bench.files.below(self._root)
        self._python = self._interpreter()
        self._lists = deciding_files(self._folder, self._plan)
        self._plain = plain_python(bench.files, self._root, self._lists)
        self._strangers_ran = False
        """Whether code of a package may have run: then nothing shared comes into its reach."""

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
        own = own_key(key, bench.job.order.agent_id)
        kept = (self._cache.find(org, key) if self._plain else None) or self._cache.find(org, own)
        if kept is not None:
            self._journal.info(f"Dependencies: unchanged, taken from the cache ({key[:12]})")
        else:
            self._fresh()
            shared = self._plain and not self._strangers_ran
            kept = self._cache.keep(org, key if shared else own, bench.app, [VENV])
        bench.files.make_folder(VENV)
        bench.binds.append((kept.tree / VENV, bench.inside(VENV), True))
        self._project()
        return kept

    def _fresh(self) -> None:
        wanted = self._wanted()
        self._make_environment()
        extra = list(self._plan.extra_packages)
        if wanted:
            self._fetch(wanted, shared=self._plain)
        if extra:
            # uv starts the environment's Python, and that runs what was installed before.
            what = "the server that the source does not bring"
            self._fetch(extra, what, shared=self._plain and not wanted)
        if wanted or extra:
            self._compile()

    def _compile(self) -> None:
        python, version = self._python
        self._bench.attempt(
            Command(
                "Compiling the dependencies",
                (os.fspath(python), *_COMPILE, f"{self._bench.inside(VENV)}/lib/python{version}"),
                network="none",
                quiet=True,
            )
        )

    def _make_environment(self) -> None:
        """A virtual environment is a note and a link; making it ourselves saves a process."""
        python, version = self._python
        # Made anew after everything that reads the source: nothing in here is anybody else's.
        self._bench.files.remove(VENV)
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
        if wish and not satisfies(self._plan.toolchain or "", version):
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
            files = self._plan.install_files or usual_files(self._folder, installer)
            return [word for name in files for word in ("-r", name)]
        return []

    def _fetch(self, wanted: list[str], what: str = "the dependencies", *, shared: bool) -> None:
        if "uv" in self._bench.build_tools.missing:
            raise Failed.because(
                "uv_missing", "This machine has no uv to install packages with; install it."
            )
        base = (
            "uv", "pip", "install", "--quiet", "--no-compile-bytecode", "--link-mode", "copy",
            "--python", f"{self._bench.inside(VENV)}/bin/python",
        )  # fmt: skip
        env = {**_QUIET, "UV_CACHE_DIR": _CACHE, "PATH": self._bench.own_path}
        scratch = self._bench.job.scratch / "uv"
        downloads = self._downloads if shared else scratch
        downloads.mkdir(parents=True, exist_ok=True)
        # Wheels only, into an empty environment, and nothing compiled: nothing that strangers
        # wrote runs, so the download cache may be shared by all builds of the organisation.
        wheels = Command(
            f"Installing {what}",
            (*base, "--no-build", *wanted),
            workdir=self._root,
            env=env,
            binds=((downloads, _CACHE, False),),
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
        scratch.mkdir(exist_ok=True)
        self._strangers_ran = True
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
        lines = list(poetry_wants(read_toml(self._folder, "pyproject.toml")))
        pins = [
            f"{name}=={version}" for name, version in locked(read_toml(self._folder, "poetry.lock"))
        ]
        self._folder.write(_LIST, "\n".join(lines) + "\n")
        self._folder.write(_PINS, "\n".join(pins) + "\n")
        return ["-r", _LIST, "-c", _PINS]

    def _from_pipenv(self) -> list[str]:
        import json  # noqa: PLC0415 - one installer in six needs it

        try:
            lock = json.loads(self._folder.read("Pipfile.lock") or b"")
        except ValueError as error:
            raise Failed.because(
                "lock_unreadable",
                f"Pipfile.lock is not JSON ({error}). Run `pipenv lock` again.",
                file="Pipfile.lock",
            ) from error
        lines = list(pipenv_wants(lock.get("default") or {}))
        self._folder.write(_LIST, "\n".join(lines) + "\n")
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
        if self._folder.is_folder("src"):
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
        record = read_toml(self._folder, "pyproject.toml")
        if record.get("tool", {}).get("uv", {}).get("package") is False:
            return False
        if record.get("tool", {}).get("poetry", {}).get("package-mode") is False:
            return False
        return "build-system" in record

    def _key(self) -> str:
        plan = self._plan
        parts: list[str | bytes] = [
            "python", plan.installer, plan.toolchain or "", self._root,
            "\n".join(plan.extra_packages), *map(str, self._python),
        ]  # fmt: skip
        for name in self._lists:
            parts += [name, self._folder.read(name) or b""]
        return key_of(*parts)


def _needs_build(ending: Ending) -> bool:
    return any(_NEEDS_BUILD.search(line) for line in ending.tail)
