"""Python sources as they are found: frameworks, entry points, installers, steps, jobs."""

from __future__ import annotations

import pytest

from chalicelib.domain.inference import infer
from tests.unit.sources import FASTAPI, FLASK, Files, plan_of

UVICORN = "uvicorn {} --host 0.0.0.0 --port $PORT"
GUNICORN = "gunicorn --bind 0.0.0.0:$PORT --threads 8 {}"
FACTORY = "from flask import Flask\n\ndef create_app(config=None):\n    return Flask(__name__)\n"
MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')\n"
SETTINGS = "STATIC_ROOT = 'x'\nENGINE = 'django.db.backends.sqlite3'\nALLOWED_HOSTS = []\n"
DJANGO = {
    "manage.py": MANAGE,
    "site1/__init__.py": "",
    "site1/settings.py": SETTINGS,
    "site1/wsgi.py": "application = 1",
    "site1/asgi.py": "application = 1",
}
MCP = "from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('x')\n"
MAIN = "if __name__ == '__main__':\n    "


def codes(files: dict[str, str]) -> list[str]:
    return [finding.code for finding in infer(Files(files)).findings]


@pytest.mark.parametrize(
    ("files", "command", "extra"),
    [
        # FastAPI and its relatives
        (
            {"requirements.txt": "fastapi\nuvicorn", "main.py": FASTAPI},
            UVICORN.format("main:app"),
            (),
        ),
        (
            {"requirements.txt": "fastapi[standard]", "api.py": FASTAPI},
            UVICORN.format("api:app"),
            (),
        ),
        (
            {"requirements.txt": "fastapi", "app/main.py": FASTAPI, "app/__init__.py": ""},
            UVICORN.format("app.main:app"),
            ("uvicorn",),
        ),
        (
            {"requirements.txt": "fastapi\nuvicorn", "src/pkg/main.py": FASTAPI},
            "PYTHONPATH=src " + UVICORN.format("pkg.main:app"),
            (),
        ),
        (
            {
                "requirements.txt": "fastapi\nuvicorn",
                "api/main.py": FASTAPI + "import db",
                "api/db.py": "",
            },
            "cd api && " + UVICORN.format("main:app"),
            (),
        ),
        (
            {"requirements.txt": "fastapi\nhypercorn", "main.py": FASTAPI},
            "hypercorn main:app --bind 0.0.0.0:$PORT",
            (),
        ),
        (
            {
                "requirements.txt": "fastapi\nuvicorn",
                "run.py": MAIN + "import uvicorn\n    uvicorn.run('svc.web:api', port=80)\n",
                "svc/web.py": "from fastapi import FastAPI\napi = FastAPI()",
            },
            UVICORN.format("svc.web:api"),
            (),
        ),
        (
            {
                "requirements.txt": "starlette\nuvicorn",
                "app.py": "from starlette.applications import "
                "Starlette\napp = Starlette(debug=True)\n",
            },
            UVICORN.format("app:app"),
            (),
        ),
        (
            {
                "requirements.txt": "fastapi\nuvicorn",
                "main.py": "from fastapi import FastAPI\n\n"
                "def create_app() -> FastAPI:\n    app = FastAPI()\n    return app\n",
            },
            "uvicorn main:create_app --factory --host 0.0.0.0 --port $PORT",
            (),
        ),
        # Flask
        ({"requirements.txt": "flask", "app.py": FLASK}, GUNICORN.format("app:app"), ("gunicorn",)),
        ({"requirements.txt": "Flask\ngunicorn", "app.py": FLASK}, GUNICORN.format("app:app"), ()),
        (
            {"requirements.txt": "flask\nwaitress", "app.py": FLASK},
            "waitress-serve --listen=0.0.0.0:$PORT app:app",
            (),
        ),
        (
            {"requirements.txt": "flask\ngunicorn", "flaskr/__init__.py": FACTORY},
            GUNICORN.format("'flaskr:create_app()'"),
            (),
        ),
        (
            {
                "requirements.txt": "flask\ngunicorn",
                "app/__init__.py": FACTORY,
                "wsgi.py": "from app import create_app\napp = create_app()\n",
            },
            GUNICORN.format("wsgi:app"),
            (),
        ),
        (
            {
                "requirements.txt": "flask\ngunicorn",
                "app/__init__.py": FLASK,
                "run.py": "from app import app\n" + MAIN + "app.run()\n",
            },
            GUNICORN.format("run:app"),
            (),
        ),
        # UI agents
        (
            {
                "requirements.txt": "streamlit",
                "Home.py": "import streamlit as st",
                "pages/a.py": "import streamlit",
            },
            (
                "streamlit run Home.py --server.port $PORT --server.address 0.0.0.0 "
                "--server.headless true --browser.gatherUsageStats false"
            ),
            (),
        ),
        (
            {
                "requirements.txt": "gradio",
                "app.py": "import gradio as gr\n"
                "demo = gr.Interface(fn=len, inputs='text', outputs='text')\ndemo.launch()\n",
            },
            "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python app.py",
            (),
        ),
        (
            {"requirements.txt": "chainlit", "app.py": "import chainlit as cl\n"},
            "chainlit run app.py --headless --host 0.0.0.0 --port $PORT",
            (),
        ),
        (
            {
                "requirements.txt": "dash\ngunicorn",
                "app.py": "from dash import Dash\n"
                "app = Dash(__name__)\nserver = app.server\n" + MAIN + "app.run(debug=True)\n",
            },
            GUNICORN.format("app:server"),
            (),
        ),
        # others
        (
            {
                "requirements.txt": "sanic",
                "server.py": "from sanic import Sanic\napp = Sanic('x')\n",
            },
            "sanic server:app --host 0.0.0.0 --port $PORT --single-process",
            (),
        ),
        (
            {
                "requirements.txt": "aiohttp",
                "server.py": "from aiohttp import web\n"
                "app = web.Application()\n" + MAIN + "web.run_app(app)\n",
            },
            "python server.py",
            (),
        ),
        (
            {
                "main.py": "from http.server import HTTPServer\n"
                "HTTPServer(('', 1), X).serve_forever()"
            },
            "python main.py",
            (),
        ),
        (
            {
                "requirements.txt": "a2a-sdk\nuvicorn\nclick",
                "__main__.py": "import click, uvicorn\nfrom a2a.server.apps import "
                "A2AStarletteApplication\n@click.command()\n@click.option('--host')\n"
                "@click.option('--port')\ndef main(host, port):\n"
                "    server = A2AStarletteApplication()\n    uvicorn.run(server.build(), "
                "host=host, port=port)\n" + MAIN + "main()\n",
            },
            "python __main__.py --host 0.0.0.0 --port $PORT",
            (),
        ),
        (
            {
                "pyproject.toml": '[project]\nname="x"\ndependencies=["uvicorn"]\n'
                '[project.scripts]\nx = "x.server:main"\n',
                "src/x/__init__.py": "",
                "src/x/__main__.py": "from .server import main\n" + MAIN + "main()\n",
                "src/x/server.py": "import uvicorn\ndef main():\n    uvicorn.run(make(), port=1)\n",
            },
            "PYTHONPATH=src python -c 'from x.server import main; main()'",
            (),
        ),
        (
            {"requirements.txt": "mcp", "server.py": MCP + MAIN + "mcp.run(transport='sse')\n"},
            (
                "python -c 'import sys, uvicorn; from server import mcp; "
                "mcp.settings.transport_security = None; "
                'uvicorn.run(mcp.sse_app(), host="0.0.0.0", port=int(sys.argv[1]))\' $PORT'
            ),
            ("mcp<2",),
        ),
        (
            {"requirements.txt": "mcp==1.9.0", "server.py": MCP + MAIN + "mcp.run()\n"},
            (
                "python -c 'import sys, uvicorn; from server import mcp; "
                "mcp.settings.transport_security = None; "
                'uvicorn.run(mcp.streamable_http_app(), host="0.0.0.0", '
                "port=int(sys.argv[1]))' $PORT"
            ),
            (),
        ),
        (
            {
                "requirements.txt": "fastmcp",
                "server.py": "from fastmcp import FastMCP\nmcp = FastMCP()\n"
                + MAIN
                + "mcp.run()\n",
            },
            "fastmcp run server.py:mcp --transport http --host 0.0.0.0 --port $PORT",
            (),
        ),
    ],
)
def test_the_frameworks_own_command_is_found(
    files: dict[str, str], command: str, extra: tuple[str, ...]
) -> None:
    plan = plan_of(files)
    assert plan.runtime == "python"
    assert plan.start_command == command
    assert plan.extra_packages == extra
    assert not plan.worker


