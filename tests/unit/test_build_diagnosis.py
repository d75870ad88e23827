# ruff: noqa: E501 - what programs say is as long as it is
"""What programs say when they fail becomes the one thing to change."""

from __future__ import annotations

import pytest

from chalicelib.domain.plan import Plan
from infra.build.build_faults import build_failed, starved, timed_out
from infra.build.deadline import Deadline
from infra.build.diagnosis import Ending, exited, how, never_answered, quote, unhealthy
from infra.build.order import Limits

PYTHON = Plan("python", installer="requirements")
NODE = Plan("nodejs", installer="npm")


@pytest.mark.parametrize(
    ("plan", "said", "code", "words"),
    [
        (PYTHON, "ModuleNotFoundError: No module named 'flask_cors'", "module_missing", "flask-cors"),
        (PYTHON, "ModuleNotFoundError: No module named 'yaml'", "module_missing", "the line PyYAML"),
        (PYTHON, "ModuleNotFoundError: No module named 'PIL.Image'", "module_missing", "Pillow"),
        (PYTHON, "ModuleNotFoundError: No module named 'pkg_resources'", "module_missing", "setuptools<81"),
        (PYTHON, "/app/.venv/bin/python: No module named uvicorn", "module_missing", "uvicorn"),
        (Plan("python", installer="uv-lock"), "ImportError: No module named 'httpx'", "module_missing", "uv add httpx"),
        (Plan("python", installer="poetry"), "ImportError: No module named httpx", "module_missing", "poetry add httpx"),
        (NODE, "Error: Cannot find module 'express'", "module_missing", "npm install express"),
        (NODE, "Error: Cannot find module '@scope/pkg/sub'", "module_missing", "npm install @scope/pkg"),
        (NODE, "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /app/a.js", "module_missing", "zod"),
        (NODE, "Error: Cannot find module '/app/dist/index.js'", "agent_file_missing", "build.command"),
        (NODE, "Error: Cannot find module './routes'", "agent_file_missing", "./routes"),
        (PYTHON, "python: can't open file '/app/server.py': [Errno 2] No such file", "agent_file_missing", "server.py"),
        (PYTHON, "KeyError: 'DISCORD_TOKEN'", "variable_missing", "DISCORD_TOKEN"),
        (PYTHON, ("openai.OpenAIError: The api_key client option must be set either by passing api_key to"
         " the client or by setting the OPENAI_API_KEY environment variable"), "variable_missing", "OPENAI_API_KEY"),
        (PYTHON, "ValueError: DATABASE_URL is not set", "variable_missing", "DATABASE_URL"),
        (PYTHON, "Missing required environment variable: SLACK_BOT_TOKEN", "variable_missing", "SLACK_BOT_TOKEN"),
        (NODE, "Error: Environment variable not found: DATABASE_URL.", "variable_missing", "DATABASE_URL"),
        (NODE, "Please provide STRIPE_SECRET_KEY in your .env file", "variable_missing", "STRIPE_SECRET_KEY"),
        (PYTHON, ("pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\n"
         "openai_api_key\n  Field required [type=missing]"), "variable_missing", "OPENAI_API_KEY"),
        (Plan("python", suggested_env=("WEATHER_KEY",)), "AuthError: no credentials given", "variable_missing", "WEATHER_KEY"),
        (NODE, "Error: listen EADDRINUSE: address already in use :::3000", "port_taken", "PORT"),
        (PYTHON, "/bin/sh: 1: gunicorn: not found", "command_missing", "gunicorn"),
        (PYTHON, "sh: 1: exec: uvicorn: not found", "command_missing", "uvicorn"),
        (PYTHON, "Traceback\nTypeError: 'NoneType' object is not callable", "agent_crashed", "NoneType"),
    ],
)  # fmt: skip
def test_a_crash_names_its_cause(plan: Plan, said: str, code: str, words: str) -> None:
    reasons = exited(Ending(1, tuple(said.split("\n"))), plan)
    assert (reasons[0].code, words in reasons[0].detail) == (code, True), reasons


@pytest.mark.parametrize(
    "said",
    [
        "starting on 8000",
        "GET /index.html 200",
        "INFO: Application startup complete.",
        "{'SOME_KEY': 1}",
    ],
)
def test_innocent_words_name_no_variable(said: str) -> None:
    reasons = exited(Ending(1, (said,)), PYTHON)
    assert [reason.code for reason in reasons] == ["agent_crashed"]


