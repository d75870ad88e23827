"""The command that starts a Python file, by what is in it: the framework's own comes first."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import field

from chalicelib.domain.inference.evidence import Source
from chalicelib.domain.inference.python_code import App, Module
from chalicelib.domain.inference.python_packages import Packages
from chalicelib.values import frozen

_APP_ORDER = ("app", "application", "api", "server", "asgi_app", "demo", "mcp")
#: The transports FastMCP's own program offers, by what the source names.
_FASTMCP = {
    None: "http",
    "stdio": "http",
    "http": "http",
    "streamable-http": "http",
    "sse": "sse",
}


@frozen
class Entry:
    """One way to start a source."""

    file: str
    command: str
    why: str
    extra: tuple[str, ...] = ()
    port: int | None = None
    worker: bool = False
    protocol: str = "http"
    notes: tuple[tuple[str, str, int | None], ...] = field(default=())


def entry_for(module: Module, source: Source, packages: Packages) -> Entry:
    """How this file is started."""
    if is_page(module):
        return _page(module, packages)
    if module.run_target and ":" in module.run_target and not module.prepares:
        app = App(module.run_target.partition(":")[2], "asgi", module.run_line or 1)
        command, extra = _asgi(module.run_target, app, packages)
        where = f"{module.path} line {module.run_line}"
        return Entry(module.path, _prefix(module, source) + command, where, extra)
    app_found = _best_app(module, packages)
    runs_itself = module.prepares and module.main and module.run_line is not None
    if app_found is None or runs_itself or "flask-socketio" in packages.names:
        return _listener(module, source, app_found)
    return _COMMANDS[app_found.kind](module, app_found, source, packages)


def is_page(module: Module) -> bool:
    """Whether the file is run by a UI framework's own program."""
    return "streamlit" in module.top_imports or "chainlit" in module.top_imports


def _best_app(module: Module, packages: Packages) -> App | None:
    apps = []
    for app in module.apps:
        kind = _made_kind(packages) if app.kind == "made" else app.kind
        if kind is not None:
            apps.append(App(app.name, kind, app.line, app.factory))
    weak = ("mcp", "mcp2", "fastmcp", "runner", "gradio")
    apps.sort(
        key=lambda app: (
            app.kind in weak,
            app.factory,
            _APP_ORDER.index(app.name) if app.name in _APP_ORDER else len(_APP_ORDER),
        )
    )
    if any(app.kind == "dash" for app in apps) and any(app.kind == "wsgi" for app in apps):
        return next(app for app in apps if app.kind == "wsgi")
    return apps[0] if apps else None


def _made_kind(packages: Packages) -> str | None:
    """The kind of what a factory of the app's own makes, by what it depends on."""
    for name, kind in (
        ("fastapi", "asgi"),
        ("quart", "asgi"),
        ("sanic", "sanic"),
        ("litestar", "asgi"),
        ("flask", "wsgi"),
        ("starlette", "asgi"),
        ("falcon", "wsgi"),
        ("django", "wsgi"),
    ):
        if name in packages.names:
            return kind
    return None


def _asgi(target: str, app: App, packages: Packages) -> tuple[str, tuple[str, ...]]:
    factory = " --factory" if app.factory else ""
    if packages.has("hypercorn") and not packages.has("uvicorn"):
        shown = f"'{target}()'" if app.factory else target
        return f"hypercorn {shown} --bind 0.0.0.0:$PORT", ()
    extra = () if packages.has("uvicorn", "gradio", "fastmcp", "mcp") else ("uvicorn",)
    return f"uvicorn {target}{factory} --host 0.0.0.0 --port $PORT", extra


def wsgi_command(target: str, packages: Packages) -> tuple[str, tuple[str, ...]]:
    """A server for a WSGI app: the one it brings, else gunicorn is added."""
    if packages.has("waitress") and not packages.has("gunicorn"):
        call = " --call" if target.endswith("()") else ""
        return f"waitress-serve --listen=0.0.0.0:$PORT{call} {target.removesuffix('()')}", ()
    shown = f"'{target}'" if target.endswith("()") else target
    extra = () if packages.has("gunicorn") else ("gunicorn",)
    return f"gunicorn --bind 0.0.0.0:$PORT --threads 8 {shown}", extra


