"""What one Python module is: an app object, a factory, something that listens, or a library.

The code is parsed, never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.values import frozen

#: What a constructor makes, by the last parts of its imported name.
_MAKERS = {
    "fastapi.FastAPI": "asgi",
    "starlette.applications.Starlette": "asgi",
    "litestar.Litestar": "asgi",
    "starlite.Starlite": "asgi",
    "quart.Quart": "asgi",
    "falcon.asgi.App": "asgi",
    "blacksheep.Application": "asgi",
    "responder.API": "asgi",
    "socketio.ASGIApp": "asgi",
    "fastmcp.FastMCP": "fastmcp",
    "mcp.server.fastmcp.FastMCP": "mcp",
    "mcp.server.FastMCP": "mcp",
    "mcp.server.mcpserver.MCPServer": "mcp2",
    "mcp.server.MCPServer": "mcp2",
    "flask.Flask": "wsgi",
    "flask_openapi3.OpenAPI": "wsgi",
    "apiflask.APIFlask": "wsgi",
    "connexion.FlaskApp": "wsgi",
    "falcon.App": "wsgi",
    "bottle.Bottle": "runner",
    "dash.Dash": "dash",
    "sanic.Sanic": "sanic",
    "robyn.Robyn": "runner",
    "aiohttp.web.Application": "runner",
    "tornado.web.Application": "runner",
    "gradio.Interface": "gradio",
    "gradio.Blocks": "gradio",
    "gradio.ChatInterface": "gradio",
    "gradio.TabbedInterface": "gradio",
    "fasthtml.common.FastHTML": "asgi",
    "a2a.server.apps.A2AStarletteApplication": "runner",
    "a2a.server.apps.A2AFastAPIApplication": "runner",
    "django.core.wsgi.get_wsgi_application": "wsgi",
    "django.core.asgi.get_asgi_application": "asgi",
    "google.adk.cli.fast_api.get_fast_api_app": "asgi",
}
#: Methods that make an ASGI app of something else.
_APP_METHODS = {
    "http_app": "asgi",
    "streamable_http_app": "asgi",
    "sse_app": "asgi",
    "get_asgi_app": "asgi",
    "get_app": "asgi",
}
_FACTORY_NAMES = frozenset(
    {"create_app", "make_app", "build_app", "get_app", "create_application", "app_factory"}
    | {"get_application", "init_app", "create_server"}
)
_APP_NAMES = frozenset({"app", "application", "api", "server", "demo", "asgi", "wsgi", "asgi_app"})
#: Calls that start to listen. The name alone is the sign; what stands before it may be anything.
_RUNNERS = frozenset(
    {"run", "launch", "serve", "serve_forever", "run_app", "run_simple", "listen", "run_server"}
    | {"start_server", "run_forever", "start", "run_stdio_async", "run_async", "create_server"}
    | {"run_streamable_http_async", "run_sse_async", "run_http_async"}
)
_SERVER_IMPORTS = frozenset(
    {"http.server", "socketserver", "wsgiref", "aiohttp.web", "tornado", "websockets", "grpc"}
    | {"uvicorn", "hypercorn", "waitress", "gevent.pywsgi", "cheroot", "twisted", "bottle", "flask"}
    | {"fastapi", "starlette", "sanic", "gradio", "dash", "nicegui", "fasthtml", "robyn", "quart"}
    | {"litestar", "cherrypy", "werkzeug", "panel", "a2a", "mcp", "fastmcp", "socket", "xmlrpc"}
    | {"agno", "python_a2a", "uagents", "mesop", "falcon", "blacksheep", "hug", "viewflow"}
)
_DEFAULT_PORTS = {
    "aiohttp.web.run_app": 8080,
    "uvicorn.run": 8000,
    "bottle.run": 8080,
    "nicegui.ui.run": 8080,
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Which argument of a call is the host, where it may stand without its name.
_HOST_ARGUMENT = {
    "make_server": 0,
    "run_simple": 0,
    "start_server": 1,
    "create_server": 1,
}
_READS_PORT = re.compile(r"['\"][A-Z_]*PORT['\"]|\bPORT\b\s*[:=].*(env|config)")
_HARMLESS_CALLS = re.compile(
    r"(^|\.)(print|basicConfig|load_dotenv|getenv|get|int|str|float|bool|info|debug|warning|"
    r"getLogger|ArgumentParser|add_argument|parse_args|setLevel|freeze_support|format|lower)$"
)


@frozen
class App:
    """An object a server can be pointed at."""

    name: str
    kind: str
    line: int
    factory: bool = False


@dataclass
class Module:
    """What was seen in one file."""

    path: str
    apps: list[App] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    bound: dict[str, str] = field(default_factory=dict)
    relative: bool = False
    run_line: int | None = None
    run_target: str | None = None
    port: int | None = None
    port_line: int | None = None
    loopback_line: int | None = None
    #: Where MCP is spoken over stdin and stdout by the SDK's low-level server.
    stdio_line: int | None = None
    #: Names that stand for this machine alone.
    local_names: set[str] = field(default_factory=set)
    reads_port: bool = False
    main: bool = False
    prepares: bool = False
    options: set[str] = field(default_factory=set)
    transport: str | None = None
    functions: set[str] = field(default_factory=set)
    #: Running the file does something beyond defining things.
    acts: bool = False
    broken: bool = False

    @property
    def listens(self) -> bool:
        """Whether running the file starts something that listens, as far as can be seen."""
        return self.run_line is not None and any(
            name == known or name.startswith(known + ".")
            for name in self.imports
            for known in _SERVER_IMPORTS
        )

    @property
    def top_imports(self) -> set[str]:
        """The first parts of all imported names."""
        return {name.partition(".")[0] for name in self.imports}


def read_module(path: str, text: str) -> Module:
    """Parse one file; what is no Python (or an older one) is read by its plain words."""
    module = Module(path)
    try:
        _read_tree(module, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        module = Module(path, broken=True)
        _read_words(module, text)
    module.reads_port = bool(_READS_PORT.search(text))
    return module


def _read_tree(module: Module, tree: ast.Module) -> None:
    _imports(module, tree)
    for statement in _top_level(tree.body):
        _assignment(module, statement)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_loopback(module, node.value):
            module.local_names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _call(module, node)
    for statement in tree.body:
        _factory(module, statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            module.functions.add(statement.name)
        if isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test):
            module.main = True
            module.prepares = any(_prepares(part) for part in statement.body)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    module.acts = module.main or any(
        isinstance(node, ast.Call)
        and id(node) not in inside
        and _spelled(node.func).rpartition(".")[2] in _RUNNERS
        for node in ast.walk(tree)
    )


def _imports(module: Module, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.imports.add(alias.name)
                module.bound[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                module.relative = True
                continue
            module.imports.add(node.module or "")
            for alias in node.names:
                module.imports.add(f"{node.module}.{alias.name}")
                module.bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, also those inside of if, try and with."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test):
            continue
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(statement, name, None)
            if inner and isinstance(statement, ast.If | ast.Try | ast.With):
                yield from _top_level(inner)


def _assignment(module: Module, statement: ast.stmt) -> None:
    names: list[str] = []
    value: ast.expr | None = None
    if isinstance(statement, ast.Assign):
        value = statement.value
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            names = [target.id]
        elif isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name):
            names = [target.elts[0].id]  # app, rt = fast_app()
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        names, value = [statement.target.id], statement.value
    elif isinstance(statement, ast.With):
        for item in statement.items:  # with gr.Blocks() as demo
            if isinstance(item.optional_vars, ast.Name):
                names, value = [item.optional_vars.id], item.context_expr
    if names and value is not None:
        kind = _made(module, value)
        if kind is not None:
            module.apps.append(App(names[0], kind, statement.lineno))


def _made(module: Module, value: ast.expr) -> str | None:
    """What an expression makes, when it makes an app."""
    if isinstance(value, ast.Attribute) and value.attr == "server":
        inner = value.value
        known = next((app.kind for app in module.apps if _spelled(inner) == app.name), None)
        return "wsgi" if known == "dash" else None  # server = app.server, of Dash
    if not isinstance(value, ast.Call):
        return None
    spelled = _spelled(value.func)
    full = _resolved(module, spelled)
    for maker, kind in _MAKERS.items():
        if full == maker or (
            full.rpartition(".")[2] == maker.rpartition(".")[2]
            and full.partition(".")[0] == maker.partition(".")[0]
        ):
            return kind
    last = full.rpartition(".")[2]
    if last == "fast_app" and "fasthtml" in module.top_imports:
        return "asgi"
    if last in _FACTORY_NAMES and "." not in spelled:
        return "made"
    if last in _APP_METHODS and "." in spelled:
        return _APP_METHODS[last]
    return None


def _factory(module: Module, statement: ast.stmt) -> None:
    if not isinstance(statement, ast.FunctionDef) or statement.name not in _FACTORY_NAMES:
        return
    arguments = statement.args
    needed = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    if needed > 0 or None in arguments.kw_defaults:
        return
    for node in ast.walk(statement):
        kind = _made(module, node) if isinstance(node, ast.Call) else None
        if kind in ("asgi", "wsgi", "sanic"):
            module.apps.append(App(statement.name, kind, statement.lineno, factory=True))
            return


def _call(module: Module, node: ast.Call) -> None:
    spelled = _spelled(node.func)
    last = spelled.rpartition(".")[2]
    _option(module, node, last)
    _reach(module, node, last)
    if last not in _RUNNERS or spelled == "asyncio.run":
        return
    if last in ("run", "start", "get") and _resolved(module, spelled).startswith("subprocess"):
        return
    module.run_line = module.run_line or node.lineno
    values = {word.arg: word.value for word in node.keywords if word.arg}
    first = node.args[0] if node.args else values.get("app")
    if _resolved(module, spelled) == "uvicorn.run" and isinstance(first, ast.Constant):
        module.run_target = first.value if isinstance(first.value, str) else None
    port = values.get("port") or values.get("server_port")
    if isinstance(port, ast.Constant) and isinstance(port.value, int):
        module.port, module.port_line = port.value, node.lineno
    elif port is None and not node.args[1:]:
        default = _default_port(module, spelled)
        if default is not None:
            module.port, module.port_line = default, node.lineno
    host = values.get("host") or values.get("server_name")
    silent = host is None and not node.args[1:]
    if _is_loopback(module, host) or (silent and _local_by_default(module, spelled)):
        module.loopback_line = node.lineno
    transport = values.get("transport")
    if isinstance(transport, ast.Constant) and isinstance(transport.value, str):
        module.transport = transport.value


def _default_port(module: Module, spelled: str) -> int | None:
    """The port a runner takes when it is given none."""
    full = _resolved(module, spelled)
    for name, port in _DEFAULT_PORTS.items():
        if full == name:
            return port
    head, _, last = spelled.rpartition(".")
    flask = any(app.name == head and app.kind == "wsgi" for app in module.apps)
    return 5000 if last == "run" and flask else None


def _local_by_default(module: Module, spelled: str) -> bool:
    """Whether this runner listens on 127.0.0.1 unless it is told otherwise."""
    head, _, last = spelled.rpartition(".")
    flask = any(app.name == head and app.kind == "wsgi" for app in module.apps)
    return _resolved(module, spelled) == "uvicorn.run" or (last == "run" and flask)


def _reach(module: Module, node: ast.Call, last: str) -> None:
    """Note what keeps the outside from reaching it: a pipe, or an address of this machine."""
    if last == "stdio_server":
        module.stdio_line = node.lineno
    if _binds_loopback(module, node, last):
        module.loopback_line = node.lineno


def _binds_loopback(module: Module, node: ast.Call, last: str) -> bool:
    """Whether a socket or server of the standard library is bound where only this machine is."""
    first = node.args[0] if node.args else None
    if first is not None and (last == "bind" or last.endswith("Server")):
        address = isinstance(first, ast.Tuple | ast.Name)
        return address and _is_loopback(module, first)
    place = _HOST_ARGUMENT.get(last)
    return place is not None and any(
        _is_loopback(module, host) for host in node.args[place : place + 1]
    )


def _is_loopback(module: Module, value: ast.expr | None) -> bool:
    if isinstance(value, ast.Name):
        return value.id in module.local_names
    if isinstance(value, ast.Tuple):  # an address; port 0 is no place to be reached at
        port = value.elts[1] if len(value.elts) == 2 else None
        real = port is not None and not (isinstance(port, ast.Constant) and port.value == 0)
        return real and _is_loopback(module, value.elts[0])
    if isinstance(value, ast.Call) and _spelled(value.func).endswith(("getenv", "environ.get")):
        return len(value.args) > 1 and _is_loopback(module, value.args[1])
    return isinstance(value, ast.Constant) and value.value in _LOOPBACK


def _option(module: Module, node: ast.Call, last: str) -> None:
    """--host and --port, as click, typer and argparse declare them."""
    if last in ("option", "add_argument", "Option"):
        module.options |= {
            argument.value
            for argument in node.args
            if isinstance(argument, ast.Constant) and argument.value in ("--host", "--port")
        }


def _prepares(statement: ast.stmt) -> bool:
    """Whether a line of the main block does more than to start the server."""
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
        return False
    return any(
        isinstance(node, ast.Call)
        and not _HARMLESS_CALLS.search(_spelled(node.func))
        and _spelled(node.func).rpartition(".")[2] not in _RUNNERS
        for node in ast.walk(statement)
    )


def _spelled(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_spelled(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{_spelled(node.func)}()"
    return "?"


def _resolved(module: Module, spelled: str) -> str:
    head, dot, rest = spelled.partition(".")
    return module.bound.get(head, head) + dot + rest


def _read_words(module: Module, text: str) -> None:
    """The little that can be said of code that does not parse."""
    for match in re.finditer(r"^[ \t]*(?:from|import)[ \t]+([\w.]+)", text, re.MULTILINE):
        module.imports.add(match.group(1))
    found = re.search(r"^(\w+)\s*=\s*(Flask|FastAPI|Starlette)\(", text, re.MULTILINE)
    if found:
        kind = "wsgi" if found.group(2) == "Flask" else "asgi"
        line = text.count("\n", 0, found.start()) + 1
        module.apps.append(App(found.group(1), kind, line))
    run = re.search(r"\.(run|serve_forever|launch)\(", text)
    module.run_line = text.count("\n", 0, run.start()) + 1 if run else None
    module.main = "__main__" in text
    module.acts = module.main or run is not None
