"""What a Python source depends on, which file says so, and which installer obeys that file."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.inference.evidence import Draft, Source, as_dict, as_list

_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(.*)$")
_FILES = (
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
    "requirements-prod.txt",
    "requirements_prod.txt",
    "requirements.in",
)
_LOCKS = (("uv.lock", "uv-lock"), ("poetry.lock", "poetry"), ("Pipfile.lock", "pipenv"))

#: Modules of loose files that have no requirements: only names that cannot be mistaken.
_KNOWN_IMPORTS = {
    "aiohttp": "aiohttp",
    "anthropic": "anthropic",
    "boto3": "boto3",
    "bottle": "bottle",
    "bs4": "beautifulsoup4",
    "chainlit": "chainlit",
    "dash": "dash",
    "dotenv": "python-dotenv",
    "fastapi": "fastapi",
    "fastmcp": "fastmcp",
    "flask": "flask",
    "flask_cors": "flask-cors",
    "gradio": "gradio",
    "httpx": "httpx",
    "jinja2": "jinja2",
    "langchain": "langchain",
    "litestar": "litestar",
    "mcp": "mcp",
    "numpy": "numpy",
    "openai": "openai",
    "pandas": "pandas",
    "PIL": "pillow",
    "pydantic": "pydantic",
    "quart": "quart",
    "requests": "requests",
    "sanic": "sanic",
    "starlette": "starlette",
    "streamlit": "streamlit",
    "tornado": "tornado",
    "uvicorn": "uvicorn",
    "yaml": "pyyaml",
}
#: From this version on there are wheels for Python 3.11 and later; what is pinned below needs 3.10.
_NEEDS_OLDER = {
    "numpy": (1, 23, 2),
    "pandas": (1, 5),
    "scipy": (1, 9, 2),
    "pyyaml": (6, 0),
    "greenlet": (2, 0),
    "aiohttp": (3, 8, 3),
    "grpcio": (1, 49),
    "lxml": (4, 9, 1),
    "psycopg2-binary": (2, 9, 5),
    "pydantic-core": (2, 0),
    "tensorflow": (2, 12),
    "torch": (2, 0),
    "scikit-learn": (1, 1, 3),
    "cffi": (1, 15, 1),
}
#: Pinned below this version they import pkg_resources, which a new environment does not have.
_NEEDS_SETUPTOOLS = {
    "gunicorn": (20, 1),
    "flask-restx": (1, 0),
    "apscheduler": (3, 10),
    "google-cloud-core": (2, 3),
    "django-rest-swagger": (99,),
    "fastapi": (0, 80),
    "flask": (2, 1),
    "django": (4, 0),
}


@dataclass
class Packages:
    """The dependencies as far as they can be read without installing them."""

    installer: str = "none"
    files: tuple[str, ...] = ()
    names: set[str] = field(default_factory=set)
    pins: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    source: str = ""

    def has(self, *names: str) -> bool:
        """Whether any of these is among the direct dependencies."""
        return any(name in self.names for name in names)


def read_packages(source: Source, top: Source | None = None) -> Packages:
    """Find the file that is installed from, and read the names in all files that name any."""
    packages = Packages()
    pyproject = source.toml("pyproject.toml")
    requirements = _requirement_file(source)
    _read_requirements(source, requirements, packages)
    project = as_dict(pyproject.get("project"))
    for line in as_list(project.get("dependencies")):
        _note(packages, str(line), "pyproject.toml")
    poetry = as_dict(as_dict(pyproject.get("tool")).get("poetry"))
    for name, wanted in as_dict(poetry.get("dependencies")).items():
        _note(packages, _as_requirement(name, wanted), "pyproject.toml")
    for name, wanted in as_dict(source.toml("Pipfile").get("packages")).items():
        _note(packages, _as_requirement(name, wanted), "Pipfile")
    packages.names.discard("python")
    for line in _setup_requirements(source):
        _note(packages, line, "setup.py")
    packages.installer, packages.files = _installer(source, pyproject, requirements)
    packages.source = ", ".join(packages.files)
    if packages.installer == "pyproject" and top is not None and _is_member(source, top):
        # uv finds the lock of a workspace from the folder of its member.
        packages.installer, packages.files = "uv-lock", ("pyproject.toml",)
        packages.source = "uv.lock at the top"
    return packages


def is_virtual_workspace(source: Source) -> bool:
    """A uv workspace whose top is no project itself."""
    data = source.toml("pyproject.toml")
    return bool(_workspace(source)) and not as_dict(data.get("project")).get("dependencies")


def _workspace(source: Source) -> list[str]:
    tool = as_dict(source.toml("pyproject.toml").get("tool"))
    workspace = as_dict(as_dict(tool.get("uv")).get("workspace"))
    return [str(member) for member in as_list(workspace.get("members"))]


def _is_member(source: Source, top: Source) -> bool:
    return top.has("uv.lock") and any(
        fnmatch.fnmatchcase(source.root, pattern) for pattern in _workspace(top)
    )


def plan_packages(source: Source, packages: Packages, draft: Draft) -> None:
    """Set the installer, say which of two locks is obeyed, and mend what old pins lack."""
    if packages.installer != "none":
        draft.set("installer", packages.installer, packages.source)
        draft.set("install_files", packages.files, packages.source)
    locks = [lock for lock, _ in _LOCKS if source.has(lock)]
    if len(locks) > 1:
        draft.say(
            "warning",
            "two_lock_files",
            f"There are {' and '.join(locks)}; {packages.source} is obeyed. Delete the other.",
            source.path(locks[0]),
        )
    if source.has("environment.yml") and packages.installer == "none":
        draft.say(
            "warning",
            "conda_environment",
            "environment.yml is made for conda, which is not used here. List the packages in a "
            "requirements.txt.",
            source.path("environment.yml"),
        )
    for name, below in _NEEDS_OLDER.items():
        if draft.get("toolchain") is None and _pinned_below(packages, name, below):
            version, where = packages.pins[name]
            shown = ".".join(map(str, version))
            draft.set("toolchain", "3.10", f"{where}: {name}=={shown} came before Python 3.11")
    for name, below in _NEEDS_SETUPTOOLS.items():
        if _pinned_below(packages, name, below):
            draft.add("extra_packages", ("setuptools<81",), f"{packages.pins[name][1]}: old {name}")


def guess_packages(imports: set[str], draft: Draft) -> set[str]:
    """Dependencies of a source that lists none, by what it imports; the rest is said aloud."""
    found = {_KNOWN_IMPORTS[name] for name in imports if name in _KNOWN_IMPORTS}
    if found:
        draft.add("extra_packages", sorted(found), "imports, since there is no requirements.txt")
        draft.say(
            "warning",
            "requirements_missing",
            f"There is no requirements.txt; {', '.join(sorted(found))} will be installed because "
            "the code imports it. Add a requirements.txt with versions to be sure of the rest.",
        )
    return found


def _requirement_file(source: Source) -> str | None:
    found = source.first(*_FILES)
    if found is not None:
        return found
    others = [
        name
        for name in source.names
        if re.fullmatch(r"requirements[a-z_-]*\.txt", name, re.IGNORECASE)
        and not re.search(r"dev|test|doc|lint", name, re.IGNORECASE)
    ]
    return others[0] if others else None


def _installer(
    source: Source, pyproject: dict[str, Any], requirements: str | None
) -> tuple[str, tuple[str, ...]]:
    project = as_dict(pyproject.get("project"))
    poetry = as_dict(as_dict(pyproject.get("tool")).get("poetry"))
    order = [(lock, kind) for lock, kind in _LOCKS if source.has(lock)]
    if poetry and not project:
        order.sort(key=lambda item: item[1] != "poetry")
    if order:
        lock, kind = order[0]
        partner = "Pipfile" if kind == "pipenv" else "pyproject.toml"
        if source.has(partner):
            return kind, (lock,)
    if requirements is not None and not (_is_package(source) and project.get("dependencies")):
        return "requirements", (requirements,)
    if poetry.get("dependencies"):
        return "poetry", ("pyproject.toml",)
    if project:
        return "pyproject", ("pyproject.toml",)
    if source.has("Pipfile"):
        return "pipenv", ("Pipfile",)
    if source.has("setup.py") or source.has("setup.cfg"):
        return "pyproject", (source.first("setup.py", "setup.cfg") or "setup.py",)
    return "none", ()


def _is_package(source: Source) -> bool:
    """A project whose modules are found only once it is installed."""
    return source.has_folder("src") and any(
        re.fullmatch(r"src/[^/]+/__init__\.py", name) for name in source.names
    )


def _read_requirements(
    source: Source, name: str | None, packages: Packages, depth: int = 0
) -> None:
    if name is None or depth > 3:
        return
    folder = name.rpartition("/")[0]
    for number, line in enumerate(source.text(name).splitlines(), 1):
        text = line.partition(" #")[0].strip()
        included = re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)", text)
        if included:
            inner = "/".join(part for part in (folder, included.group(1)) if part)
            _read_requirements(source, inner.removeprefix("./"), packages, depth + 1)
        elif text and not text.startswith(("#", "-")):
            _note(packages, text, f"{name} line {number}")


def _note(packages: Packages, requirement: str, where: str) -> None:
    egg = re.search(r"#egg=([\w.-]+)", requirement)
    match = _REQUIREMENT.match(egg.group(1) if egg else requirement.strip())
    if match is None or "://" in requirement.partition("@")[0]:
        return
    name = re.sub(r"[-_.]+", "-", match.group(1)).lower()
    packages.names.add(name)
    extras = match.group(2) or ""
    if name == "fastapi" and re.search(r"standard|all", extras):
        packages.names.add("uvicorn")
    pin = re.match(r"\(?={2,3}\s*v?(\d+(?:\.\d+)*)", match.group(3))
    if pin:
        packages.pins[name] = (tuple(map(int, pin.group(1).split(".")[:4])), where)


def _as_requirement(name: str, wanted: object) -> str:
    if isinstance(wanted, dict):
        extras = as_list(wanted.get("extras"))
        return f"{name}[{','.join(map(str, extras))}]{wanted.get('version', '')}"
    version = str(wanted)
    return f"{name}=={version}" if version[:1].isdigit() else f"{name}{version}"


def _setup_requirements(source: Source) -> list[str]:
    _, _, rest = source.text("setup.py").partition("install_requires")
    listed = rest.partition("[")[2].partition("]")[0]
    return re.findall(r"['\"]([^'\"]+)['\"]", listed)


def _pinned_below(packages: Packages, name: str, below: tuple[int, ...]) -> bool:
    pin = packages.pins.get(name)
    return pin is not None and pin[0] < below
