"""Which of a Python source's files is started, and by what: the framework's own command first."""

from __future__ import annotations

import re

from chalicelib.domain.inference.evidence import Source
from chalicelib.domain.inference.python_code import App, Module, read_module
from chalicelib.domain.inference.python_commands import Entry, entry_for, is_page, run_file
from chalicelib.domain.inference.python_packages import Packages, is_virtual_workspace

_MAX_MODULES = 400
#: Parsing may cost seconds for each megabyte; what is started lies near the top.
_MAX_CODE = 1_500_000
PYTHON_MARKS = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "uv.lock", "manage.py")
#: Where people put the thing that is started, the likeliest first.
ENTRY_NAMES = (
    "main",
    "app",
    "server",
    "asgi",
    "wsgi",
    "api",
    "application",
    "run",
    "index",
    "bot",
    "agent",
    "__main__",
    "__init__",
)
#: Files that are started when nothing in them can be pointed at.
USUAL_SCRIPTS = ("__main__.py", "server.py", "main.py", "app.py", "bot.py", "run.py", "agent.py")
_NOT_STARTED = re.compile(
    r"(^|/)(test_[^/]*|[^/]*_test|conftest|setup|noxfile|fabfile|tasks|gunicorn\.conf|"
    r"gunicorn_conf[a-z]*|[^/]*client|locustfile|manage|settings|config)\.py$"
)


def read_modules(source: Source, only: str | None = None) -> list[Module]:
    """Every file that may be started, shallow ones first."""
    holder = is_virtual_workspace(source)
    files = [only] if only else source.app_files(".py", marks=PYTHON_MARKS, holder=holder)
    modules: list[Module] = []
    room = _MAX_CODE
    for name in files[:_MAX_MODULES]:
        if only or not _NOT_STARTED.search(name):
            text = source.text(name)
            room -= len(text)
            if room < 0:
                break
            modules.append(read_module(name, text))
    return modules


def find_entries(source: Source, packages: Packages, modules: list[Module]) -> list[Entry]:
    """The best ways to start; more than one means that a person has to choose."""
    found = [module for module in modules if is_page(module) or _serves(module, source)]
    if not found:
        return []
    found.sort(key=_rank)
    folder = found[0].path.rpartition("/")[0]
    tier = [module for module in found if module.path.rpartition("/")[0] == folder]
    # What another one imports is a part of it.
    roots = [module for module in tier if not any(_imports(o, module) for o in tier)]
    chosen = roots or tier[:1]
    likely = [module for module in chosen if _stem(module) in ENTRY_NAMES]
    if likely:
        chosen = likely
    pages = [module for module in chosen if is_page(module)]
    if len(pages) == len(chosen):
        chosen = chosen[:1]  # the other files are its pages
    return [entry_for(module, source, packages) for module in chosen]


def serving_folders(source: Source, modules: list[Module]) -> tuple[str, ...]:
    """The outermost folders in which something listens, where each is an app of its own."""
    found = {
        module.path.partition("/")[0]
        for module in modules
        if is_page(module) or _serves(module, source)
    }
    return tuple(sorted(found))


def find_script(source: Source, modules: list[Module]) -> Entry | None:
    """A file to run when nothing was seen that listens."""
    by_path = {module.path: module for module in modules}
    acting = [module for module in modules if module.acts and not module.broken]
    top = [path for path in by_path if "/" not in path]
    choices = [
        *(path for path in USUAL_SCRIPTS if path in by_path),
        *(m.path for m in acting if m.path.endswith("/__main__.py")),
        *(m.path for m in acting if _stem(m) in ENTRY_NAMES),
        *(top if len(top) == 1 else ()),
        *([acting[0].path] if len(acting) == 1 else ()),
    ]
    if not choices:
        return None
    module = by_path[choices[0]]
    return Entry(
        module.path,
        run_file(module, source),
        f"{module.path}, the only file that looks like one to start",
        worker=True,
    )


def _serves(module: Module, source: Source) -> bool:
    if module.apps:
        return True
    if _stem(module) in ("wsgi", "asgi", "run", "main", "app", "server", "application"):
        for name in ("app", "application"):
            if _is_own(module.bound.get(name, ""), source):
                module.apps.append(App(name, "made", 1))
                return True
    return module.listens and (module.acts or "main" in module.functions)


def _is_own(imported: str, source: Source) -> bool:
    path = imported.rpartition(".")[0].replace(".", "/")
    return bool(path) and (source.has(f"{path}.py") or source.has(f"{path}/__init__.py"))


def _stem(module: Module) -> str:
    return module.path.rpartition("/")[2].removesuffix(".py")


def _rank(module: Module) -> tuple[int, int, str]:
    stem = _stem(module)
    order = ENTRY_NAMES.index(stem) if stem in ENTRY_NAMES else len(ENTRY_NAMES)
    depth = module.path.removeprefix("src/").count("/")
    return depth, order, module.path


def _imports(one: Module, other: Module) -> bool:
    """Whether one of two neighbours imports the other."""
    if one is other:
        return False
    stem = _stem(other)
    dotted = other.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    names = {stem, dotted, dotted.removeprefix("src.")}
    return any(
        name in names or any(name.startswith(known + ".") for known in names)
        for name in one.imports
    )
