"""From a tree of files to a plan: which runtime is meant, and the manifest's word over all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.inference.evidence import Draft, Source, as_dict, as_text
from chalicelib.domain.inference.hints import runtime_of_command
from chalicelib.domain.inference.looks import SURE, Looks
from chalicelib.domain.inference.monorepo import candidates, loose_folders
from chalicelib.domain.inference.overrides import apply_manifest
from chalicelib.domain.inference.remarks import remarks
from chalicelib.domain.plan import Inference, Plan, SourceTree

_MANIFESTS = ("agent.yaml", "agent.yml")
_RUNTIMES = ("python", "nodejs", "rust", "static", "dockerfile")


def manifest_path(tree: SourceTree) -> str | None:
    """Where the manifest lies: at the top, or in the only folder that has one."""
    names = tree.names()
    for name in _MANIFESTS:
        if name in names:
            return name
    found = [n for n in names if n.rpartition("/")[2] in _MANIFESTS and n.count("/") <= 3]
    alone = len({name.rpartition("/")[0] for name in found}) == 1
    return min(found, key=lambda n: _MANIFESTS.index(n.rpartition("/")[2])) if alone else None


def infer(
    tree: SourceTree, manifest: Mapping[str, Any] | None = None, choice: str | None = None
) -> Inference:
    """Work out the plan for a source.

    `manifest` is `Manifest.to_json()`; its values win. `choice` is one of the `candidates` of an
    earlier inference: a folder, a file or a runtime.
    """
    draft = Draft()
    given = dict(manifest or {})
    top = Source(tree)
    if not top.names:
        draft.say("error", "source_empty", "The source holds no files. Pack the folder of the app.")
        return _result(draft)
    root, only, wished = _chosen(top, given, choice)
    source = top if not root else Source(tree, root)
    if not source.names:
        folders = candidates(top)
        draft.candidates = tuple(folders)
        draft.say(
            "error",
            "root_missing",
            f"There is no folder {root!r} in the source. "
            + (
                f"Write in agent.yaml one of: `root: {'`, `root: '.join(folders)}`."
                if folders
                else "Remove the `root` line from agent.yaml, or name a folder that is there."
            ),
            manifest_path(tree),
            _line(top, "root"),
        )
        return _result(draft)
    _unread_manifests(top, draft)
    _Work(top, given, draft, wished=wished).run(source, only)
    return _result(draft)


def _unread_manifests(top: Source, draft: Draft) -> None:
    """A file that was surely meant as the manifest, and is not the one that is read."""
    read = manifest_path(top.tree)
    folder = (read or "").rpartition("/")[0]
    for name in top.names:
        where, _, last = name.rpartition("/")
        if name == read or last.lower() not in _MANIFESTS or where not in ("", folder):
            continue
        detail = f"{name} is not read: the name is agent.yaml, in small letters. Rename it."
        if last in _MANIFESTS:
            detail = f"{name} is not read, because {read} is. Delete one of the two."
        draft.say("warning", "manifest_not_read", detail, name)


def _chosen(
    top: Source, given: Mapping[str, Any], choice: str | None
) -> tuple[str, str | None, str | None]:
    """(folder, file, runtime) that the manifest or a person named."""
    root = as_text(given.get("root")).strip("/").removeprefix("./")
    wished = as_text(given.get("runtime")) or None
    only: str | None = None
    if choice in _RUNTIMES and not top.has_folder(choice):
        wished = wished or choice
    elif choice and top.has(choice):
        folder = root or ""
        only = choice[len(folder) + 1 :] if folder else choice
    elif choice:
        root = root or choice.strip("/")
    if not root:
        at = manifest_path(top.tree)
        root = at.rpartition("/")[0] if at else ""
    return ("" if root == "." else root), only, wished


class _Work:
    """One inference: the decision between the looks at a folder, and the plan after it."""

    def __init__(
        self, top: Source, given: dict[str, Any], draft: Draft, *, wished: str | None
    ) -> None:
        self.top, self.given, self.draft, self.wished = top, given, draft, wished
        self.below: list[str] | None = None

    def run(self, source: Source, only: str | None) -> None:
        """Decide, plan, and let the manifest have the last word."""
        self.only = only
        self.looks = Looks(self.top, source, only)
        runtime = self.decide()
        if runtime is not None:
            self.plan(runtime)
            apply_manifest(self.given, self.draft, self.looks.python.packages)
        remarks(self.draft, self.looks, runtime)

    def decide(self) -> str | None:
        """The runtime, or None after an error was noted."""
        wished = self.wished
        if wished in ("python", "nodejs", "rust", "static"):
            return wished if self._holds(wished) else None
        found = self._found()
        if found is None and not self.looks.source.root and self.only is None:
            found = self._in_a_folder()
            if self.draft.failed():
                return None
        if found is None and as_text(as_dict(self.given.get("start")).get("command")):
            found = runtime_of_command(self.given["start"]["command"])
            if found is not None:
                self.draft.set("runtime", found, "agent.yaml start.command")
        if found is None and (self.looks.docker is not None or wished == "dockerfile"):
            return self._container()
        if found is None:
            self._nothing()
        return found

    def _found(self) -> str | None:
        strengths = self.looks.strengths(self.given)
        best = max(strengths.values())
        if best == 0 or (best < 2 and self.looks.foreign() and self.looks.docker is not None):
            return None
        if not self.looks.source.root and strengths["static"] < 1 and self._lies_below(best):
            return None
        level = [runtime for runtime, strength in strengths.items() if strength == best]
        for hint in self.looks.hints.start:
            runtime = runtime_of_command(hint.value)
            if runtime and strengths.get(runtime, 0) >= 1:
                self.draft.set("runtime", runtime, hint.source)
                return runtime
        said = self.looks.docker.runtime if self.looks.docker is not None else None
        if said and said in strengths and strengths[said] >= 2:
            assert self.looks.docker is not None  # noqa: S101  (it said so)
            where = f"{self.looks.marks(said)} and {self.looks.docker.name} FROM"
            self.draft.set("runtime", said, where)
            return said
        if best >= 3 and len(level) > 1:
            self._two(level)
            return None
        self.draft.set("runtime", level[0], self.looks.marks(level[0]))
        return level[0]

    def _lies_below(self, best: float) -> bool:
        """Whether the top is not the app: nothing listens there, and in folders below it does."""
        if self.only is not None or self.given.get("start") or self.looks.hints.start:
            return False
        folders = self.looks.python.folders
        if best >= SURE and len(folders) < 2:
            return False
        usual = self.looks.python.usual_script or self.looks.node.strength >= 2
        if best >= 2 and best < SURE and usual:
            return False
        known = candidates(self.top)
        if not known and best >= 2 and self.looks.python.nothing_to_start:
            known = loose_folders(self.top)
        wider = {one for one in folders if not any(k.startswith(f"{one}/") for k in known)}
        self.below = sorted({*known, *wider})
        return bool(self.below)

    def _in_a_folder(self) -> str | None:
        """The root is not the app: the only folder that is one, or a question."""
        if self.draft.failed():
            return None
        folders = candidates(self.top) if self.below is None else self.below
        if not folders and not self._said_otherwise():
            folders = loose_folders(self.top)
        if len(folders) > 1:
            self.draft.candidates = tuple(folders)
            self.draft.say(
                "error",
                "several_apps",
                f"The source holds {len(folders)} apps: {', '.join(folders[:12])}. Choose one, or "
                f"add to agent.yaml: `root: {folders[0]}`.",
            )
            return None
        if len(folders) == 1 and not self._only_a_container(folders[0]):
            self.draft.set("root", folders[0], "the only folder that holds an app")
            self.looks = Looks(self.top, self.top.below(folders[0]))
            return self._found()
        return None

    def _said_otherwise(self) -> bool:
        """Whether a page or script below the top is a part of something else."""
        return bool(self.given.get("start") or self.looks.docker or self.looks.foreign())

    def _only_a_container(self, folder: str) -> bool:
        return self.looks.docker is not None and not any(
            self.top.has(f"{folder}/{name}")
            for name in ("package.json", "requirements.txt", "pyproject.toml", "Cargo.toml")
        )

    def _holds(self, wished: str) -> bool:
        """Whether the source can be what the manifest says; says so if it cannot."""
        where = "agent.yaml runtime" if self.given.get("runtime") else "chosen"
        if self.looks.holds(wished, self.given):
            self.draft.set("runtime", wished, where)
            return True
        strengths = self.looks.strengths(self.given)
        other = max(strengths, key=lambda runtime: strengths[runtime])
        if strengths[other] > 0:
            wrong = f"but the source is {other} ({self.looks.marks(other)})"
            mend = f"Change the line to `runtime: {other}`, or remove it."
        else:
            wrong = f"but nothing in the source is {wished}"
            mend = "Remove the line, or pack the folder that holds the app."
        self.draft.say(
            "error",
            "runtime_mismatch",
            f"agent.yaml says `runtime: {wished}`, {wrong}. {mend}",
            manifest_path(self.top.tree),
            _line(self.top, "runtime"),
        )
        return False

    def _container(self) -> str | None:
        """Nothing but the Dockerfile says how this is built."""
        if self.looks.docker is None:
            self.draft.say(
                "error",
                "dockerfile_missing",
                "agent.yaml says `runtime: dockerfile`, but there is no Dockerfile. Add one, or "
                "change the line to `runtime: python` (or nodejs, rust, static).",
                manifest_path(self.top.tree),
                _line(self.top, "runtime"),
            )
            return None
        name = self.looks.source.path(self.looks.docker.name)
        if self.looks.docker.faults:
            fault = self.looks.docker.faults[0]
            self.draft.say(
                "error",
                fault.code,
                f"{fault.detail} Mend that line; nothing else in the source says how it is "
                "started. Or add to agent.yaml: `runtime: python` and `start: {command: …}`.",
                fault.file,
                fault.line,
            )
            return None
        foreign = self.looks.foreign()
        self.draft.set("runtime", "dockerfile", name)
        self.draft.say(
            "warning",
            "container_needed",
            f"{'This is ' + foreign + ': only' if foreign else 'Only'} {name} says how it is "
            "built, which takes a container engine. It is built in the cloud, and on a machine "
            "of your own where podman or docker is installed.",
            name,
        )
        if self.looks.docker.port is not None:
            self.draft.set("port", self.looks.docker.port, f"{name} EXPOSE")
        return "dockerfile"

    def plan(self, runtime: str) -> None:
        """Fill the draft by the rules of one runtime."""
        draft = self.draft
        if self.looks.source.root and draft.get("root") is None:
            draft.set("root", self.looks.source.root, "agent.yaml or chosen")
        self._workers(runtime)
        if runtime == "python":
            self.looks.python.plan(draft, self.looks.hints, self.looks.docker)
        elif runtime == "nodejs":
            self.looks.node.plan(draft, self.looks.hints, self.looks.docker, self.top)
        elif runtime == "rust":
            if self.looks.rust.source is self.top and self.looks.source.root:
                draft.set("root", "", "Cargo workspace at the top")
            self.looks.rust.plan(draft, self.looks.hints, self.looks.docker)
        elif runtime == "static" and self.looks.node.site is not None:
            self.looks.node.plan_site(draft, self.looks.hints, self.top)
        elif runtime == "static":
            self._plain_site()
        health = self.looks.hints.health
        if health and runtime not in ("static", "dockerfile"):
            draft.set("health_path", health[0].value, health[0].source)

    def _plain_site(self) -> None:
        output = as_text(as_dict(self.given.get("build")).get("output"))
        if self.looks.source.has("package.json") and self.looks.node.scripts.get("build"):
            self.looks.node.install_for_site(self.draft, self.looks.hints, self.top)
        if output:
            self.draft.set("static_dir", output, "agent.yaml build.output")
        else:
            self.looks.static.plan(self.draft, self.looks.hints)

    def _workers(self, runtime: str) -> None:
        """A Procfile without web: its worker is what there is to start."""
        strength = {
            "python": self.looks.python.strength,
            "nodejs": self.looks.node.strength,
        }.get(runtime, 3)
        if self.looks.hints.start or not self.looks.hints.workers or strength >= 3:
            return
        hint = self.looks.hints.workers[0]
        self.looks.hints.start.append(hint)
        self.draft.set("worker", value=True, source=hint.source)
        self.draft.say(
            "warning",
            "nothing_listens",
            f"{hint.source} starts a worker and nothing starts a web process, so there may be no "
            "URL to answer at. To start something else, add to agent.yaml: "
            "`start: {command: …}`.",
        )

    def _two(self, level: list[str]) -> None:
        self.draft.candidates = tuple(level)
        shown = " and ".join(f"{runtime} ({self.looks.marks(runtime)})" for runtime in level)
        lines = " or ".join(f"`runtime: {runtime}`" for runtime in level)
        self.draft.say(
            "error",
            "two_entry_points",
            f"The source can be started as {shown}. Choose one, or add to agent.yaml: {lines}.",
        )

    def _nothing(self) -> None:
        if self.draft.failed():
            return
        foreign = self.looks.foreign()
        if foreign:
            self.draft.say(
                "error",
                "runtime_unsupported",
                f"This is {foreign}, which is not run directly. Python, Node.js, Rust and static "
                "sites are; anything else takes a Dockerfile: add one, and to agent.yaml "
                "`runtime: dockerfile`.",
            )
            return
        names = self.looks.source.names
        seen = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
        self.draft.say(
            "error",
            "nothing_recognised",
            f"Nothing to start or serve was recognised (seen: {seen}). Add to agent.yaml: "
            "`runtime: python` (or nodejs, rust, static) and `start: {command: …}`.",
        )


def _line(top: Source, key: str) -> int | None:
    path = manifest_path(top.tree)
    return top.line_of(path, rf"^{key}\s*:") if path else None


def _result(draft: Draft) -> Inference:
    findings = tuple(dict.fromkeys(draft.findings))
    plan = None
    if not any(finding.level == "error" for finding in findings):
        plan = Plan.from_json(draft.values)
    return Inference(plan, tuple(draft.inferred), findings, draft.candidates)