class TestDjango:
    def test_without_a_server_gunicorn_is_added(self) -> None:
        plan = plan_of({"requirements.txt": "django", **DJANGO})
        assert plan.start_command == GUNICORN.format("site1.wsgi:application")
        assert plan.extra_packages == ("gunicorn",)
        assert plan.post_install == (
            "python manage.py collectstatic --noinput",
            "python manage.py migrate --noinput",
        )

    def test_with_gunicorn_nothing_is_added(self) -> None:
        plan = plan_of({"requirements.txt": "Django==4.2\ngunicorn==21.2.0", **DJANGO})
        assert plan.extra_packages == ()

    def test_with_channels_it_is_asynchronous(self) -> None:
        plan = plan_of({"requirements.txt": "django\nchannels\ndaphne", **DJANGO})
        assert plan.start_command == "daphne -b 0.0.0.0 -p $PORT site1.asgi:application"

    def test_hosts_it_does_not_answer_to_are_said(self) -> None:
        result = infer(Files({"requirements.txt": "django", **DJANGO}))
        finding = next(f for f in result.findings if f.code == "django_allowed_hosts")
        assert (finding.file, finding.line, finding.level) == ("site1/settings.py", 3, "warning")
        settings = "import os\nALLOWED_HOSTS = os.environ['HOSTS'].split(',')\n"
        assert "django_allowed_hosts" not in codes(
            {"requirements.txt": "django", **DJANGO, "site1/settings.py": settings}
        )

    def test_a_project_in_a_folder_is_started_there(self) -> None:
        inner = {f"web/{name}": text for name, text in DJANGO.items()}
        plan = plan_of({"requirements.txt": "django\ngunicorn", **inner})
        assert plan.root == ""
        assert plan.start_command == "cd web && " + GUNICORN.format("site1.wsgi:application")
        assert plan.post_install[0] == "cd web && python manage.py collectstatic --noinput"


