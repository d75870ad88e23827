"""One folder of a source seen with the eyes of each runtime, and how sure each of them is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.inference.dockerfile import Dockerfile, read_dockerfile
from chalicelib.domain.inference.evidence import Source, as_dict, as_text
from chalicelib.domain.inference.hints import Hints, read_hints
from chalicelib.domain.inference.nodejs import NodeApp
from chalicelib.domain.inference.python import PythonApp
from chalicelib.domain.inference.rust import RustApp
from chalicelib.domain.inference.static import StaticSite

#: From here on something is known to start or to be built.
SURE = 2.5
_FOREIGN = (
    (r"go\.mod", "Go"),
    (r"pom\.xml|build\.gradle(\.kts)?", "Java"),
    (r"Gemfile", "Ruby"),
    (r"composer\.json|index\.php", "PHP"),
    (r"mix\.exs", "Elixir"),
    (r"[^/]+\.(csproj|sln|fsproj)", ".NET"),
    (r"deno\.jsonc?", "Deno"),
    (r"Package\.swift", "Swift"),
    (r"hugo\.(toml|yaml)", "Hugo"),
    (r"mkdocs\.ya?ml", "MkDocs"),
    (r"_config\.ya?ml", "Jekyll"),
    (r"main\.go", "Go"),
    (r"[^/]+\.c|CMakeLists\.txt|[^/]+\.cpp", "C"),
)


class Looks:
    """What each runtime makes of a folder; `only` narrows it to one chosen file."""

    def __init__(self, top: Source, source: Source, only: str | None = None) -> None:
        self.top, self.source = top, source
        only = only or ""
        self.hints: Hints = read_hints(source)
        self.docker: Dockerfile | None = read_dockerfile(source)
        self.python = PythonApp(source, only if only.endswith(".py") else None, top)
        self.node = NodeApp(source, only if re.search(r"\.[cm]?[jt]s$", only) else None)
        self.rust = self._rust()
        self.static = StaticSite(source)

    def strengths(self, given: Mapping[str, Any]) -> dict[str, float]:
        """How sure it is that each runtime is meant."""
        node: float = self.node.strength
        if self.static.folder == "" and node < 3 and not self.source.has("package.json"):
            node = 0  # scripts beside a page are the page's
        site = SURE if self.node.site is not None else self.static.strength
        if as_text(as_dict(given.get("build")).get("output")) and not given.get("start"):
            site = max(site, SURE)
        if self.node.site is not None:
            node = 0  # static output beats start
        return {
            "static": site,
            "python": self.python.strength,
            "nodejs": node,
            "rust": self.rust.strength,
        }

    def holds(self, runtime: str, given: Mapping[str, Any]) -> bool:
        """Whether the source can be of this runtime at all."""
        evidence = {
            "python": self.python.strength > 0
            or any(name.endswith(".py") for name in self.source.names),
            "nodejs": self.node.strength > 0
            or self.source.has("package.json")
            or bool(self.source.app_files(".js", ".mjs", ".cjs", ".ts")),
            "rust": self.source.has("Cargo.toml"),
            "static": self.node.site is not None
            or bool(self.static.pages)
            or bool(as_dict(given.get("build")).get("output")),
        }
        return evidence[runtime]

    def foreign(self) -> str | None:
        """The language of a source that is not run directly."""
        for pattern, language in _FOREIGN:
            if any(re.fullmatch(pattern, name) for name in self.source.names if "/" not in name):
                return language
        return None

    def marks(self, runtime: str) -> str:
        """The files that speak for a runtime."""
        if runtime == "static" and self.node.site is None:
            folder = self.static.folder
            return f"{folder}/index.html" if folder else self.static.lone or "index.html"
        apps: dict[str, PythonApp | NodeApp | RustApp] = {"python": self.python, "rust": self.rust}
        return ", ".join(apps.get(runtime, self.node).marks[:3]) or "its files"

    def _rust(self) -> RustApp:
        """The package; a member of a workspace is built from the workspace's top."""
        if self.source.root and self.source.has("Cargo.toml") and self.top.has("Cargo.toml"):
            whole = RustApp(self.top, self.source.root)
            if whole.workspace and whole.binaries:
                return whole
        return RustApp(self.source)
