"""Installing Node.js dependencies with the manager that wrote the lock file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.build.beneath import Beneath
from infra.build.faults import Failed
from infra.local.ground.bench import Command, Workbench
from infra.local.ground.cache import DependencyCache, Kept, bring, identity, key_of, own_key
from infra.local.ground.node_managers import CACHE, ENV, LOCKS, NPM, TOOLS, Manager, manager_for
from infra.local.ground.plain import plain_node

MODULES = "node_modules"
_KEY_FILES = (
    "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml",
    "pnpm-workspace.yaml", "bun.lock", "bun.lockb", ".npmrc", ".yarnrc", ".yarnrc.yml",
    ".pnpmfile.cjs",
)  # fmt: skip
#: Scripts of the source itself that a package manager runs after installing.
_OWN_SCRIPTS = ("install", "postinstall", "prepare")
_GIT_HOOKS = ("husky", "lefthook", "simple-git-hooks", "yorkie", "pre-commit")


class NodeInstall:
    """The dependencies of one Node.js source, in its node_modules folders."""

    def __init__(
        self, bench: Workbench, cache: DependencyCache, downloads: Path, tools: Path
    ) -> None:
        self._bench = bench
        self._cache = cache
        self._downloads = downloads
        self._tools = tools
        self._plan = bench.job.order.plan
        self._report = bench.job.report
        plan = self._plan
        self._root = plan.install_root if plan.install_root is not None else plan.root
        self._folder = bench.files.below(self._root)
        self._node = None if "node" in bench.run_tools.missing else shutil.which("node")
        self._manifests_here = self._own_manifests()
        self._plain = plain_node(bench.files, self._root, self._manifests_here)
        self._strangers_ran = False

    def install(self) -> Kept | None:
        """Installs, or takes what was installed for the same set before."""
        if self._node is None:
            raise Failed.because(
                "node_missing",
                "This machine has no Node.js, which this source needs. Install it.",
            )
        self._check_wish(self._node)
        for folder in {self._plan.root, self._root}:
            self._bench.path.append(self._bench.inside(f"{folder}/{MODULES}/.bin".lstrip("/")))
        if not self._plan.extra_packages and not self._wants_packages():
            self._own_scripts()
            return None
        org = self._bench.job.order.org_id
        key = self._key()
        own = own_key(key, self._bench.job.order.agent_id)
        # Packages of the source's own are linked, not copied: their code decides as well.
        plain = self._plain and len(self._manifests_here) <= 1
        kept = (self._cache.find(org, key) if plain else None) or self._cache.find(org, own)
        if kept is not None:
            self._report.journal.info(f"Dependencies: unchanged, from the cache ({key[:12]})")
        else:
            self._remove_shipped()
            self._fresh()
            folders = list(self._installed())
            shared = plain and not self._strangers_ran
            kept = self._cache.keep(org, key if shared else own, self._bench.app, folders)
        self._bring(kept)
        self._own_scripts()
        return kept

    def _wants_packages(self) -> bool:
        if self._plan.installer == "none":
            return False
        manifest = _json(self._folder, "package.json")
        return self._has("pnpm-workspace.yaml") or any(
            manifest.get(section)
            for section in ("dependencies", "devDependencies", "optionalDependencies", "workspaces")
        )

    def _check_wish(self, node: str) -> None:
        wish = self._plan.toolchain
        if not wish or not wish.split(".")[0].isdigit():
            return
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        version = done.stdout.strip().lstrip("v")
        if version and version.split(".")[0] != wish.split(".")[0]:
            self._report.warn(f"The source wishes for Node.js {wish}; here it runs on {version}.")

    def _remove_shipped(self) -> None:
        """A node_modules that came with the source was made elsewhere; ours replaces it."""
        self._folder.remove(MODULES)

    def _fresh(self) -> None:
        installer = self._plan.installer
        manager = manager_for(installer, self._plan.installer_version)
        if installer == "bun":
            self._report.warn(
                "bun is not on this machine: npm installs the dependencies, and chooses versions "
                "itself because it cannot read bun's lock file."
            )
        if manager.name != "npm" and not self._provide(manager):
            self._report.warn(
                f"{manager.name} is not on this machine and could not be fetched from the "
                "registry: npm installs the dependencies, without their lock file."
            )
            manager = NPM
        before = self._folder.read("package.json")
        if installer != "none":
            self._run_install(manager)
        if self._plan.extra_packages:
            self._run(
                manager, "Adding what the start needs", *manager.add, *self._plan.extra_packages
            )
            if before is not None:
                self._folder.write("package.json", before)
        self._dependency_scripts(manager)

    def _run_install(self, manager: Manager) -> None:
        what = f"Installing the dependencies with {manager.name}"
        if manager.name == "yarn":
            self._use_our_registry()
        locks = LOCKS[manager.name]
        if not self._has(*locks):
            self._report.warn(
                f"There is no {locks[0]}: versions are chosen now, and may differ next time. "
                "Commit the lock file."
            )
            self._run(manager, what, *manager.install, *manager.loose)
            return
        command = self._command(manager, what, *manager.locked)
        ending = self._bench.attempt(command)
        if ending.code == 0:
            return
        reason = self._bench.fault(command, ending)
        if not any(one.code == "lock_out_of_date" for one in reason.reasons):
            raise reason
        self._report.warn(
            f"{locks[0]} does not match package.json, so it cannot be obeyed everywhere: "
            f"{manager.name} chooses what is missing. Install once and commit the lock file."
        )
        self._run(manager, what, *manager.install, *manager.loose)

    def _use_our_registry(self) -> None:
        """yarn.lock names the registry of its writer; builds reach only the configured one."""
        text = self._folder.text("yarn.lock")
        registry = self._bench.build_tools.env.get("YARN_REGISTRY", "")
        if text is None or not registry:
            return

        def ours(found: re.Match[str]) -> str:
            known = f"{found.group(1)}:443" in self._bench.registries
            return found.group(0) if known else f"{registry.rstrip('/')}/"

        ours_now = re.sub(r"(?<=resolved \")https://([\w.-]+)/(?=[^\"]*/-/)", ours, text)
        self._folder.write("yarn.lock", ours_now)

    def _dependency_scripts(self, manager: Manager) -> None:
        """Install scripts of dependencies run apart, where no download cache is in reach."""
        if not self._any_install_script():
            return
        self._report.journal.info(
            "Some dependencies bring install scripts; they run in the sandbox"
        )
        argv: tuple[str, ...] = ("npm", "rebuild", "--no-audit", "--no-fund")
        if manager.name == "pnpm":
            argv = self._argv(manager, "rebuild")
        scratch = self._bench.job.scratch / "packages"
        scratch.mkdir(exist_ok=True)
        self._strangers_ran = True
        self._bench.run(
            Command(
                "Running the dependencies' install scripts",
                argv,
                workdir=self._root,
                env={**ENV, **manager.env},
                binds=((scratch, CACHE, False), *self._tool_binds(manager)),
            )
        )

    def _any_install_script(self) -> bool:
        listing = self._folder.read(f"{MODULES}/.package-lock.json")
        if listing is not None:
            return b'"hasInstallScript": true' in listing
        for manifest in self._manifests():
            scripts = manifest.get("scripts")
            if isinstance(scripts, dict) and scripts.keys() & {
                "preinstall",
                "install",
                "postinstall",
            }:
                return True
        return False

    def _manifests(self) -> Iterator[dict[str, Any]]:
        """Those of the installed packages, each where it really lies."""
        if not self._folder.is_folder(MODULES):
            return
        modules = self._folder.below(MODULES)
        for name, _, _ in modules.walk(enter=_may_hold_manifest):
            if name.endswith("/package.json"):
                yield _json(modules, name)

    def _own_scripts(self) -> None:
        """The source's own scripts; npm would run them at the end of an install."""
        scripts = _json(self._folder, "package.json").get("scripts")
        if not isinstance(scripts, dict):
            return
        for name in _OWN_SCRIPTS:
            text = str(scripts.get(name) or "")
            if not text or any(hook in text for hook in _GIT_HOOKS):
                continue
            command = Command(
                f"Running the script {name!r}", ("npm", "run", name), workdir=self._root, env=ENV
            )
            ending = self._bench.attempt(command)
            if ending.code != 0 and name == "prepare":
                self._report.warn("The script 'prepare' failed; see the log.")
            elif ending.code != 0:
                raise self._bench.fault(command, ending)

    def _bring(self, kept: Kept) -> None:
        """Read-only when nothing will be written there, else as a copy."""
        app, scratch = self._bench.app, self._bench.job.scratch
        writes = self._plan.build_command or self._plan.post_install or self._has_own_scripts()
        for name in kept.folders:
            if writes:
                bring(kept.tree / name, app, name, scratch)
            else:
                self._bench.files.make_folder(name)
                self._bench.binds.append((kept.tree / name, self._bench.inside(name), True))

    def _has_own_scripts(self) -> bool:
        scripts = _json(self._folder, "package.json").get("scripts")
        return isinstance(scripts, dict) and any(
            scripts.get(name) and not any(hook in str(scripts[name]) for hook in _GIT_HOOKS)
            for name in _OWN_SCRIPTS
        )

    def _provide(self, manager: Manager) -> bool:
        """Fetches a package manager from the npm registry, once for this machine."""
        place = self._tools / _safe(f"{manager.name}-{manager.version}")
        if place.is_dir():
            return True
        self._tools.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self._tools))
        fresh.chmod(0o755)
        ending = self._bench.attempt(
            Command(
                f"Fetching {manager.name} {manager.version}",
                (
                    "npm", "install", "--prefix", TOOLS, "--ignore-scripts", "--no-audit",
                    "--no-fund", f"{manager.package}@{manager.version}",
                ),
                # In the tools' folder, where no configuration of the source is read.
                workdir=TOOLS,
                env={
                    **ENV,
                    "npm_config_cache": "/build/tmp/npm",
                    "PATH": self._bench.own_path,
                },
                binds=((fresh, TOOLS, False),),
            )
        )  # fmt: skip
        if ending.code == 0:
            try:
                fresh.rename(place)
            except OSError:
                shutil.rmtree(fresh, ignore_errors=True)
            return place.is_dir()
        shutil.rmtree(fresh, ignore_errors=True)
        return False

    def _run(self, manager: Manager, what: str, *words: str) -> None:
        self._bench.run(self._command(manager, what, *words))

    def _command(self, manager: Manager, what: str, *words: str) -> Command:
        # Without scripts, without settings of the source, and from the registry alone, nothing
        # that strangers wrote runs while the shared downloads are in reach. Yarn and pnpm run
        # code of packages that no lock names.
        shared = self._plain and (manager.name == "npm" or words == manager.locked)
        downloads = self._downloads if shared else self._bench.job.scratch / "packages"
        downloads.mkdir(parents=True, exist_ok=True)
        return Command(
            what,
            self._argv(manager, *words),
            workdir=self._root,
            env={**ENV, **manager.env, "PATH": self._bench.own_path},
            binds=((downloads, CACHE, False), *self._tool_binds(manager)),
        )

    def _argv(self, manager: Manager, *words: str) -> tuple[str, ...]:
        if manager.name == "npm":
            return ("npm", *words)
        return ("node", f"{TOOLS}/{MODULES}/{manager.program}", *words)

    def _tool_binds(self, manager: Manager) -> tuple[tuple[Path, str, bool], ...]:
        if manager.name == "npm":
            return ()
        return ((self._tools / _safe(f"{manager.name}-{manager.version}"), TOOLS, True),)

    def _installed(self) -> Iterator[str]:
        """Every top-most node_modules below the folder; workspaces have their own."""

        def enter(name: str, _is_folder: bool) -> bool:
            above, _, last = name.rpartition("/")
            return last != ".git" and above.rpartition("/")[2] != MODULES

        for name, _, _ in self._folder.walk(enter=enter):
            if name.rpartition("/")[2] == MODULES and self._folder.is_folder(name):
                yield f"{self._root}/{name}".lstrip("/")

    def _has(self, *names: str) -> bool:
        return any(self._folder.is_file(name) for name in names)

    def _own_manifests(self) -> list[str]:
        found = self._folder.walk(enter=lambda name, _folder: not name.endswith(MODULES))
        return sorted(name for name, _, _ in found if f"/{name}".endswith("/package.json"))

    def _key(self) -> str:
        plan = self._plan
        parts: list[str | bytes] = [
            "nodejs", plan.installer, plan.installer_version or "", self._root,
            "\n".join(plan.extra_packages), identity(self._node or "node"),
        ]  # fmt: skip
        for name in self._manifests_here:
            parts += [name, self._folder.read(name) or b""]
        for name in _KEY_FILES[1:]:
            if (data := self._folder.read(name)) is not None:
                parts += [name, data]
        return key_of(*parts)


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in name)


def _may_hold_manifest(name: str, is_folder: bool) -> bool:
    """Packages, packages of a scope, and both again in pnpm's store."""
    parts = name.split("/")
    if parts[0] == ".pnpm":
        parts = parts[3:] if parts[2:3] in ([], [MODULES]) else ["", "", "", ""]
    if parts[:1] and parts[0].startswith("@"):
        parts = parts[1:]
    return len(parts) <= 1 if is_folder else parts[1:] == ["package.json"]


def _json(folder: Beneath, name: str) -> dict[str, Any]:
    try:
        record = json.loads(folder.read(name) or b"")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
