"""Node.js sources as they are found: managers, start scripts, frameworks, sites, jobs."""

from __future__ import annotations

import json

import pytest

from chalicelib.domain.inference import infer
from chalicelib.domain.inference.nodejs_start import served_folder
from tests.unit.sources import Files, package, plan_of

LISTEN = "require('express')().listen(process.env.PORT || 3000)\n"


def codes(files: dict[str, str]) -> list[str]:
    return [finding.code for finding in infer(Files(files)).findings]


@pytest.mark.parametrize(
    ("scripts", "files", "command"),
    [
        ({"start": "node server.js"}, {"server.js": LISTEN}, "node server.js"),
        ({"start": "nodemon index.js"}, {"index.js": LISTEN}, "node index.js"),
        (
            {"start": "NODE_ENV=production node ./bin/www"},
            {"bin/www": LISTEN},
            "NODE_ENV=production node ./bin/www",
        ),
        (
            {"start": "cross-env NODE_ENV=production node a.js"},
            {"a.js": LISTEN},
            "NODE_ENV=production node a.js",
        ),
        ({"start": "ts-node src/index.ts"}, {"src/index.ts": LISTEN}, "npm start"),
        ({"start": "node a.js && echo done"}, {"a.js": LISTEN}, "npm start"),
        ({}, {"index.js": LISTEN}, "node index.js"),
        ({}, {"src/server.mjs": LISTEN}, "node src/server.mjs"),
        ({"dev": "nodemon app.js"}, {"app.js": LISTEN, "client.js": ""}, "node app.js"),
        ({"test": "x"}, {"src/index.ts": LISTEN}, "npx tsx src/index.ts"),
        ({}, {"index.ts": "Bun.serve({ port: process.env.PORT })"}, "npx bun index.ts"),
    ],
)
def test_the_start_script_is_made_plain(
    scripts: dict[str, str], files: dict[str, str], command: str
) -> None:
    plan = plan_of({"package.json": package(scripts, express="4"), **files})
    assert plan.runtime == "nodejs"
    assert plan.start_command == command
    assert plan.port is None
    assert not plan.worker


def test_a_build_script_is_run_by_its_manager() -> None:
    scripts = {"start": "node dist/main.js", "build": "tsc"}
    files = {
        "package.json": package(scripts, express="4"),
        "src/main.ts": LISTEN,
        "yarn.lock": "# yarn lockfile v1\n",
    }
    plan = plan_of(files)
    assert (plan.start_command, plan.build_command) == ("node dist/main.js", "yarn run build")
    assert plan.installer == "yarn-classic"


def test_typescript_without_a_build_script_is_compiled() -> None:
    files = {
        "package.json": package({"start": "node dist/index.js"}, express="4", typescript="5"),
        "tsconfig.json": "{}",
        "src/index.ts": LISTEN,
    }
    assert plan_of(files).build_command == "npx tsc"


def test_a_build_at_the_start_is_done_at_the_build() -> None:
    files = {
        "package.json": package({"start": "tsc && node dist/index.js"}),
        "src/index.ts": LISTEN,
    }
    plan = plan_of(files)
    assert (plan.build_command, plan.start_command) == ("npx tsc", "node dist/index.js")


def test_a_start_file_that_is_missing_is_an_error() -> None:
    result = infer(Files({"package.json": package({"start": "node gone.js"}, express="4")}))
    assert result.plan is None
    assert [finding.code for finding in result.errors] == ["start_file_missing"]
    assert result.errors[0].line == 4
    assert "agent.yaml" in result.errors[0].detail


def test_no_entry_point_says_the_line_to_add() -> None:
    result = infer(Files({"package.json": package(express="4"), "runtime.txt": ""}))
    assert result.plan is None
    assert "agent.yaml" in result.errors[0].detail


def test_a_broken_package_json_is_an_error_with_its_line() -> None:
    result = infer(Files({"package.json": '{\n "scripts": {,}\n}', "index.js": LISTEN}))
    assert result.plan is None
    assert (result.errors[0].code, result.errors[0].line) == ("file_broken", 2)