@pytest.mark.parametrize(
    ("files", "installer", "read"),
    [
        ({"uv.lock": "", "pyproject.toml": '[project]\nname="x"'}, "uv-lock", "uv.lock"),
        ({"poetry.lock": "", "pyproject.toml": '[tool.poetry]\nname="x"'}, "poetry", "poetry.lock"),
        ({"Pipfile": "[packages]\nflask='*'", "Pipfile.lock": "{}"}, "pipenv", "Pipfile.lock"),
        ({"Pipfile": "[packages]\nflask='*'"}, "pipenv", "Pipfile"),
        ({"requirements.txt": "flask"}, "requirements", "requirements.txt"),
        ({"requirements/prod.txt": "flask"}, "requirements", "requirements/prod.txt"),
        (
            {"requirements.txt": "flask", "pyproject.toml": "[tool.black]"},
            "requirements",
            "requirements.txt",
        ),
        (
            {"pyproject.toml": '[project]\nname="x"\ndependencies=["flask"]'},
            "pyproject",
            "pyproject.toml",
        ),
        ({"setup.py": "setup(install_requires=['flask'])"}, "pyproject", "setup.py"),
    ],
)
def test_lock_files_are_obeyed(files: dict[str, str], installer: str, read: str) -> None:
    plan = plan_of({"app.py": FLASK, **files})
    assert (plan.installer, plan.install_files) == (installer, (read,))


