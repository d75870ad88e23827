"""The diagnosis knows what the last words of a program mean, and which line to change."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chalicelib.domain.plan import Plan
from infra.build.faults import Reason

_QUOTED_LINES = 6

#: Lines that only fill the screen: npm's usage text, frames of a runtime's own code.
_IDLE = re.compile(
    r"^npm (?:error|ERR!)\s*(?:$|\[|--|-w|Usage:|Options:|Run \"npm help|A complete log|aliases:|"
    r"(?:If|Limits|Sets|When|Set|Enable|Include|Comma|Dependency|Instead|Allows) )|"
    r"^\s+at (?:.*\(?node:|.*\(<anonymous>\)|.*/node_modules/)|^Node\.js v\d|"
    # What gunicorn says after the worker's own traceback.
    r"\[(?:INFO|ERROR)\] (?:Worker exiting|Worker \(pid:\s?\d+\) exited|Shutting down: Master|"
    r"Reason: Worker failed to boot)|^gunicorn\.errors\.HaltServer|<HaltServer |"
    r"^note: run with `RUST_BACKTRACE|"
    # Where node-gyp ran, not why it failed.
    r"gyp (?:ERR!|info|verb) (?:not ok|ok|cwd|System|command|node -v|node-(?:pre-)?gyp -v|"
    r"stack\s+at|build error|configure error|using|it worked|find|spawn|UNCAUGHT)"
)

#: Lines of compilers and native packages that stand far above the end and are the cause of it.
_CAUSE = re.compile(
    r"error TS\d+:|\bgyp: |gyp ERR! (?:stack Error: (?!.*exit code)|install \S|find Python$)|"
    r"pkg-config: (?:not found|command not found)|was not found in the pkg-config|fatal error: "
)
_QUOTED_CAUSES = 3

#: A line that names an exception; the last of them is the cause, whatever is printed after it.
_NAMED = re.compile(r"(?:^|[\s:(\[])(?:[A-Za-z_$][\w.$]*)?(?:Error|Exception)(?: \[\w+\])?: \S")
#: Frames and the rest of a printed object, which Node.js shows below the message.
_AFTERMATH = re.compile(
    r"^\s+at |^\s*[\[\]{}()]+[,;]?$|^\s+(?:\[?[\w$]+\]?|'[^']*'): .*(?:[,{\[]|\d|'|\w)$"
)

#: Modules whose package has another name.
_PYTHON_PACKAGES = {
    "PIL": "Pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.generativeai": "google-generativeai",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "pkg_resources": "setuptools<81",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "telegram": "python-telegram-bot",
    "yaml": "PyYAML",
}

_NAME = r"[`'\"]?\b([A-Z][A-Z0-9]*_[A-Z0-9_]{2,})\b[`'\"]?"
_LACKING = r"(?:not |un)?(?:set|required|missing|defined|provided|found|present|configured)"
_MISSING_VARIABLE = tuple(
    re.compile(pattern)
    for pattern in (
        # A KeyError right out of os.environ, as its traceback shows it.
        r"^KeyError: '([A-Z][A-Z0-9_]{2,})'",
        (
            r"(?i:environment variable|env var|variable)s?:? [`'\"]?([A-Z][A-Z0-9_]{2,})[`'\"]?"
            r"[^.\n]{0,40}\b(?i:not|required|missing|must be set|undefined|unset)"
        ),
        rf"(?i:missing|required|set|provide|define|need|no)\b[^A-Z\n]{{0,60}}?{_NAME}",
        (
            rf"{_NAME}\s*(?i:env(?:ironment)?\s*(?:variable|var))?\s*"
            rf"(?i:is|was|must be|needs to be|has to be|has not been|not|:)\s*(?i:{_LACKING})"
        ),
        r"(?i:couldn'?t find env(?:ironment)? var)[^:]*:?\s*([A-Z][A-Z0-9_]{2,})",
        r"(?i:environment variable not found): ([A-Z][A-Z0-9_]{2,})",
        # Slack's Bolt names the variable and what could stand for it.
        r"(?i:\benv(?:ironment)? variable) [`'\"]([A-Z][A-Z0-9_]{2,})[`'\"] or\b",
    )
)
_OWN_NAMES = frozenset({"PORT", "PATH", "HOME", "PYTHONPATH", "NODE_ENV", "NODE_OPTIONS"})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended: its exit code (negative: a signal) and what it said last."""

    code: int
    tail: tuple[str, ...]
    out_of_memory: bool = False
    disk_full: bool = False