def test_the_place_in_the_agents_own_code_is_found() -> None:
    tail = (
        '  File "/app/main.py", line 12, in <module>',
        '  File "/app/.venv/lib/python3.11/site-packages/x.py", line 3, in f',
        "ZeroDivisionError: division by zero",
    )
    reason = exited(Ending(1, tail), PYTHON)[0]
    assert (reason.file, reason.line) == ("main.py", 12)
    reason = exited(Ending(1, ("    at Object.<anonymous> (/app/src/a.js:7:3)",)), NODE)[0]
    assert (reason.file, reason.line) == ("src/a.js", 7)


def test_exit_zero_is_a_job_and_signals_have_names() -> None:
    assert exited(Ending(0, ("done",)), PYTHON)[0].code == "agent_is_a_job"
    assert "MCP over stdio" in exited(Ending(0, ()), Plan("python", protocol="mcp"))[0].detail
    assert exited(Ending(-9, (), out_of_memory=True), PYTHON)[0].code == "agent_out_of_memory"
    assert "SIGSEGV" in how(-11)
    assert "SIGKILL" in how(137)
    assert how(3) == "ended with exit code 3"


def test_silence_and_wrong_answers_say_what_to_change() -> None:
    silent = never_answered(NODE, 4000, [], 30, ["hello"])[0]
    assert "process.env.PORT" in silent.detail
    assert "hello" in silent.detail
    deaf = never_answered(PYTHON, 4000, [6379], 30, [])[0]
    assert "port 6379" in deaf.detail
    ill = unhealthy(Plan("python", health_path="/health"), 500, "db\n is  down", [])
    assert "answered 500" in ill.detail
    assert "db is down" in ill.detail


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "build_disk_full", "4096 MB"),
        ("File size limit exceeded", "build_file_too_large", "4096 MB"),
        ("sh: 1: Cannot fork", "build_too_many_processes", "512"),
        ("RuntimeError: can't start new thread", "build_too_many_processes", "loop"),
        ("FATAL ERROR: Reached heap limit Allocation failed", "build_out_of_memory", "2048 MB"),
        (("  x No solution found when resolving dependencies:\n  ╰─▶ Because nosuchthing was not found in the\n"
         "      package registry and you require nosuchthing, we can conclude"), "dependency_unknown", "no nosuchthing"),
        ("Because there is no version of flask==99.0 and you require flask==99.0", "dependency_unknown", "flask==99.0"),
        ("Because the current Python version (3.11.2) does not satisfy Python>=3.12", "dependency_python", "3.11.2"),
        ("npm error 404 Not Found - GET https://r/@me%2fnosuch - Not found", "dependency_unknown", "@me%2fnosuch"),
        ("npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync",
         "lock_out_of_date", "lock"),
        (" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install", "lock_out_of_date", "lock"),
        ('npm error Missing script: "build"', "build_script_missing", "no script build"),
        ("error: no matching package named `nocrate` found", "dependency_unknown", "cargo vendor"),
        ("getaddrinfo EAI_AGAIN github.com", "build_network", "registries"),
        ("something else", "build_command_failed", "something else"),
    ],
)  # fmt: skip
def test_a_failed_build_names_its_cause(said: str, code: str, words: str) -> None:
    reasons = build_failed("Installing", Ending(1, tuple(said.split("\n"))), Limits())
    assert (reasons[0].code, words in reasons[0].detail) == (code, True), reasons


def test_a_full_disk_and_a_killed_hog_are_known_without_words() -> None:
    assert build_failed("x", Ending(-9, (), disk_full=True), Limits())[0].code == "build_disk_full"
    killed = build_failed("x", Ending(-9, (), out_of_memory=True), Limits())
    assert killed[0].code == "build_out_of_memory"


def test_a_timeout_tells_of_the_limit_that_was_hit_before() -> None:
    fault = Deadline(5, "build").fault("Compiling")
    both = timed_out("Compiling", Ending(-9, ("sh: Cannot fork",)), Limits(), fault)
    assert [reason.code for reason in both.reasons] == ["build_too_many_processes", "build_timeout"]
    assert timed_out("Compiling", Ending(-9, ("busy",)), Limits(), fault) is fault
    assert starved("bash: fork: retry: Resource temporarily unavailable")


def test_only_telling_lines_are_quoted() -> None:
    tail = ["npm error code E404", "npm error", "npm error   --omit", "    at x (node:fs:1:2)", ""]
    assert quote(tail).splitlines()[2:] == ["npm error code E404"]
    assert quote([]) == ""