def _asgi_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    command, extra = _asgi(f"{_dotted(module, source)}:{app.name}", app, packages)
    return _at(module, app, _prefix(module, source) + command, extra)


def _wsgi_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    target = f"{_dotted(module, source)}:{app.name}" + ("()" if app.factory else "")
    command, extra = wsgi_command(target, packages)
    return _at(module, app, _prefix(module, source) + command, extra)


def _sanic_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    del packages
    factory = " --factory" if app.factory else ""
    command = (
        f"sanic {_dotted(module, source)}:{app.name}{factory} --host 0.0.0.0 --port $PORT "
        "--single-process"
    )
    return _at(module, app, _prefix(module, source) + command)


def _dash_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    del packages
    return _at(module, app, f"HOST=0.0.0.0 {run_file(module, source)}", port=_fixed_port(module))


def _gradio_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    del packages
    env = "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT "
    if module.run_line is None:
        return _at(module, app, f"{env}gradio {module.path}")
    return _at(module, app, env + run_file(module, source), port=_fixed_port(module))


def _mcp_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    """An MCP server; one that would speak over stdio is given a transport that has a URL."""
    # The first generation's names are gone from the second, which an unpinned `mcp` installs.
    extra = ("mcp<2",) if app.kind == "mcp" and "mcp" not in packages.pins else ()
    if module.prepares or (app.kind == "fastmcp" and module.transport not in _FASTMCP):
        env = "FASTMCP_HOST=0.0.0.0 FASTMCP_PORT=$PORT "
        fixed = _fixed_port(module) if module.port else 8000
        command = env + run_file(module, source)
        return _at(module, app, command, extra, port=fixed, protocol="mcp")
    if app.kind == "fastmcp":
        file, transport = shlex.quote(module.path), _FASTMCP[module.transport]
        command = (
            f"fastmcp run {file}:{app.name} --transport {transport} --host 0.0.0.0 --port $PORT"
        )
        extra = () if packages.has("fastmcp") else ("fastmcp",)
    else:
        command = _mcp_over_http(module, app, source)
    if module.transport not in (None, "stdio"):
        return _at(module, app, command, extra, protocol="mcp")
    note = (
        "stdio_server",
        (
            f"{module.path} speaks MCP over stdio by itself, which has no URL; it is started with "
            "the streamable HTTP transport instead, under /mcp."
        ),
        module.run_line or app.line,
    )
    return Entry(
        module.path,
        command,
        f"{module.path} line {app.line}",
        extra,
        protocol="mcp",
        notes=(note,),
    )


def _mcp_over_http(module: Module, app: App, source: Source) -> str:
    """The SDK's own runner binds 127.0.0.1 and refuses foreign Host headers; its app does not."""
    if app.kind == "mcp2":
        before, arguments = "", 'host="0.0.0.0"'
    else:
        before, arguments = f"{app.name}.settings.transport_security = None; ", ""
    method = "sse_app" if module.transport == "sse" else "streamable_http_app"
    code = (
        f"import sys, uvicorn; from {_dotted(module, source)} import {app.name}; {before}"
        f"uvicorn.run({app.name}.{method}({arguments}), "
        'host="0.0.0.0", port=int(sys.argv[1]))'
    )
    return f"{_prefix(module, source)}python -c '{code}' $PORT"


def _runner_entry(module: Module, app: App, source: Source, packages: Packages) -> Entry:
    del packages
    return _listener(module, source, app)


_COMMANDS: dict[str, Callable[[Module, App, Source, Packages], Entry]] = {
    "asgi": _asgi_entry,
    "wsgi": _wsgi_entry,
    "sanic": _sanic_entry,
    "dash": _dash_entry,
    "gradio": _gradio_entry,
    "mcp": _mcp_entry,
    "mcp2": _mcp_entry,
    "fastmcp": _mcp_entry,
    "runner": _runner_entry,
}