def exited(ending: Ending, plan: Plan) -> tuple[Reason, ...]:
    """Why an agent ended before it ever answered."""
    text = "\n".join(ending.tail)
    found = [
        reason
        for reason in (
            _memory(ending, plan),
            _missing_python_module(text, plan),
            _missing_node_module(text),
            _refused(ending.tail),
            _out_of_place(ending.tail),
            _missing_variable(ending.tail, plan),
            _port_taken(text),
            _missing_command(ending, text),
            _missing_file(text),
        )
        if reason is not None
    ]
    if ending.code == 0:
        found.append(_job(plan, ending.tail))
    elif not found or found[0].code == "agent_file_missing":
        found.append(_crash(ending))
    return tuple(found[:3])


def never_answered(
    plan: Plan, given: int, seen: Sequence[int], seconds: float, tail: Sequence[str]
) -> tuple[Reason, ...]:
    """Why an agent that still runs never became reachable."""
    if seen:
        ports = ", ".join(map(str, sorted(seen)))
        path = plan.health_path or "/"
        return (
            Reason(
                "agent_no_answer",
                f"The agent opened port {ports}, but gave no HTTP answer to GET {path} within "
                f"{seconds:g} seconds. Answer HTTP there, on 0.0.0.0, or name another port "
                f"(`port`) or path (`health.path`) in agent.yaml.{quote(tail)}",
                "agent.yaml",
            ),
        )
    return (
        Reason(
            "agent_no_port",
            f"The agent ran for {seconds:g} seconds without opening a port. Make it listen on "
            f"0.0.0.0 and the port in the variable PORT (here {given}): {_listen_hint(plan)}. If "
            "it only needs longer, raise health.timeout_seconds in agent.yaml; a program that "
            f"serves nothing is a job, not a web service.{quote(tail)}",
        ),
    )


def unhealthy(plan: Plan, status: int, body: str, tail: Sequence[str]) -> Reason:
    """The health path answers, but not 200."""
    excerpt = " ".join(body.split())[:300]
    said = f" It said: {excerpt}" if excerpt else ""
    return Reason(
        "agent_unhealthy",
        f"The health check GET {plan.health_path} answered {status}, not 200.{said} Mend what it "
        f"checks, or name another path under health.path in agent.yaml.{quote(tail)}",
        "agent.yaml",
    )


def _memory(ending: Ending, plan: Plan) -> Reason | None:
    if not ending.out_of_memory:
        return None
    given = plan.resources.get("memory_mb")
    size = f" of {given} MB" if given else ""
    return Reason(
        "agent_out_of_memory",
        f"The agent used more memory than its limit{size} and was stopped. Use less, or raise "
        "resources.memory_mb in agent.yaml.",
        "agent.yaml",
    )


def _missing_python_module(text: str, plan: Plan) -> Reason | None:
    said = re.findall(r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)'?", text)
    said += re.findall(r"^\S*python\S*: No module named (\S+)$", text, re.MULTILINE)
    if not said:
        return None
    module = said[-1]
    package = _PYTHON_PACKAGES.get(module) or _PYTHON_PACKAGES.get(module.split(".")[0])
    package = package or module.split(".")[0].replace("_", "-")
    file, how = {
        "uv-lock": ("pyproject.toml", f"add it with `uv add {package}`"),
        "poetry": ("pyproject.toml", f"add it with `poetry add {package}`"),
        "pipenv": ("Pipfile", f"add it with `pipenv install {package}`"),
        "pyproject": ("pyproject.toml", f'add "{package}" to the dependencies'),
    }.get(plan.installer, ("requirements.txt", f"add the line {package}"))
    return Reason(
        "module_missing",
        f"The module {module} is not installed. In {file}, {how}. If {module} is your own, start "
        "the agent from the folder that contains it.",
        file,
    )


