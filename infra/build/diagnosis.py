"""The diagnosis knows what the last words of a program mean, and which line to change."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.domain.plan import Plan
from infra.build.faults import Reason

_QUOTED_LINES = 6

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

_MISSING_VARIABLE = (
    # A KeyError right out of os.environ, as its traceback shows it.
    re.compile(r"^KeyError: '([A-Z][A-Z0-9_]{2,})'"),
    re.compile(
        r"(?:environment variable|env(?:ironment)? var|variable)s?:? [`'\"]?([A-Z][A-Z0-9_]{2,})[`'\"]?"
        r"(?: \w+)? (?:is|are|was|must|has)?\s*(?:not|required|missing|be set|undefined|unset)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:missing|required|set|provide|define|need|no)\b[^A-Z\n]{0,60}?[`'\"]?\b([A-Z][A-Z0-9]*_[A-Z0-9_]{2,})\b"
    ),
    re.compile(
        r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]{2,})\b[`'\"]?\s*(?:env(?:ironment)?\s*(?:variable|var))?\s*"
        r"(?:is|was|must be|needs to be|has to be|has not been|not|:)\s*"
        r"(?:not |un)?(?:set|required|missing|defined|provided|found|present|configured)"
    ),
    re.compile(r"couldn'?t find env(?:ironment)? var[^:]*:?\s*([A-Z][A-Z0-9_]{2,})", re.IGNORECASE),
    re.compile(r"environment variable not found: ([A-Z][A-Z0-9_]{2,})"),
)
_OWN_NAMES = frozenset({"PORT", "PATH", "HOME", "PYTHONPATH", "NODE_ENV", "NODE_OPTIONS"})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended: its exit code (negative: a signal) and what it said last."""

    code: int
    tail: tuple[str, ...]
    out_of_memory: bool = False


def exited(ending: Ending, plan: Plan, source: Path) -> tuple[Reason, ...]:
    """Why an agent ended before it ever answered."""
    text = "\n".join(ending.tail)
    found = [
        reason
        for reason in (
            _memory(ending, plan),
            _missing_python_module(text, plan),
            _missing_node_module(text),
            _missing_variable(ending.tail, plan, source),
            _port_taken(text),
            _missing_command(ending, text),
            _missing_file(text),
        )
        if reason is not None
    ]
    if ending.code == 0:
        found.append(_job(plan, ending.tail))
    elif not found or found[0].code == "agent_file_missing":
        found.append(_crash(ending, plan))
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
                f"{seconds:g} seconds. Answer HTTP there, or name another port (`port`) or path "
                f"(`health.path`) in agent.yaml.{_quote(tail)}",
                "agent.yaml",
            ),
        )
    return (
        Reason(
            "agent_no_port",
            f"The agent ran for {seconds:g} seconds without opening a port. Make it listen on "
            f"0.0.0.0 and the port in the variable PORT (here {given}): {_listen_hint(plan)}. If it "
            "only needs longer, raise health.timeout_seconds in agent.yaml; a program that serves "
            f"nothing is a job, not a web service.{_quote(tail)}",
        ),
    )


def unhealthy(plan: Plan, status: int, body: str, tail: Sequence[str]) -> Reason:
    """The health path answers, but not 200."""
    excerpt = " ".join(body.split())[:300]
    said = f" It said: {excerpt}" if excerpt else ""
    return Reason(
        "agent_unhealthy",
        f"The health check GET {plan.health_path} answered {status}, not 200.{said} Mend what it "
        f"checks, or name another path under health.path in agent.yaml.{_quote(tail)}",
        "agent.yaml",
    )


def build_failed(
    what: str, ending: Ending, *, disk_mb: int, memory_mb: int, processes: int
) -> tuple[Reason, ...]:
    """Why an install or build command failed."""
    text = "\n".join(ending.tail)
    low = text.lower()
    if "no space left on device" in low or "disk quota exceeded" in low or "enospc" in low:
        return (
            Reason(
                "build_disk_full",
                f"{what} filled the disk: a build may write {disk_mb} MB. Make it write less, or "
                "leave large data out of the image and fetch it when the agent starts.",
            ),
        )
    if "file too large" in low or "efbig" in low or ending.code == -signal.SIGXFSZ:
        return (
            Reason(
                "build_file_too_large",
                f"{what} tried to write a file larger than a build may make ({disk_mb} MB).",
            ),
        )
    if re.search(
        r"cannot fork|fork: (?:retry: )?resource|eagain|can't start new thread|"
        r"resource temporarily unavailable",
        low,
    ):
        return (
            Reason(
                "build_too_many_processes",
                f"{what} started more processes than a build may have ({processes}). Look for a "
                "loop that starts processes without end, or lower its parallelism.",
            ),
        )
    if ending.out_of_memory or re.search(
        r"out of memory|memoryerror|cannot allocate memory|heap limit", low
    ):
        return (
            Reason(
                "build_out_of_memory",
                f"{what} needed more memory than a build may use ({memory_mb} MB).",
            ),
        )
    return (_build_reason(what, ending, text),)


def _build_reason(what: str, ending: Ending, text: str) -> Reason:
    for pattern, code, advice in _BUILD_SIGNS:
        if found := re.search(pattern, text, re.IGNORECASE):
            return Reason(
                code, f"{what} failed: {advice.format(*found.groups())}{_quote(ending.tail)}"
            )
    return Reason("build_command_failed", f"{what} {_how(ending.code)}.{_quote(ending.tail)}")