def test_of_two_locks_the_declared_managers_is_obeyed_and_it_is_said() -> None:
    files = {
        "app.py": FLASK,
        "uv.lock": "",
        "poetry.lock": "",
        "pyproject.toml": '[tool.poetry]\nname="x"\n[tool.poetry.dependencies]\nflask="*"',
    }
    assert plan_of(files).installer == "poetry"
    assert "two_lock_files" in codes(files)
    assert plan_of({**files, "pyproject.toml": '[project]\nname="x"'}).installer == "uv-lock"


def test_requirements_include_each_other_and_come_in_any_encoding() -> None:
    files = {
        "requirements.txt": "-r base.txt\n# gunicorn\n",
        "base.txt": "-r requirements.txt\nflask ; python_version>'3'\ngunicorn # server\n",
        "app.py": FLASK,
    }
    assert plan_of(files).extra_packages == ()

    class Windows(Files):
        def read(self, path: str, limit: int = 262_144) -> bytes:
            return self.files[path].encode("utf-16")[:limit]

    result = infer(Windows({"requirements.txt": "flask\r\ngunicorn\r\n", "app.py": FLASK}))
    assert result.plan is not None
    assert result.plan.extra_packages == ()


def test_a_loose_file_is_installed_for_by_its_imports() -> None:
    files = {"app.py": "import requests, mystery\n" + FASTAPI}
    plan = plan_of(files)
    assert plan.installer == "none"
    assert plan.extra_packages == ("fastapi", "requests", "uvicorn")
    assert "requirements_missing" in codes(files)


def test_old_pins_get_what_they_lack() -> None:
    plan = plan_of({"requirements.txt": "flask==1.1.4\ngunicorn==19.9.0\n", "app.py": FLASK})
    assert plan.extra_packages == ("setuptools<81",)
    plan = plan_of({"requirements.txt": "flask", "app.py": FLASK + "import pkg_resources\n"})
    assert "setuptools<81" in plan.extra_packages


def test_a_main_block_that_prepares_things_is_run() -> None:
    text = FLASK + MAIN + "create_tables()\n    app.run(host='0.0.0.0', port=5001)\n"
    plan = plan_of({"requirements.txt": "flask", "app.py": text})
    assert (plan.start_command, plan.port) == ("python app.py", 5001)
    reads = (
        FLASK
        + "import os\n"
        + MAIN
        + "create_tables()\n    app.run(port=int(os.environ['PORT']))\n"
    )
    files = {"requirements.txt": "flask", "app.py": reads}
    assert plan_of(files).port is None
    assert "listens_on_loopback" in codes(files)


def test_what_another_file_imports_is_a_part_of_it() -> None:
    plan = plan_of(
        {
            "requirements.txt": "fastapi\nuvicorn",
            "main.py": FASTAPI + "from api import app as inner\napp.mount('/x', inner)\n",
            "api.py": FASTAPI,
            "test_client.py": "import uvicorn\nuvicorn.run(1)\n",
            "tests/app.py": FASTAPI,
            "examples/server.py": FASTAPI,
        }
    )
    assert plan.start_command == UVICORN.format("main:app")