def _missing_node_module(text: str) -> Reason | None:
    found = re.search(
        r"(?:Cannot find (?:module|package) '([^']+)'|ERR_MODULE_NOT_FOUND[^\n]*'([^']+)')", text
    )
    if found is None:
        return None
    module = found.group(1) or found.group(2)
    if module.startswith((".", "/")):
        return Reason(
            "agent_file_missing",
            f"The file {module} does not exist in the built source. Is it the output of a build "
            "step? Then set build.command in agent.yaml; else correct start.command.",
            "package.json",
        )
    parts = module.split("/")
    package = "/".join(parts[:2]) if module.startswith("@") else parts[0]
    return Reason(
        "module_missing",
        f"The package {package} is not installed. Add it with `npm install {package}` and commit "
        "package.json and its lock file.",
        "package.json",
    )


def _missing_variable(tail: Sequence[str], plan: Plan) -> Reason | None:
    for line in reversed(tail):
        for pattern in _MISSING_VARIABLE:
            found = pattern.search(line)
            if (
                found
                and found.group(1) not in _OWN_NAMES
                and found.group(1).upper() == found.group(1)
            ):
                return _variable(found.group(1))
    if pydantic := _pydantic_settings(tail):
        return _variable(pydantic)
    wanted = (*plan.required_env, *plan.suggested_env)
    text = "\n".join(tail).lower()
    if wanted and re.search(r"api[_ -]?key|credential|token|secret|environment|env var", text):
        names = ", ".join(dict.fromkeys(wanted))
        return Reason(
            "variable_missing",
            f"The agent seems to miss a variable. The source names these: {names}. Set them under "
            "the agent's variables, or give stand-ins for the build.",
        )
    return None


def _variable(name: str) -> Reason:
    return Reason(
        "variable_missing",
        f"The agent needs the variable {name}, which is not set. Set it under the agent's "
        "variables (as a secret when it is one), and list it under env in agent.yaml.",
        "agent.yaml",
    )


def _pydantic_settings(tail: Sequence[str]) -> str | None:
    if not any("validation error" in line and "Settings" in line for line in tail):
        return None
    for line, following in pairwise(tail):
        if "Field required" in following and re.fullmatch(r"[A-Za-z_]\w+", line.strip()):
            return line.strip().upper()
    return None


def _refused(tail: Sequence[str]) -> Reason | None:
    """Another service was called that is not there; only the cause counts, not a retry before."""
    said = _cause(tail)
    if not re.search(r"ECONNREFUSED|[Cc]onnection refused|\bENOTFOUND|\bEAI_AGAIN", said):
        return None
    found = re.search(
        r"(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|[Cc]onnecting to) \(?([\w.:-]*\w)"
        r"|server at \"([^\"]+)\"(?: \([^)]*\))?, port (\d+)"
        r"|\b([\w.-]+:\d{2,5})\b",
        said,
    )
    place = "an address it does not name"
    if found:
        where, host, port, other = found.groups()
        place = where or other or f"{host}:{port}"
    return Reason(
        "service_unreachable",
        f"The agent needs a database or service at {place}, which does not answer here. Nothing "
        "else runs beside an agent; give the address of yours in a variable, and let the agent "
        f"start without it for the build. It said: {said[:300]}",
    )


def _out_of_place(tail: Sequence[str]) -> Reason | None:
    """A file was wanted where an agent has none, or may not write."""
    said = _cause(tail)
    found = re.search(
        r"(EACCES|EPERM|EROFS|ENOENT|\[Errno (?:1|2|13|30)\])[^'\"]*['\"](/[^'\"]*)['\"]", said
    )
    if found is None or re.match(r"/(?:app|tmp)(?:/|$)", found.group(2)):
        return None
    missing = found.group(1) in {"ENOENT", "[Errno 2]"}
    what = "is not there" if missing else "may not be written to"
    return Reason(
        "path_not_available",
        f"The agent wants {found.group(2)}, which {what}. Its files lie in /app; it may write "
        "there, in the folder that HOME names and in /tmp. Use a path below one of these, or take "
        f"it from a variable. It said: {said[:300]}",
    )


def _port_taken(text: str) -> Reason | None:
    if not re.search(r"EADDRINUSE|address already in use", text, re.IGNORECASE):
        return None
    return Reason(
        "port_taken",
        "The agent tried to open a port that is already open; it probably starts its server twice. "
        "Start one server, on the port in the variable PORT.",
    )