NODE_FRAMES = ("    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)",)
GUNICORN_END = (
    "[2026-01-01 10:00:00 +0000] [8] [INFO] Worker exiting (pid: 8)",
    "[2026-01-01 10:00:00 +0000] [7] [ERROR] Worker (pid:8) exited with code 3",
    "[2026-01-01 10:00:00 +0000] [7] [ERROR] Shutting down: Master",
    "[2026-01-01 10:00:00 +0000] [7] [ERROR] Reason: Worker failed to boot.",
)


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (
            ("/app/a.js:3", "TypeError: x.y is not a function", "    at Object.<anonymous> (/app/a.js:3:5)",
             *NODE_FRAMES, "", "Node.js v20.20.2"),
            "TypeError: x.y is not a function",
        ),
        (
            ("Error: bad token", "    at new Promise (<anonymous>)", "  code: 'TokenInvalid',", "  errno: -3", "}",
             "", "Node.js v20.20.2"),
            "Error: bad token",
        ),
        (
            ('  File "/app/app.py", line 3', "    def f(:", "SyntaxError: invalid syntax", *GUNICORN_END),
            "SyntaxError: invalid syntax",
        ),
        (("thread 'main' panicked at src/main.rs:4:5:", "no config", "note: run with `RUST_BACKTRACE=1`"), "no config"),
    ],
)  # fmt: skip
def test_the_last_words_are_the_error_and_not_what_is_printed_after_it(
    tail: tuple[str, ...], words: str
) -> None:
    reason = exited(Ending(1, tail), NODE)[0]
    assert f"Its last words: {words}\n" in reason.detail, reason.detail


def test_a_single_line_is_told_once() -> None:
    reason = exited(Ending(1, ("only this", "", "Node.js v20.20.2")), NODE)[0]
    assert reason.detail.endswith("Its last words: only this")


@pytest.mark.parametrize(
    ("tail", "place"),
    [
        (("Error: connect ECONNREFUSED 127.0.0.1:5432", *NODE_FRAMES, "  errno: -111,", "}"), "127.0.0.1:5432"),
        (("MongooseServerSelectionError: connect ECONNREFUSED ::1:27017", "    at new Promise (<anonymous>)"), "::1:27017"),
        (("AggregateError [ECONNREFUSED]: ", "  [errors]: [", "    Error: connect ECONNREFUSED ::1:6379"), "::1:6379"),
        (("redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",), "localhost:6379,"),
        (('psycopg2.OperationalError: connection to server at "db" (10.0.0.2), port 5432 failed: Connection refused',
          "\tIs the server running on that host?"), "db:5432"),
        (("Error: getaddrinfo ENOTFOUND postgres",), "postgres,"),
    ],
)  # fmt: skip
def test_a_database_that_is_not_there_is_named(tail: tuple[str, ...], place: str) -> None:
    reason = exited(Ending(1, tail), NODE)[0]
    assert (reason.code, f"service at {place}" in reason.detail) == (
        "service_unreachable",
        True,
    ), reason


def test_a_refusal_that_was_only_logged_is_not_the_cause() -> None:
    tail = ("Error: connect ECONNREFUSED 127.0.0.1:6379", "ValueError: no such mode")
    assert [reason.code for reason in exited(Ending(1, tail), NODE)] == ["agent_crashed"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Error: EACCES: permission denied, mkdir '/data'", "path_not_available"),
        ("Error: ENOENT: no such file or directory, open '/data/db.json'", "path_not_available"),
        ("PermissionError: [Errno 13] Permission denied: '/var/lib/bot'", "path_not_available"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/app/x.json'", "agent_crashed"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'x.json'", "agent_crashed"),
    ],
)
def test_a_path_where_an_agent_has_no_folder_is_named(said: str, code: str) -> None:
    assert exited(Ending(1, (said,)), NODE)[0].code == code


def test_a_variable_that_could_also_be_an_argument_is_missing() -> None:
    said = "Either an env variable `SLACK_BOT_TOKEN` or `token` argument in the constructor is required."
    reason = exited(Ending(1, (f"slack_bolt.error.BoltError: {said}",)), PYTHON)[0]
    assert (reason.code, "SLACK_BOT_TOKEN" in reason.detail) == ("variable_missing", True)


def test_a_cause_far_above_the_end_is_quoted_too() -> None:
    first = "src/a.ts(1,7): error TS2304: Cannot find name 'x'."
    more = [f"src/b.ts({n},7): error TS2304: Cannot find name 'y'." for n in range(40)]
    assert first in quote([first, *more])
    gyp = [
        "npm error /bin/sh: 1: pkg-config: not found",
        "npm error gyp: Call to 'pkg-config pixman-1 --libs' returned exit status 127",
        "npm error gyp ERR! stack     at ChildProcess.emit (events.js:1:1)",
        *[f"npm error text {n}" for n in range(9)],
        "npm error gyp ERR! cwd /app/node_modules/canvas",
        "npm error gyp ERR! node -v v20.20.2",
        "npm error gyp ERR! not ok",
        "npm error node-pre-gyp ERR! not ok",
    ]
    quoted = quote(gyp)
    assert "pkg-config: not found" in quoted
    assert "not ok" not in quoted