STDLIB = "from http.server import HTTPServer, BaseHTTPRequestHandler as H\n"


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (STDLIB + "HTTPServer(('127.0.0.1', 8000), H).serve_forever()\n", True),
        (
            STDLIB + MAIN + "HOST = 'localhost'\n    HTTPServer((HOST, 8), H).serve_forever()\n",
            True,
        ),
        (STDLIB + "where = ('127.0.0.1', 8000)\nHTTPServer(where, H).serve_forever()\n", True),
        (STDLIB + "HTTPServer(('', 8000), H).serve_forever()\n", False),
        (STDLIB + "HTTPServer(('0.0.0.0', 8000), H).serve_forever()\n", False),
        (
            (
                "from wsgiref.simple_server import make_server\n"
                "make_server('127.0.0.1', 8000, f).serve_forever()\n"
            ),
            True,
        ),
        (
            "import asyncio, socket\nasync def main():\n"
            "    s = await asyncio.start_server(f, '127.0.0.1', 9)\n    await s.serve_forever()\n"
            + MAIN
            + "asyncio.run(main())\n",
            True,
        ),
        (
            STDLIB + "import os, socket\nsocket.socket().bind(('127.0.0.1', 0))\n"
            "HTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n",
            False,
        ),
    ],
)
def test_a_server_of_the_standard_library_on_loopback_is_warned_of(
    text: str, *, warned: bool
) -> None:
    files = {"server.py": text}
    assert ("listens_on_loopback" in codes(files)) is warned
    procfile = {**files, "Procfile": "web: python server.py"}
    assert ("listens_on_loopback" in codes(procfile)) is warned


class TestMcpOverStdio:
    SERVER = (
        "import asyncio\nfrom mcp.server import Server\n"
        "from mcp.server.stdio import stdio_server\nserver = Server('x')\n"
        "async def main():\n    async with stdio_server() as (r, w):\n"
        "        await server.run(r, w, server.create_initialization_options())\n"
    )

    @pytest.mark.parametrize(
        "files",
        [
            {"server.py": SERVER + MAIN + "asyncio.run(main())\n"},
            {
                "src/x/server.py": SERVER,
                "src/x/__init__.py": "import asyncio\nfrom . import server\n"
                "def main():\n    asyncio.run(server.main())\n",
                "src/x/__main__.py": "from x import main\nmain()\n",
            },
            {"bot.py": SERVER + MAIN + "asyncio.run(main())\n", "Procfile": "web: python bot.py"},
        ],
    )
    def test_its_line_and_the_transport_with_a_url_are_named(self, files: dict[str, str]) -> None:
        files = {"requirements.txt": "mcp==1.9.0", **files}
        found = [f for f in infer(Files(files)).findings if f.code == "mcp_over_stdio"]
        assert [(f.line, f.level) for f in found] == [(6, "warning")]
        assert "streamable HTTP" in found[0].detail
        assert plan_of(files).protocol == "mcp"


class TestJobs:
    def test_a_script_that_does_not_listen_is_a_job(self) -> None:
        files = {"requirements.txt": "requests", "main.py": "import requests\nprint(requests)\n"}
        plan = plan_of(files)
        assert (plan.start_command, plan.worker) == ("python main.py", True)
        assert codes(files) == ["nothing_listens"]

    def test_a_procfile_worker_is_a_job(self) -> None:
        files = {
            "requirements.txt": "discord.py",
            "bot.py": "import discord\n",
            "Procfile": "worker: python bot.py",
        }
        plan = plan_of(files)
        assert (plan.start_command, plan.worker) == ("python bot.py", True)

    def test_usual_names_come_first(self) -> None:
        files = {
            "requirements.txt": "",
            "zz.py": "print(1)",
            "bot.py": "print(1)",
            "a.py": "print(1)",
        }
        assert plan_of(files).start_command == "python bot.py"

    def test_no_entry_point_says_the_line_to_add(self) -> None:
        result = infer(
            Files({"requirements.txt": "requests", "one.py": "def f(): 1", "two.py": "x = 1"})
        )
        assert result.plan is None
        assert [finding.code for finding in result.errors] == ["no_entry_point"]
        assert "`start: {command: python FILE.py}`" in result.errors[0].detail


def test_python_2_is_read_by_its_words() -> None:
    plan = plan_of({"requirements.txt": "flask", "app.py": "print 'hi'\n" + FLASK})
    assert plan.start_command == GUNICORN.format("app:app")
