"""Site generators and front ends: what they build, where it lies, and whether it is one page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from chalicelib.domain.inference.evidence import Source, as_dict, as_text
from chalicelib.values import frozen

_CONFIG_ENDINGS = (".js", ".mjs", ".cjs", ".ts", ".mts")


@frozen
class Site:
    """Files to serve once they are built."""

    folder: str
    single_page: bool
    tool: str
    #: Used when package.json has no build script.
    build: str


def find_site(source: Source, package: dict[str, Any]) -> Site | None:
    """The static output of a front end, if it has one and nothing but files is needed."""
    used = {**as_dict(package.get("devDependencies")), **as_dict(package.get("dependencies"))}
    for name, look in _TOOLS:
        if name in used:
            site = look(source, package)
            if site is not None:
                return site
    return None


def config_text(source: Source, *stems: str) -> str:
    """The text of a tool's configuration, whatever its ending."""
    return source.text(source.first(*(stem + end for stem in stems for end in _CONFIG_ENDINGS)))


def _next(source: Source, package: dict[str, Any]) -> Site | None:
    text = config_text(source, "next.config")
    scripts = " ".join(map(str, as_dict(package.get("scripts")).values()))
    if re.search(r"output\s*:\s*['\"]export['\"]", text) or "next export" in scripts:
        return Site(_setting(text, "distDir") or "out", False, "Next.js export", "npx next build")
    return None


def _nuxt(source: Source, package: dict[str, Any]) -> Site | None:
    build = as_text(as_dict(package.get("scripts")).get("build"))
    text = config_text(source, "nuxt.config")
    if "generate" in build or re.search(r"preset\s*:\s*['\"]static['\"]", text):
        return Site(".output/public", False, "Nuxt generate", "npx nuxi generate")
    return None


def _astro(source: Source, package: dict[str, Any]) -> Site | None:
    text = config_text(source, "astro.config")
    if re.search(r"output\s*:\s*['\"](server|hybrid)['\"]", text):
        return None
    if "@astrojs/node" in as_dict(package.get("dependencies")) and "adapter" in text:
        return None
    return Site(_setting(text, "outDir") or "dist", False, "Astro", "npx astro build")


def _eleventy(source: Source, package: dict[str, Any]) -> Site | None:
    text = config_text(source, ".eleventy", "eleventy.config")
    scripts = " ".join(map(str, as_dict(package.get("scripts")).values()))
    flag = re.search(r"--output[= ]([\w./-]+)", scripts)
    folder = flag.group(1) if flag else _setting(text, "output") or "_site"
    return Site(folder, False, "Eleventy", "npx @11ty/eleventy")


def _vitepress(source: Source, package: dict[str, Any]) -> Site | None:
    del package
    marks = (name for name in source.names if "/.vitepress/" in f"/{name}")
    folder = next((f"/{name}".partition("/.vitepress/")[0].strip("/") for name in marks), "docs")
    output = f"{folder}/.vitepress/dist".lstrip("/")
    return Site(output, False, "VitePress", f"npx vitepress build {folder}".strip())


def _sveltekit(source: Source, package: dict[str, Any]) -> Site | None:
    del package
    text = config_text(source, "svelte.config")
    if "adapter-static" not in text:
        return None
    single = "fallback" in text
    return Site(_setting(text, "pages") or "build", single, "SvelteKit static", "npx vite build")


def _angular(source: Source, package: dict[str, Any]) -> Site | None:
    del package
    projects = as_dict(source.json("angular.json").get("projects"))
    for name, project in projects.items():
        build = as_dict(as_dict(as_dict(project).get("architect")).get("build"))
        options = as_dict(build.get("options"))
        output = options.get("outputPath")
        folder = as_text(as_dict(output).get("base") or output) or f"dist/{name}"
        browser = as_text(build.get("builder")).endswith(":application")
        return Site(folder + ("/browser" if browser else ""), True, "Angular", "npx ng build")
    return None


def _vite(source: Source, package: dict[str, Any]) -> Site | None:
    used = {**as_dict(package.get("devDependencies")), **as_dict(package.get("dependencies"))}
    if any(name in used for name in ("@sveltejs/kit", "@remix-run/dev", "@react-router/dev")):
        return None
    text = config_text(source, "vite.config")
    if "ssr:" in text or not (source.has("index.html") or text):
        return None
    root = _setting(text, "root") or ""
    folder = _setting(text, "outDir") or "dist"
    parts: list[str] = []
    for part in f"{root}/{folder}".split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return Site("/".join(parts), True, "Vite", "npx vite build")


def _webpack(source: Source, package: dict[str, Any]) -> Site | None:
    build = as_text(as_dict(package.get("scripts")).get("build"))
    if "webpack" not in build or not re.search("HtmlWebpack|html-webpack", _webpack_text(source)):
        return None
    return Site("dist", True, "webpack", "npx webpack --mode production")


def _webpack_text(source: Source) -> str:
    return "".join(source.text(name) for name in source.names if name.startswith("webpack."))


def _fixed(
    folder: str, tool: str, build: str, *, single: bool = False
) -> Callable[[Source, dict[str, Any]], Site]:
    return lambda source, package: Site(folder, single, tool, build)  # noqa: ARG005


def _setting(text: str, key: str) -> str | None:
    """A plain string in a configuration that is code; one that is computed is not known."""
    match = re.search(rf"\b{key}\s*:\s*['\"](?:\./)?([\w./-]+?)/?['\"]", text)
    return match.group(1) if match else None


_TOOLS: tuple[tuple[str, Callable[[Source, dict[str, Any]], Site | None]], ...] = (
    ("next", _next),
    ("nuxt", _nuxt),
    ("astro", _astro),
    ("gatsby", _fixed("public", "Gatsby", "npx gatsby build")),
    ("@11ty/eleventy", _eleventy),
    ("@docusaurus/core", _fixed("build", "Docusaurus", "npx docusaurus build")),
    ("vitepress", _vitepress),
    ("hexo", _fixed("public", "Hexo", "npx hexo generate")),
    ("@sveltejs/kit", _sveltekit),
    ("@angular/core", _angular),
    ("react-scripts", _fixed("build", "Create React App", "npx react-scripts build", single=True)),
    ("@vue/cli-service", _fixed("dist", "Vue CLI", "npx vue-cli-service build", single=True)),
    ("vite", _vite),
    ("parcel", _fixed("dist", "Parcel", "npx parcel build", single=True)),
    ("webpack", _webpack),
)
