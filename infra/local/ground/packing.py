"""Packing what was built: dependencies and app apart, and only what the running agent needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from chalicelib.domain.plan import Plan
from infra.build.beneath import Beneath
from infra.build.grounds import Job
from infra.build.layers import Layer, write_layer
from infra.local.ground.cache import Kept, unchanged
from infra.local.ground.nodejs import MODULES

_NEVER = frozenset({".git", "__pycache__", ".DS_Store", ".slipway-requirements.txt"})
_BUILD_CACHES = frozenset({f"{MODULES}/.cache", f"{MODULES}/.vite", f"{MODULES}/.vite-temp"})

Keep = Callable[[str, bool], bool]


def pack(job: Job, kept: Kept | None) -> list[Layer]:
    """The layers of the image, dependencies first. Called before anything built was started."""
    plan = job.order.plan
    folders = frozenset(kept.folders) if kept is not None else frozenset()
    app = write_layer(
        job.scratch / "app.tar",
        job.source,
        "app",
        keep=_app_files(plan, folders),
        empty_folders=not plan.include,
    )
    if kept is None or plan.runtime == "static":
        return [app]
    if _as_kept(job, kept):
        return [kept.layer, app]
    changed = write_layer(
        job.scratch / "dependencies.tar", job.source, "app", keep=_dependency_files(kept.folders)
    )
    return [changed, app]


def _as_kept(job: Job, kept: Kept) -> bool:
    """Whether the build left its dependencies as they were; an empty folder was only bound."""
    for name in kept.folders:
        here = Beneath(job.source).below(name)
        if any(here.walk()) and not unchanged(kept.tree / name, here):
            return False
    return True


def _app_files(plan: Plan, dependencies: frozenset[str]) -> Keep:
    site = f"{plan.root}/{plan.static_dir or ''}".strip("/") if plan.runtime == "static" else ""
    included = [_pattern(f"{plan.root}/{glob}".strip("/")) for glob in plan.include]

    def keep(name: str, is_folder: bool) -> bool:
        if name in dependencies or name.rpartition("/")[2] in _NEVER:
            return False
        if site:
            below = name == site or name.startswith(f"{site}/")
            return below or (is_folder and site.startswith(f"{name}/"))
        if included:
            return is_folder or any(pattern.match(name) for pattern in included)
        return plan.runtime != "rust" or _of_rust(name, is_folder)

    return keep


def _dependency_files(folders: Sequence[str]) -> Keep:
    def keep(name: str, is_folder: bool) -> bool:
        if any(name.endswith(cache) for cache in _BUILD_CACHES):
            return False
        inside = any(name == one or name.startswith(f"{one}/") for one in folders)
        return inside or (is_folder and any(one.startswith(f"{name}/") for one in folders))

    return keep


def _of_rust(name: str, is_folder: bool) -> bool:
    """Of what cargo wrote, only the finished programs."""
    parts = name.split("/")
    if "target" not in parts:
        return True
    below = parts[parts.index("target") + 1 :]
    if is_folder:
        return below in ([], ["release"])
    return len(below) == 2 and below[0] == "release" and "." not in below[1]


def _pattern(glob: str) -> re.Pattern[str]:
    """`dist`, `dist/*.js`, `dist/**`: a folder stands for all that is in it."""
    parts = re.split(r"(\*\*/?|\*|\?)", glob.rstrip("/"))
    wild = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    text = "".join(wild.get(part, re.escape(part)) for part in parts)
    return re.compile(f"{text}(?:/.*)?$")