def _page(module: Module, packages: Packages) -> Entry:
    file = shlex.quote(module.path)
    if "chainlit" in module.top_imports:
        command, need = f"chainlit run {file} --headless --host 0.0.0.0 --port $PORT", "chainlit"
    else:
        command = (
            f"streamlit run {file} --server.port $PORT --server.address 0.0.0.0 "
            "--server.headless true --browser.gatherUsageStats false"
        )
        need = "streamlit"
    extra = () if packages.has(need) or packages.installer == "none" else (need,)
    return Entry(module.path, command, f"{module.path} imports {need}", extra)


def _listener(module: Module, source: Source, app: App | None) -> Entry:
    """The file runs its own server; tell it where to listen as far as it can be told."""
    line = module.run_line or (app.line if app else None)
    port = _fixed_port(module)
    protocol = "a2a" if "a2a" in module.top_imports else "http"
    protocol = "mcp" if module.top_imports & {"mcp", "fastmcp"} else protocol
    return Entry(
        module.path,
        run_file(module, source),
        f"{module.path} line {line}" if line else module.path,
        port=port,
        protocol=protocol,
        notes=listening_notes(module),
    )


def listening_notes(module: Module) -> tuple[tuple[str, str, int | None], ...]:
    """What keeps a file that runs its own server from being reached."""
    if module.loopback_line is None:
        return ()
    detail = (
        f"{module.path} line {module.loopback_line} listens on 127.0.0.1 only, which nothing "
        'outside its machine or container can reach; write "0.0.0.0" there and take the port '
        "from the variable PORT."
    )
    return (("listens_on_loopback", detail, module.loopback_line),)


def _at(
    module: Module,
    app: App,
    command: str,
    extra: tuple[str, ...] = (),
    *,
    port: int | None = None,
    protocol: str = "http",
) -> Entry:
    return Entry(
        module.path, command, f"{module.path} line {app.line}", extra, port, protocol=protocol
    )


def _fixed_port(module: Module) -> int | None:
    return None if module.reads_port or "--port" in module.options else module.port


def _base(module: Module, source: Source) -> str:
    """The folder a module is imported from: the top, src, or the one it lies in."""
    folder = module.path.rpartition("/")[0]
    if not folder:
        return ""
    if not all(part.isidentifier() for part in folder.split("/")):
        return folder
    if folder.split("/")[0] == "src" and not source.has("src/__init__.py"):
        uses_src = any(name == "src" or name.startswith("src.") for name in module.imports)
        if not uses_src:
            return "src"
    # Absolute imports say which folder the author runs it from: the one most of them are found in.
    parts = folder.split("/")
    places = ["", *("/".join(parts[:length]) for length in range(1, len(parts) + 1))]
    if module.relative:
        places.remove(folder)
    found = {place: _resolved_in(module, place, source) for place in places}
    return max(places, key=lambda place: (found[place], -places.index(place)))


def _resolved_in(module: Module, place: str, source: Source) -> int:
    prefix = f"{place}/" if place else ""
    return sum(
        1
        for name in module.top_imports
        if source.has(f"{prefix}{name}.py") or source.has_folder(f"{prefix}{name}")
    )


def _dotted(module: Module, source: Source) -> str:
    base = _base(module, source)
    path = module.path[len(base) + 1 :] if base else module.path
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _prefix(module: Module, source: Source) -> str:
    base = _base(module, source)
    if base == "src":
        return "PYTHONPATH=src "
    return f"cd {shlex.quote(base)} && " if base else ""


def run_file(module: Module, source: Source) -> str:
    """The command that runs the file itself."""
    options = "".join(
        f" {option} {value}"
        for option, value in (("--host", "0.0.0.0"), ("--port", "$PORT"))  # noqa: S104
        if option in module.options
    )
    prefix, dotted = _prefix(module, source), _dotted(module, source)
    if not module.acts and "main" in module.functions:
        return f"{prefix}python -c 'from {dotted} import main; main()'{options}"
    base = _base(module, source)
    if "." in dotted or module.path.endswith("/__init__.py"):
        return f"{prefix}python -m {dotted.removesuffix('.__main__')}{options}"
    file = module.path[len(base) + 1 :] if base and base != "src" else module.path
    return f"{prefix}python {shlex.quote(file)}{options}"
