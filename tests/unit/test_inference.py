"""What is understood of unmodified sources: runtime, choice between apps, the manifest's word."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.inference import infer, manifest_path, nearest
from chalicelib.domain.plan import INSTALLERS, RUNTIMES, Inference, Plan
from tests.unit.sources import FASTAPI, FLASK, Files, package, plan_of

ROOT = Path(__file__).parents[2]


def refused(files: dict[str, str], code: str, **kwargs: object) -> Inference:
    result = infer(Files(files), **kwargs)  # type: ignore[arg-type]
    assert result.plan is None
    assert code in [finding.code for finding in result.errors]
    for finding in result.errors:
        assert "agent.yaml" in finding.detail or finding.code == "source_empty", finding
    return result


def test_every_value_says_where_it_comes_from() -> None:
    result = infer(Files({"requirements.txt": "fastapi\nuvicorn", "main.py": FASTAPI}))
    sources = {value.field: value.source for value in result.inferred}
    assert sources["start_command"] == "requirements.txt and main.py line 2"
    assert sources["installer"] == "requirements.txt"
    assert sources["runtime"] == "requirements.txt"
    assert all(value.source for value in result.inferred)
    json.dumps([value.to_json() for value in result.inferred])


def test_a_plan_survives_its_json() -> None:
    plan = plan_of({"requirements.txt": "django", "main.py": FASTAPI, ".env.example": "KEY=\n"})
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_an_empty_source_and_one_of_nothing_known_are_refused() -> None:
    refused({}, "source_empty")
    refused({"README.md": "# hi", "LICENSE": ""}, "nothing_recognised")


def test_a_language_that_is_not_run_says_so() -> None:
    result = refused({"go.mod": "module x", "main.go": ""}, "runtime_unsupported")
    assert "Go" in result.errors[0].detail


@pytest.mark.parametrize(
    ("names", "unread"),
    [
        (["agent.yaml"], []),
        (["agent.yml"], []),
        (["agent.yaml", "agent.yml"], ["agent.yml"]),
        (["AGENT.YAML"], ["AGENT.YAML"]),
        (["Agent.yml", "agent.yaml"], ["Agent.yml"]),
        (["sub/agent.yaml", "sub/agent.yml", "sub/app.py"], ["sub/agent.yml"]),
    ],
)
def test_a_manifest_that_is_not_read_is_said(names: list[str], unread: list[str]) -> None:
    files = {"requirements.txt": "flask", "app.py": FLASK, **dict.fromkeys(names, "name: x\n")}
    found = [f for f in infer(Files(files)).findings if f.code == "manifest_not_read"]
    assert [f.file for f in found] == unread
    assert all(f.level == "warning" for f in found)


class TestDockerfiles:
    def test_a_source_that_is_recognised_runs_without_an_engine(self) -> None:
        plan = plan_of(
            {
                "package.json": package(scripts={"start": "node server.js"}, express="4"),
                "server.js": "app.listen(process.env.PORT)",
                "Dockerfile": 'FROM node:18-alpine\nCOPY . .\nCMD ["node", "server.js"]\n',
            }
        )
        assert plan.runtime == "nodejs"
        assert plan.dockerfile == "Dockerfile"
        assert plan.start_command == "node server.js"
        assert plan.toolchain == "18"

    def test_its_command_is_used_when_the_source_says_nothing_better(self) -> None:
        plan = plan_of(
            {
                "requirements.txt": "fastapi\nuvicorn",
                "main.py": FASTAPI,
                "Dockerfile": "FROM python:3.12-slim\nEXPOSE 80\n"
                'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8080"]\n',
            }
        )
        # The port it was built for is the one thing that is ours to say.
        assert plan.start_command == "uvicorn main:app --host 0.0.0.0 --port $PORT"
        assert plan.port is None
        assert plan.toolchain == "3.12"

    def test_its_image_decides_between_two_runtimes(self) -> None:
        files = {
            "package.json": package(scripts={"start": "node server.js"}, express="4"),
            "server.js": "app.listen(process.env.PORT)",
            "requirements.txt": "fastapi",
            "main.py": FASTAPI,
        }
        refused(files, "two_entry_points")
        assert plan_of({**files, "Dockerfile": "FROM python:3.12\n"}).runtime == "python"
        assert plan_of({**files, "Procfile": "web: node server.js"}).runtime == "nodejs"
        assert plan_of(files, choice="python").runtime == "python"
        assert plan_of(files, {"runtime": "nodejs"}).runtime == "nodejs"

    def test_an_unsupported_language_needs_an_engine(self) -> None:
        files = {"go.mod": "", "main.go": "", "Dockerfile": "FROM golang:1\nEXPOSE 9000\n"}
        result = infer(Files(files))
        assert result.plan is not None
        assert result.plan.runtime == "dockerfile"
        assert result.plan.needs_container
        assert result.plan.port == 9000
        assert [finding.code for finding in result.findings] == ["container_needed"]

    def test_a_broken_one_is_passed_by_when_the_source_is_fine(self) -> None:
        files = {"requirements.txt": "flask", "app.py": FLASK, "Dockerfile": "FROM python\nRUNN x"}
        result = infer(Files(files))
        assert result.plan is not None
        assert result.plan.dockerfile is None
        assert (result.findings[0].code, result.findings[0].line) == ("dockerfile_broken", 2)

    def test_a_broken_one_alone_is_refused_with_its_line(self) -> None:
        result = refused(
            {"Dockerfile": "FROM golang\n\nRUNN make", "go.mod": ""}, "dockerfile_broken"
        )
        assert result.errors[0].line == 3

    def test_heredocs_and_continued_lines_are_no_faults(self) -> None:
        text = (
            "# syntax=docker/dockerfile:1\nARG V=3.12\nFROM python:${V} AS build\nRUN <<EOF\n"
            "not an instruction\nEOF\nRUN pip install \\\n  # why\n  flask && \\\n  true\n"
            'FROM build\nENTRYPOINT ["sh", "-c", "python app.py"]\n'
        )
        result = infer(Files({"requirements.txt": "flask", "app.py": FLASK, "Dockerfile": text}))
        assert result.plan is not None
        assert result.plan.dockerfile == "Dockerfile"


class TestSeveralApps:
    FILES = {  # noqa: RUF012  (a constant of the tests)
        "README.md": "",
        "backend/requirements.txt": "fastapi\nuvicorn",
        "backend/main.py": FASTAPI,
        "frontend/package.json": package(scripts={"build": "vite build"}, vite="5"),
        "frontend/index.html": "",
    }

    def test_a_choice_is_asked_for_and_remembered(self) -> None:
        result = refused(self.FILES, "several_apps")
        assert result.candidates == ("backend", "frontend")
        assert plan_of(self.FILES, choice="backend").root == "backend"
        site = plan_of(self.FILES, {"root": "frontend"})
        assert (site.root, site.runtime, site.static_dir) == ("frontend", "static", "dist")

    def test_a_manifest_in_a_folder_makes_it_the_root(self) -> None:
        files = {**self.FILES, "backend/agent.yaml": "name: x"}
        assert manifest_path(Files(files)) == "backend/agent.yaml"
        assert plan_of(files).root == "backend"

    def test_the_only_app_of_a_source_is_taken(self) -> None:
        plan = plan_of(
            {"README.md": "", "service/requirements.txt": "flask", "service/app.py": FLASK}
        )
        assert plan.root == "service"
        assert plan.start_command == "gunicorn --bind 0.0.0.0:$PORT --threads 8 app:app"

    def test_workspaces_install_at_their_top(self) -> None:
        files = {
            "package.json": json.dumps({"workspaces": ["apps/*", "packages/*"]}),
            "package-lock.json": "{}",
            "apps/api/package.json": package(scripts={"start": "node index.js"}, express="4"),
            "apps/api/index.js": "app.listen(process.env.PORT)",
            "apps/web/package.json": package(scripts={"build": "vite build"}, vite="5"),
            "apps/web/index.html": "",
            "packages/ui/package.json": package(),
            "packages/ui/index.js": "module.exports = 1",
        }
        assert refused(files, "several_apps").candidates == ("apps/api", "apps/web")
        plan = plan_of(files, choice="apps/api")
        assert (plan.root, plan.install_root, plan.installer) == ("apps/api", "", "npm")

    def test_pnpm_workspaces_are_workspaces(self) -> None:
        files = {
            "package.json": package(scripts={"start": "turbo run start"}),
            "pnpm-workspace.yaml": "packages:\n  - 'services/*'\n  - '!services/old'\n",
            "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            "services/a/package.json": package(scripts={"start": "node a.js"}, fastify="4"),
            "services/a/a.js": "app.listen(process.env.PORT)",
            "services/b/package.json": package(scripts={"start": "node b.js"}, fastify="4"),
            "services/b/b.js": "app.listen(process.env.PORT)",
        }
        assert refused(files, "several_apps").candidates == ("services/a", "services/b")
        plan = plan_of(files, choice="services/b")
        assert (plan.installer, plan.installer_version, plan.install_root) == ("pnpm", "9", "")

    def test_uv_workspaces_are_workspaces(self) -> None:
        files = {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["backend", "jobs"]\n',
            "uv.lock": "",
            "backend/pyproject.toml": '[project]\nname="b"\ndependencies=["fastapi[standard]"]\n',
            "backend/app/__init__.py": "",
            "backend/app/main.py": FASTAPI + "from app.routes import r\n",
            "backend/app/routes.py": "",
            "jobs/pyproject.toml": '[project]\nname="j"\ndependencies=["flask"]\n',
            "jobs/app.py": FLASK,
        }
        assert refused(files, "several_apps").candidates == ("backend", "jobs")
        plan = plan_of(files, choice="backend")
        assert (plan.root, plan.installer) == ("backend", "uv-lock")
        assert plan.start_command == "uvicorn app.main:app --host 0.0.0.0 --port $PORT"

    def test_folders_without_any_list_of_packages_are_apps_too(self) -> None:
        files = {"README.md": "", "one/app.py": FLASK, "two/app.py": FLASK}
        assert refused(files, "several_apps").candidates == ("one", "two")
        assert plan_of(files, choice="two").root == "two"
        assert plan_of({"README.md": "", "one/app.py": FLASK}).start_command == (
            "gunicorn --bind 0.0.0.0:$PORT --threads 8 one.app:app"
        )

    def test_samples_are_apps_when_there_is_nothing_else(self) -> None:
        one = {"samples/python/one/requirements.txt": "flask", "samples/python/one/app.py": FLASK}
        two = {"samples/python/two/requirements.txt": "flask", "samples/python/two/app.py": FLASK}
        tools = {"pyproject.toml": "[tool.ruff]", "scripts/x.py": "print(1)"}
        found = refused({**tools, **one, **two}, "several_apps").candidates
        assert found == ("samples/python/one", "samples/python/two")

    def test_folders_that_hold_only_a_page_are_apps_when_there_is_nothing_else(self) -> None:
        files = {"README.md": "", "one/index.html": "", "two/index.html": "", "two/a.js": "1"}
        assert refused(files, "several_apps").candidates == ("one", "two")
        plan = plan_of(files, choice="two")
        assert (plan.runtime, plan.root, plan.static_dir) == ("static", "two", "")
        assert plan_of({"README.md": "", "one/index.html": ""}).root == "one"

    def test_pages_of_an_app_are_no_apps(self) -> None:
        page = {"web/index.html": "", "templates/index.html": "", "more/index.html": ""}
        refused({"go.mod": "module x", "main.go": "", **page}, "runtime_unsupported")
        assert plan_of({"requirements.txt": "x", "job.py": "print(1)", **page}).root == ""

    def test_scripts_in_folders_below_one_package_json_are_apps(self) -> None:
        listen = "require('express')().listen(process.env.PORT)"
        files = {"package.json": package(express="4"), "a/app.js": listen, "b/app.js": listen}
        assert refused(files, "several_apps").candidates == ("a", "b")
        plan = plan_of(files, choice="b")
        assert (plan.root, plan.install_root, plan.installer) == ("b", "", "npm")
        assert plan.start_command == "node app.js"

    def test_samples_share_the_packages_listed_at_the_top(self) -> None:
        shown = {"examples/a/app.py": FLASK, "examples/b/app.py": FLASK}
        files = {"requirements.txt": "flask\ngunicorn", "lib/x.txt": "", **shown}
        assert refused(files, "several_apps").candidates == ("examples/a", "examples/b")
        for plan in (
            plan_of(files, choice="examples/b"),
            plan_of(files, {"root": "examples/b", "runtime": "python"}),
        ):
            assert (plan.root, plan.install_root) == ("examples/b", "")
            assert (plan.installer, plan.install_files) == ("requirements", ("requirements.txt",))
            assert plan.extra_packages == ()

    def test_a_folder_of_pages_is_no_python_for_the_packages_at_the_top(self) -> None:
        files = {"requirements.txt": "flask", "app.py": FLASK, "site/index.html": ""}
        assert plan_of(files, {"root": "site"}).runtime == "static"

    def test_a_root_that_is_not_there_is_said(self) -> None:
        result = refused(
            {**self.FILES, "agent.yaml": "name: x\nroot: api\n"},
            "root_missing",
            manifest={"root": "api"},
        )
        assert result.errors[0].line == 2
        assert "backend" in result.errors[0].detail

    def test_two_files_that_could_be_started_are_a_question(self) -> None:
        files = {"requirements.txt": "fastapi", "main.py": FASTAPI, "app.py": FASTAPI}
        assert refused(files, "two_entry_points").candidates == ("main.py", "app.py")
        assert "app:app" in (plan_of(files, choice="app.py").start_command or "")
        given = {"start": {"command": "uvicorn main:app --port $PORT"}}
        assert plan_of(files, given).start_command == given["start"]["command"]


class TestManifest:
    def test_a_runtime_that_contradicts_the_source_is_an_error(self) -> None:
        node = {"package.json": package(scripts={"start": "node a.js"}), "a.js": "x.listen(1)"}
        for runtime in ("python", "rust", "static"):
            result = refused(
                {**node, "agent.yaml": f"name: x\nruntime: {runtime}\n"},
                "runtime_mismatch",
                manifest={"runtime": runtime},
            )
            assert result.errors[0].line == 2
            assert "`runtime: nodejs`" in result.errors[0].detail
        refused({"README.md": ""}, "runtime_mismatch", manifest={"runtime": "python"})

    def test_dockerfile_without_one_is_an_error(self) -> None:
        refused({"go.mod": ""}, "dockerfile_missing", manifest={"runtime": "dockerfile"})

    def test_its_values_win(self) -> None:
        plan = plan_of(
            {"requirements.txt": "fastapi", "main.py": FASTAPI},
            {
                "start": {"command": "uvicorn main:app --port 9999"},
                "build": {"command": "make", "include": ["main.py"]},
                "port": 9999,
                "health": {"path": "/ok"},
                "protocol": "a2a",
                "env": [
                    {"name": "A", "default": "1"},
                    {"name": "B", "required": True, "secret": True},
                ],
                "resources": {"memory_mb": 256},
                "tests": [{"name": "t", "request": {"path": "/x"}, "runs": 3}],
            },
        )
        assert plan.start_command == "uvicorn main:app --port 9999"
        assert plan.extra_packages == ("uvicorn",)
        assert (plan.build_command, plan.include, plan.port) == ("make", ("main.py",), 9999)
        assert (plan.health_path, plan.health_timeout_seconds) == ("/ok", 60)
        assert (plan.protocol, plan.required_env) == ("a2a", ("B",))
        assert plan.env["A"] == "1"
        assert plan.resources == {"memory_mb": 256}
        assert plan.tests == (
            {
                "name": "t",
                "request": {"method": "GET", "path": "/x", "headers": {}},
                "expect": {"status": 200, "headers": {}},
                "timeout_seconds": 10,
                "runs": 3,
                "passes": 3,
                "advisory": False,
            },
        )

    def test_a_start_command_answers_the_question_what_to_start(self) -> None:
        plan = plan_of(
            {"requirements.txt": "requests", "lib/work.py": "", "agent.yaml": ""},
            {"start": {"command": "python lib/work.py"}},
        )
        assert plan.runtime == "python"
        assert not plan.worker


class TestVariables:
    def test_a_sample_names_what_is_to_be_filled_in(self) -> None:
        result = infer(
            Files(
                {
                    "requirements.txt": "fastapi",
                    "main.py": FASTAPI,
                    ".env.example": "PORT=8000\n# key\nOPENAI_API_KEY=sk-...\nexport MODEL=gpt-4\n",
                }
            )
        )
        assert result.plan is not None
        assert result.plan.suggested_env == ("OPENAI_API_KEY",)
        finding = next(f for f in result.findings if f.code == "variables_needed")
        assert (finding.level, finding.file, finding.line) == ("warning", ".env.example", 3)

    def test_a_sample_of_port_alone_asks_for_nothing(self) -> None:
        result = infer(Files({"app.py": FLASK, ".env.sample": "PORT=\n"}))
        assert not any(f.code == "variables_needed" for f in result.findings)


@pytest.mark.parametrize(
    ("files", "command", "health"),
    [
        (
            {"Procfile": "# x\nweb: gunicorn app:app --log-file -"},
            "gunicorn app:app --log-file -",
            None,
        ),
        (
            {
                "railway.json": json.dumps(
                    {"deploy": {"startCommand": "gunicorn app:app", "healthcheckPath": "/up"}}
                )
            },
            "gunicorn app:app",
            "/up",
        ),
        ({"railway.toml": '[deploy]\nstartCommand = "gunicorn app:app"'}, "gunicorn app:app", None),
        (
            {
                "render.yaml": "services:\n  - type: worker\n    startCommand: no\n  - type: web\n"
                "    name: x\n    startCommand: 'gunicorn app:app'  \n    healthCheckPath: /hz\n"
            },
            "gunicorn app:app",
            "/hz",
        ),
        ({"fly.toml": '[processes]\napp = "gunicorn app:app"\n'}, "gunicorn app:app", None),
        ({"nixpacks.toml": '[start]\ncmd = "gunicorn app:app"'}, "gunicorn app:app", None),
        (
            {"app.json": json.dumps({"formation": {"web": {"command": "gunicorn app:app"}}})},
            "gunicorn app:app",
            None,
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_other_platforms_files_are_hints(
    files: dict[str, str], command: str, health: str | None
) -> None:
    plan = plan_of({"requirements.txt": "flask\ngunicorn", "app.py": FLASK, **files})
    assert plan.start_command == command
    assert plan.health_path == health


@pytest.mark.parametrize(
    ("given", "fitted"),
    [
        ("poetry run gunicorn app:app", "gunicorn app:app"),
        (
            "alembic upgrade head && uv run --frozen gunicorn app:app",
            "alembic upgrade head && gunicorn app:app",
        ),
        ("uv run app.py", "python app.py"),
        ("gunicorn -c conf.py app:app", "gunicorn -c conf.py app:app --bind 0.0.0.0:$PORT"),
        ("gunicorn -b 127.0.0.1:8000 app:app", "gunicorn -b 0.0.0.0:$PORT app:app"),
        ("uvicorn app:app", "uvicorn app:app --port $PORT"),
        (
            "uvicorn app:app --host=localhost --port=80",
            "uvicorn app:app --host=0.0.0.0 --port=$PORT",
        ),
        ("uvicorn app:app --port ${PORT:-8000}", "uvicorn app:app --port ${PORT:-8000}"),
        ("flask run -h 0.0.0.0 -p 5000", "flask run -h 0.0.0.0 -p $PORT"),
    ],
)
def test_a_borrowed_command_is_fitted(given: str, fitted: str) -> None:
    plan = plan_of({"requirements.txt": "flask", "app.py": FLASK, "Procfile": f"web: {given}"})
    assert plan.start_command == fitted


def test_hints_that_are_broken_are_no_hints() -> None:
    plan = plan_of(
        {
            "requirements.txt": "flask",
            "app.py": FLASK,
            "railway.json": "{broken",
            "fly.toml": "= =",
            "render.yaml": "- : [",
            "app.json": "[]",
        }
    )
    assert plan.start_command == "gunicorn --bind 0.0.0.0:$PORT --threads 8 app:app"


@pytest.mark.parametrize(
    ("files", "toolchain"),
    [
        ({".python-version": "3.10.4\n"}, "3.10"),
        ({"runtime.txt": "python-3.9.18"}, "3.9"),
        ({"pyproject.toml": '[project]\nname="x"\nrequires-python = ">=3.9,<3.12"'}, "3.11"),
        ({"pyproject.toml": '[project]\nname="x"\nrequires-python = ">=3.9"'}, None),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.9"'}, "3.9"),
        ({"Pipfile": '[requires]\npython_version = "3.8"'}, "3.8"),
        ({".tool-versions": "nodejs 20\npython 3.12.1"}, "3.12"),
        ({"requirements.txt": "flask\nnumpy==1.21.0\n"}, "3.10"),
    ],
)
def test_python_versions_are_wishes(files: dict[str, str], toolchain: str | None) -> None:
    assert plan_of({"app.py": FLASK, **files}).toolchain == toolchain


@pytest.mark.parametrize(
    ("files", "engines", "toolchain"),
    [
        ({".nvmrc": "v18.17.0"}, None, "18"),
        ({".nvmrc": "lts/iron"}, None, "20"),
        ({".nvmrc": "lts/*"}, None, None),
        ({".node-version": "22"}, ">=16", "22"),
        ({}, "18.x", "18"),
        ({}, ">=18", None),
        ({}, ">=18 <21", "20"),
        ({}, "^16 || ^18 || ^20", "20"),
    ],
)
def test_node_versions_are_wishes(
    files: dict[str, str], engines: str | None, toolchain: str | None
) -> None:
    extra = {"engines": {"node": engines}} if engines else {}
    text = json.dumps({"scripts": {"start": "node a.js"}, **extra})
    plan = plan_of({"package.json": text, "a.js": "x.listen(process.env.PORT)", **files})
    assert plan.toolchain == toolchain


def test_the_nearest_version_is_found() -> None:
    assert nearest("3.12", ["3.11.2", "3.12.1"]) == ("3.12.1", True)
    assert nearest("3.9", ["3.11", "3.12"]) == ("3.11", False)
    assert nearest("3.14", ["3.11", "3.12"]) == ("3.12", False)
    assert nearest(None, ["18.1.0", "20.2.0"]) == ("20.2.0", True)
    assert nearest("20", []) == (None, False)


def test_the_build_program_can_carry_it_without_any_package() -> None:
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import chalicelib.domain.plan, chalicelib.domain.archive, chalicelib.domain.inference\n"
        "ours = {m for m in sys.modules if m.startswith('chalicelib.')}\n"
        "foreign = {m.partition('.')[0] for m in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(foreign - {'chalicelib', '__main__', '__mp_main__'}))\n"
        "print(sorted(m for m in ours if 'errors' in m or 'manifest' in m))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"], done.stderr


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("pyproject.toml", "a."),
        ("setup.py", "install_requires = ["),
        ("render.yaml", "\n"),
        ("site1/settings.py", "\n"),
        (".env.example", "A= "),
        ("Dockerfile", "RUN a \\\n"),
        ("app.py", "("),
        ("index.html", "<div id='app'>"),
    ],
)
def test_no_content_takes_long(name: str, piece: str) -> None:
    text = piece * (260_000 // len(piece))
    manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')"
    began = time.process_time()
    infer(Files({"manage.py": manage, "package.json": "{}", name: text}))
    assert time.process_time() - began < 60  # only against a pattern that explodes


def test_a_large_source_takes_about_a_second() -> None:
    files = {f"src/part{n // 100}/m{n}.py": "x = 1\n" * 100 for n in range(9_900)}
    began = time.process_time()
    plan = plan_of({**files, "main.py": FASTAPI, "requirements.txt": "fastapi"})
    assert time.process_time() - began < 60  # likewise
    assert "main:app" in (plan.start_command or "")


FRAGMENTS = [
    "",
    FASTAPI,
    FLASK,
    "{",
    "[[",
    "null",
    "[]",
    '"x"',
    '{"scripts": []}',
    '{"scripts": {"start": 3}, "dependencies": []}',
    '{"workspaces": {"packages": 3}, "name": null}',
    '{"scripts": {"start": "node \'", "build": {}}, "engines": "x", "packageManager": 4}',
    "[package]\nname = 3\n[[bin]]\n",
    "[workspace]\nmembers = 3",
    "[project]\ndependencies = 3\nrequires-python = 3",
    "[tool.poetry]\ndependencies = []",
    "web: '\n",
    "web:\nworker: python x.py",
    "FROM\nCMD [\n",
    'FROM python:x\nCMD ["a", 3]\nENTRYPOINT [{}]',
    "RUN <<EOF",
    "\x00\xff",
    "-r requirements.txt\n-e .\ngit+https://x/y#egg=z\n===\n",
    "x" * 5000,
    "(" * 5000,
    "a" + ".b" * 20000 + "()",
    "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 90)),
    "import x\nx.run(app=x, host=1, port='a')\napp = app.server\n",
    "lockfileVersion: x\npackages:\n- '*'\n- '[!'\n",
    "python-\n",
    ">=,<\n",
]
NAMES = [
    "app.py",
    "main.py",
    "src/x/__main__.py",
    "manage.py",
    "a/manage.py",
    "package.json",
    "a/package.json",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "uv.lock",
    "poetry.lock",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lockb",
    "pnpm-workspace.yaml",
    "Cargo.toml",
    "a/Cargo.toml",
    "src/main.rs",
    "Dockerfile",
    "Procfile",
    "render.yaml",
    "railway.json",
    "fly.toml",
    "vercel.json",
    "index.html",
    "public/index.html",
    "server.js",
    "next.config.js",
    "angular.json",
    ".nvmrc",
    ".python-version",
    "runtime.txt",
    ".env.example",
    "agent.yaml",
    "go.mod",
]


@settings(max_examples=400, deadline=None)
@given(
    files=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(FRAGMENTS), max_size=7),
    manifest=st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {},
            optional={
                "runtime": st.sampled_from(RUNTIMES),
                "root": st.sampled_from(["a", "", ".", "no"]),
                "start": st.just({"command": "python app.py"}),
                "build": st.just({"output": "out"}),
            },
        ),
    ),
    choice=st.sampled_from([None, "app.py", "a", "python", "no/such", "server.js"]),
)
def test_whatever_the_source_there_is_a_plan_or_a_reason(
    files: dict[str, str], manifest: dict[str, object] | None, choice: str | None
) -> None:
    result = infer(Files(files), manifest, choice)
    if result.plan is None:
        assert result.errors
        return
    plan = result.plan
    assert not result.errors
    assert plan.runtime in RUNTIMES
    assert plan.installer in INSTALLERS
    assert plan.start_command or plan.static_dir is not None or plan.needs_container
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