@pytest.mark.parametrize(
    ("files", "installer", "version"),
    [
        ({"package-lock.json": "{}"}, "npm", None),
        ({"yarn.lock": "# yarn lockfile v1\n"}, "yarn-classic", None),
        ({"yarn.lock": "__metadata:\n  version: 8\n"}, "yarn-berry", None),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, "pnpm", "9"),
        ({"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, "pnpm", "8"),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, "pnpm", "7"),
        ({"bun.lock": "{}"}, "npm", None),
        ({}, "npm", None),
    ],
)
def test_lock_files_are_obeyed(files: dict[str, str], installer: str, version: str | None) -> None:
    plan = plan_of({"package.json": package({"start": "node a.js"}), "a.js": LISTEN, **files})
    assert (plan.installer, plan.installer_version) == (installer, version)
    said = codes({"package.json": package({"start": "node a.js"}), "a.js": LISTEN, **files})
    assert ("bun_lock_not_obeyed" in said) == ("bun.lock" in files)


def test_of_two_locks_the_declared_managers_is_obeyed_and_it_is_said() -> None:
    files = {
        "package.json": json.dumps(
            {"scripts": {"start": "node a.js"}, "packageManager": "yarn@4.1.0"}
        ),
        "a.js": LISTEN,
        "package-lock.json": "{}",
        "yarn.lock": "__metadata:\n",
    }
    plan = plan_of(files)
    assert (plan.installer, plan.installer_version) == ("yarn-berry", "4.1.0")
    assert "two_lock_files" in codes(files)


def test_of_two_locks_the_one_that_knows_all_dependencies_is_obeyed() -> None:
    files = {
        "package.json": package({"start": "node a.js"}, express="4", zod="3"),
        "a.js": LISTEN,
        "package-lock.json": '{"packages": {"node_modules/express": {}}}',
        "yarn.lock": "# yarn lockfile v1\nexpress@4:\nzod@3:\n",
    }
    assert plan_of(files).installer == "yarn-classic"


@pytest.mark.parametrize(
    ("dependencies", "scripts", "files", "folder", "single"),
    [
        ({"vite": "5"}, {"start": "vite", "build": "vite build"}, {"index.html": ""}, "dist", True),
        (
            {"vite": "5"},
            {"dev": "vite"},
            {"index.html": "", "vite.config.js": "build: { outDir: 'out' }"},
            "out",
            True,
        ),
        (
            {"vite": "5"},
            {"dev": "vite"},
            {"vite.config.ts": "root: 'src', build: { outDir: '../www' }"},
            "www",
            True,
        ),
        ({"react-scripts": "5"}, {"start": "react-scripts start", "build": "b"}, {}, "build", True),
        ({"@11ty/eleventy": "3"}, {"start": "eleventy --serve"}, {"index.md": ""}, "_site", False),
        (
            {"@11ty/eleventy": "3"},
            {},
            {"eleventy.config.js": "dir: { output: 'public' }"},
            "public",
            False,
        ),
        ({"astro": "5"}, {"start": "astro dev", "build": "astro build"}, {}, "dist", False),
        (
            {"next": "15"},
            {"start": "next start", "build": "next build"},
            {"next.config.mjs": "output: 'export'"},
            "out",
            False,
        ),
        (
            {"gatsby": "5"},
            {"start": "gatsby develop", "build": "gatsby build"},
            {},
            "public",
            False,
        ),
        (
            {"@docusaurus/core": "3"},
            {"start": "docusaurus start", "build": "b"},
            {},
            "build",
            False,
        ),
        (
            {"vitepress": "1"},
            {"docs:dev": "vitepress dev docs"},
            {"docs/.vitepress/config.js": ""},
            "docs/.vitepress/dist",
            False,
        ),
        ({}, {"start": "serve -s dist", "build": "node make.js"}, {"make.js": ""}, "dist", True),
    ],
)
def test_static_output_beats_start(
    dependencies: dict[str, str],
    scripts: dict[str, str],
    files: dict[str, str],
    folder: str,
    single: bool,
) -> None:
    text = json.dumps({"scripts": scripts, "devDependencies": dependencies})
    plan = plan_of({"package.json": text, **files})
    assert (plan.runtime, plan.static_dir, plan.single_page) == ("static", folder, single)
    assert plan.start_command is None
    assert plan.installer == "npm"
    assert plan.build_command


def test_a_hosts_publish_folder_is_a_hint() -> None:
    files = {
        "package.json": json.dumps({"devDependencies": {"@11ty/eleventy": "3"}}),
        "netlify.toml": '[build]\npublish = "www"\ncommand = "npx @11ty/eleventy --output=www"',
    }
    plan = plan_of(files)
    assert (plan.static_dir, plan.build_command) == ("www", "npx @11ty/eleventy --output=www")


def test_a_server_beside_a_front_end_is_started() -> None:
    scripts = {"start": "node server.js", "build": "vite build"}
    files = {
        "package.json": package(scripts, express="4", vite="5"),
        "server.js": LISTEN,
        "index.html": "",
    }
    plan = plan_of(files)
    assert (plan.runtime, plan.start_command) == ("nodejs", "node server.js")
    assert plan.build_command == "npm run build"


@pytest.mark.parametrize(
    ("dependencies", "scripts", "files", "command"),
    [
        ({"next": "15"}, {"dev": "next dev"}, {}, "npx next start -H 0.0.0.0 -p $PORT"),
        ({"next": "15"}, {"start": "next start", "build": "next build"}, {}, "npm start"),
        ({"nuxt": "3"}, {"dev": "nuxt dev"}, {}, "HOST=0.0.0.0 node .output/server/index.mjs"),
        (
            {"astro": "5", "@astrojs/node": "9"},
            {"dev": "astro dev"},
            {"astro.config.mjs": "output: 'server', adapter: node()"},
            "HOST=0.0.0.0 node ./dist/server/entry.mjs",
        ),
        ({"@nestjs/core": "10"}, {}, {"src/main.ts": LISTEN}, "node dist/main.js"),
    ],
)
def test_frameworks_with_servers_are_started(
    dependencies: dict[str, str], scripts: dict[str, str], files: dict[str, str], command: str
) -> None:
    text = json.dumps({"scripts": scripts, "dependencies": dependencies})
    plan = plan_of({"package.json": text, **files})
    assert (plan.runtime, plan.start_command) == ("nodejs", command)
    assert plan.build_command


def test_next_standalone_is_started_by_its_own_server() -> None:
    files = {
        "package.json": package({"build": "next build", "start": "next start"}, next="15"),
        "next.config.js": "module.exports = { output: 'standalone' }",
    }
    plan = plan_of(files)
    assert plan.start_command == "HOSTNAME=0.0.0.0 node .next/standalone/server.js"
    assert (plan.build_command or "").startswith("npm run build && ")


def test_fixed_ports_and_loopback_are_noticed() -> None:
    text = "require('http').createServer(f).listen(4000, '127.0.0.1')\n"
    files = {"package.json": package({"start": "node a.js"}), "a.js": text}
    assert plan_of(files).port == 4000
    assert "listens_on_loopback" in codes(files)


def test_a_job_is_told_from_a_server() -> None:
    files = {"package.json": package({"test": "x"}, axios="1"), "index.js": "console.log(1)\n"}
    plan = plan_of(files)
    assert (plan.start_command, plan.worker) == ("node index.js", True)
    assert codes(files) == ["nothing_listens"]


def test_a_stdio_server_is_told_from_a_server() -> None:
    text = "import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'\n"
    files = {
        "package.json": json.dumps(
            {"type": "module", "dependencies": {"@modelcontextprotocol/sdk": "1"}}
        ),
        "index.js": text,
    }
    plan = plan_of(files)
    assert (plan.worker, plan.protocol) == (True, "mcp")


def test_two_servers_are_a_question() -> None:
    files = {"package.json": package(express="4"), "server.js": LISTEN, "app.js": LISTEN}
    result = infer(Files(files))
    assert [finding.code for finding in result.errors] == ["two_entry_points"]
    assert result.candidates == ("server.js", "app.js")
    assert plan_of(files, choice="app.js").start_command == "node app.js"
    one = {**files, "server.js": "require('./app')\n" + LISTEN}
    assert plan_of(one).start_command == "node server.js"


def test_prisma_is_generated() -> None:
    files = {
        "package.json": json.dumps(
            {"scripts": {"start": "node a.js"}, "dependencies": {"@prisma/client": "5"}}
        ),
        "a.js": LISTEN,
        "prisma/schema.prisma": "",
    }
    assert plan_of(files).post_install == ("npx prisma generate",)


def test_a_loose_server_needs_no_package_json() -> None:
    plan = plan_of({"server.js": "require('http').createServer(f).listen(process.env.PORT)"})
    assert (plan.runtime, plan.installer, plan.start_command) == (
        "nodejs",
        "none",
        "node server.js",
    )


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ("serve -s dist", "dist"),
        ("npx serve build", "build"),
        ("npm run build && npx -y http-server public", "public"),
        ("serve", ""),
        ("webpack serve --config webpack.dev.js", None),
        ("npx webpack serve --config webpack.dev.js", None),
        ("my-tool serve dist", None),
        ("mkdocs serve", None),
    ],
)
def test_only_a_file_servers_own_command_serves_a_folder(script: str, folder: str | None) -> None:
    assert served_folder(script) == folder


def test_a_webpack_dev_server_is_built_to_its_own_folder() -> None:
    scripts = {"start": "webpack serve --config webpack.dev.js", "build": "webpack"}
    files = {
        "package.json": package(scripts, webpack="5"),
        "webpack.dev.js": "new HtmlWebpackPlugin()",
    }
    plan = plan_of(files)
    assert (plan.runtime, plan.static_dir) == ("static", "dist")