def _missing_command(ending: Ending, text: str) -> Reason | None:
    found = re.search(
        r"(?:sh: \d+: |sh: |exec: )([\w./@-]+): (?:not found|command not found|No such file)", text
    )
    if found is None and ending.code not in {126, 127}:
        return None
    name = found.group(1) if found else "the start command"
    return Reason(
        "command_missing",
        f"{name} could not be started: it is not installed, or the path is wrong. Add the package "
        "that brings it to your dependencies, or correct start.command in agent.yaml.",
        "agent.yaml",
    )


def _missing_file(text: str) -> Reason | None:
    found = re.search(r"can't open file '([^']+)'|Cannot find module '(/[^']+)'", text)
    if found is None:
        return None
    name = (found.group(1) or found.group(2)).removeprefix("/app/")
    return Reason(
        "agent_file_missing",
        f"The start command names {name}, which is not in the source. Correct start.command in "
        "agent.yaml.",
        "agent.yaml",
    )


def _job(plan: Plan, tail: Sequence[str]) -> Reason:
    if plan.protocol == "mcp":
        return Reason(
            "agent_is_a_job",
            "The agent ended by itself with exit code 0 and never opened a port: it speaks MCP "
            "over stdio, which has no URL. Serve it over streamable HTTP instead, on 0.0.0.0 and "
            "the port in the variable PORT; the source's findings name the line to change."
            f"{quote(tail)}",
            "agent.yaml",
        )
    return Reason(
        "agent_is_a_job",
        "The agent ended by itself with exit code 0 and never opened a port: that is a job, not a "
        f"server. Make it serve HTTP on the port in the variable PORT ({_listen_hint(plan)}), or "
        f"name the command that does under start.command in agent.yaml.{quote(tail)}",
        "agent.yaml",
    )


def _crash(ending: Ending) -> Reason:
    last = _cause(ending.tail)
    place = _place(ending.tail)
    what = f" Its last words: {last[:300]}" if last else " It said nothing."
    # One line is told already.
    more = quote(ending.tail) if len(_telling(ending.tail)) > 1 else ""
    return Reason(
        "agent_crashed",
        f"The agent {how(ending.code)} before it answered.{what}{more}",
        place[0] if place else None,
        place[1] if place else None,
    )


def _cause(tail: Sequence[str]) -> str:
    """The line that names what went wrong: runtimes and servers say more after it."""
    lines = _telling(tail)
    telling = [line for line in lines if not _AFTERMATH.search(line)]
    named = [line for line in lines if _NAMED.search(line) and not line.lstrip().startswith("at ")]
    return next(reversed(named or telling or lines), "").strip()


def _place(tail: Sequence[str]) -> tuple[str, int] | None:
    """The innermost line of the agent's own code in a traceback."""
    for line in reversed(tail):
        found = re.search(
            r'File "/app/([^"]+)", line (\d+)|\(?/app/([^():]+):(\d+)(?::\d+)?\)?', line
        )
        if found and not re.search(r"\.venv/|node_modules/|site-packages/", line):
            return (found.group(1) or found.group(3), int(found.group(2) or found.group(4)))
    return None


def how(code: int) -> str:
    """An exit code in words."""
    # A shell reports the signal that ended its program as 128 and the signal's number.
    number = -code if code < 0 else code - 128
    try:
        return f"was ended by {signal.Signals(number).name} (exit code {code})"
    except ValueError:
        return f"ended with exit code {code}"


def _listen_hint(plan: Plan) -> str:
    return {
        "python": 'uvicorn … --host 0.0.0.0 --port $PORT, or app.run(host="0.0.0.0", '
        'port=int(os.environ["PORT"]))',
        "nodejs": 'app.listen(process.env.PORT, "0.0.0.0")',
        "rust": 'TcpListener::bind(("0.0.0.0", port)) with port from std::env::var("PORT")',
    }.get(plan.runtime, "read PORT from the environment")


def _telling(tail: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in tail if line.strip() and not _IDLE.search(line)]


def quote(tail: Sequence[str]) -> str:
    """The last telling lines, to stand below a sentence."""
    lines = _telling(tail)
    if not lines:
        return ""
    earlier = [line for line in lines[:-_QUOTED_LINES] if _CAUSE.search(line)]
    causes = [line[:300] for line in dict.fromkeys(earlier)][:_QUOTED_CAUSES]
    said = "\nWhat it said first:\n" + "\n".join(causes) if causes else ""
    shown = [line[:300] for line in lines[-_QUOTED_LINES:]]
    return f"{said}\nLast lines of its output:\n" + "\n".join(shown)