_BUILD_SIGNS = (
    (
        r"(?:no version of|package) [`']?([\w.\[\]-]+?)[`']? (?:==\S+ )?(?:was )?not found in the package registry",
        "dependency_unknown",
        "there is no package named {0}. Correct its name in the file that lists your dependencies.",
    ),
    (
        r"because there is no version of ([^\s]+)",
        "dependency_unknown",
        "there is no {0}. Name a version that exists.",
    ),
    (
        r"because ([\w.\[\]-]+) was not found",
        "dependency_unknown",
        "there is no package named {0}. Correct its name in the file that lists your dependencies.",
    ),
    (
        r"requires-python.*?([<>=!~ ]*3\.\d+[\w.,<>= ]*)|requires a different python|does not satisfy Python\s*([^\s]*)",
        "dependency_python",
        "a package does not support the Python here. Choose a version of it that does.",
    ),
    (
        r"code E404[\s\S]{{0,400}}?'([^']+)@|404 Not Found - GET \S*/((?:@[\w.-]+%2f)?[\w.-]+)".replace(
            "{{", "{"
        ).replace("}}", "}"),
        "dependency_unknown",
        "the npm registry has no such package. Correct its name in package.json.",
    ),
    (
        r"npm ci.{0,80}can only install packages when your package\.json and package-lock\.json",
        "lock_out_of_date",
        "package-lock.json does not match package.json. Run `npm install` and commit the lock.",
    ),
    (
        r"ERR_PNPM_OUTDATED_LOCKFILE|lockfile needs to be updated|The lockfile would have been modified",
        "lock_out_of_date",
        "the lock file does not match package.json. Install once and commit the new lock.",
    ),
    (
        r"Could not resolve host|ENOTFOUND|EAI_AGAIN|dns error|failed to lookup address|"
        r"Tunnel connection failed|403 Forbidden.*proxy|tunneling socket could not",
        "build_network",
        "it asked for a host that a build may not reach. Only the package registries are open; "
        "put what you need into the source, or fetch it when the agent starts.",
    ),
    (
        r"npm ERR! Missing script: \"?([\w:-]+)|Missing script: \"([\w:-]+)\"",
        "build_script_missing",
        "package.json has no such script. Add it, or set build.command in agent.yaml.",
    ),
    (
        r"error: failed to select a version for the requirement|no matching package named [`']?([\w-]+)",
        "dependency_unknown",
        "cargo cannot get a crate. Vendor your crates with `cargo vendor` and commit .cargo/config.toml.",
    ),
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
    found = None
    for found in re.finditer(
        r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)'?", text
    ):
        pass
    if found is None:
        short = re.search(r"^\S*python\S*: No module named (\S+)$", text, re.MULTILINE)
        if short is None:
            return None
        found = short
    module = found.group(1)
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


def _missing_variable(tail: Sequence[str], plan: Plan, source: Path) -> Reason | None:
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
    wanted = [name for name in (*plan.required_env, *_sampled(source / plan.root))]
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
    for line, following in zip(tail, tail[1:], strict=False):
        if "Field required" in following and re.fullmatch(r"[A-Za-z_]\w+", line.strip()):
            return line.strip().upper()
    return None


def _sampled(folder: Path) -> list[str]:
    """The names in the source's example of its variables; one that holds only PORT is no need."""
    for name in (".env.example", ".env.sample", ".env.template", "env.example", ".env.dist"):
        sample = folder / name
        if sample.is_file():
            text = sample.read_text("utf-8", "replace")[:20_000]
            names = re.findall(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]+)\s*=", text, re.MULTILINE)
            return [name for name in names if name not in _OWN_NAMES][:8]
    return []


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
    return Reason(
        "agent_is_a_job",
        "The agent ended by itself with exit code 0 and never opened a port: that is a job, not a "
        f"server. Make it serve HTTP on the port in the variable PORT ({_listen_hint(plan)}), or "
        f"name the command that does under start.command in agent.yaml.{_quote(tail)}",
        "agent.yaml",
    )


def _crash(ending: Ending, plan: Plan) -> Reason:
    last = next((line.strip() for line in reversed(ending.tail) if line.strip()), "")
    place = _place(ending.tail)
    what = f" Its last words: {last[:300]}" if last else " It said nothing."
    return Reason(
        "agent_crashed",
        f"The agent {_how(ending.code)} before it answered.{what}{_quote(ending.tail)}",
        place[0] if place else None,
        place[1] if place else None,
    )


def _place(tail: Sequence[str]) -> tuple[str, int] | None:
    """The innermost line of the agent's own code in a traceback."""
    for line in reversed(tail):
        found = re.search(
            r'File "/app/([^"]+)", line (\d+)|\(?/app/([^():]+):(\d+)(?::\d+)?\)?', line
        )
        if found and not re.search(r"\.venv/|node_modules/|site-packages/", line):
            return (found.group(1) or found.group(3), int(found.group(2) or found.group(4)))
    return None


def _how(code: int) -> str:
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


def _quote(tail: Sequence[str]) -> str:
    lines = [line.rstrip() for line in tail if line.strip()][-_QUOTED_LINES:]
    return (
        "\nLast lines of its output:\n" + "\n".join(line[:300] for line in lines) if lines else ""
    )
