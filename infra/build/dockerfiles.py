"""Rendering a plan as a Dockerfile: several stages, nothing of the build left over, never root."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence

from chalicelib.domain.plan import Plan

#: A number, so that hosts can see that it is not root.
USER = "10001:10001"
_PYTHON = "3.13"
_NODE = "22"
_UV = "pip install --no-cache-dir uv"

_LOCKS = {
    "uv-lock": ("pyproject.toml", "uv.lock"),
    "poetry": ("pyproject.toml", "poetry.lock"),
    "pipenv": ("Pipfile", "Pipfile.lock"),
    "npm": ("package.json", "package-lock.json"),
    "yarn-classic": ("package.json", "yarn.lock"),
    "yarn-berry": ("package.json", "yarn.lock"),
    "pnpm": ("package.json", "pnpm-lock.yaml"),
}

_NGINX = """\
pid /tmp/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{}}
http {{
  include /etc/nginx/mime.types;
  client_body_temp_path /tmp/client-body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  access_log /dev/stdout;
  server_tokens off;
  sendfile on;
  gzip on;
  gzip_types text/css text/javascript application/javascript application/json image/svg+xml;
  server {{
    listen @PORT@;
    root /site;
    absolute_redirect off;
    location / {{ try_files $uri $uri.html $uri/index.html {fallback}; }}
  }}
}}
"""


def render(plan: Plan, names: Sequence[str]) -> str:
    """The Dockerfile for a plan; `names` are the files of the source."""
    lines = {"python": _python, "nodejs": _nodejs, "rust": _rust, "static": _static}[plan.runtime]
    return "\n".join(lines(plan, frozenset(names))) + "\n"


def _python(plan: Plan, names: frozenset[str]) -> list[str]:
    version = _major_minor(plan.toolchain) or _PYTHON
    base = f"python:{version}-slim"
    return [
        f"FROM {base} AS build",
        "WORKDIR /app",
        (
            "ENV UV_PROJECT_ENVIRONMENT=/app/.venv VIRTUAL_ENV=/app/.venv UV_LINK_MODE=copy "
            'UV_COMPILE_BYTECODE=1 PATH="/app/.venv/bin:$PATH"'
        ),
        f"RUN {_UV} && uv venv /app/.venv",
        *_copied_first(plan, names),
        *_in(_install_folder(plan), *_python_install(plan)),
        "COPY . .",
        *_in(_install_folder(plan), *_python_project(plan)),
        *_steps(plan),
        f"FROM {base}",
        *_final(plan, 'PATH="/app/.venv/bin:$PATH"', "PYTHONUNBUFFERED=1"),
    ]


def _python_install(plan: Plan) -> list[str]:
    files = " ".join(f"-r {name}" for name in plan.install_files or ("requirements.txt",))
    commands = {
        "uv-lock": ["uv sync --frozen --no-dev --no-install-workspace"],
        "poetry": [
            "pip install --no-cache-dir poetry poetry-plugin-export",
            "poetry export --only main -f requirements.txt -o /tmp/requirements.txt",
            "uv pip install --no-deps -r /tmp/requirements.txt",
        ],
        "pipenv": [
            "pip install --no-cache-dir pipenv",
            "pipenv requirements > /tmp/requirements.txt",
            "uv pip install --no-deps -r /tmp/requirements.txt",
        ],
        "pyproject": [f"uv pip install {files.replace('requirements.txt', 'pyproject.toml')}"],
        "requirements": [f"uv pip install {files}"],
    }.get(plan.installer, [])
    if plan.extra_packages:
        commands.append(f"uv pip install {_quoted(plan.extra_packages)}")
    return commands


def _python_project(plan: Plan) -> list[str]:
    if plan.installer not in {"uv-lock", "poetry", "pyproject"}:
        return []
    # A source that is no package, or cannot be built as one, still has its folders.
    return ['{ ! grep -q "^.build-system" pyproject.toml || uv pip install --no-deps .; }']


def _nodejs(plan: Plan, names: frozenset[str]) -> list[str]:
    base = f"node:{_major(plan.toolchain) or _NODE}-slim"
    return [
        f"FROM {base} AS build",
        *_node_build(plan, names),
        f"FROM {base}",
        *_final(plan, f'PATH="/app/{_below(plan.root)}node_modules/.bin:$PATH"'),
    ]


def _node_build(plan: Plan, names: frozenset[str]) -> list[str]:
    folder = _install_folder(plan)
    lock = f"{_below(folder)}package-lock.json" in names
    version = f"@{plan.installer_version}" if plan.installer_version else ""
    commands = {
        "npm": ["npm ci --no-audit --no-fund" if lock else "npm install --no-audit --no-fund"],
        "yarn-classic": ["npm install -g --force yarn@1", "yarn install --frozen-lockfile"],
        "yarn-berry": [
            f"npm install -g --force @yarnpkg/cli-dist{version}",
            "YARN_NODE_LINKER=node-modules YARN_IGNORE_PATH=1 yarn install --immutable",
        ],
        "pnpm": [f"npm install -g --force pnpm{version}", "pnpm install --frozen-lockfile"],
        "bun": ["npm install -g --force bun", "bun install"],
    }.get(plan.installer, [])
    if plan.extra_packages:
        commands.append(f"npm install --no-save {_quoted(plan.extra_packages)}")
    return [
        "WORKDIR /app",
        'ENV PATH="/app/node_modules/.bin:$PATH"',
        "COPY . .",
        *_in(folder, *commands),
        *_steps(plan),
    ]


def _rust(plan: Plan, names: frozenset[str]) -> list[str]:
    folder = _install_folder(plan)
    locked = " --locked" if f"{_below(folder)}Cargo.lock" in names else ""
    release = f"/app/{_below(folder)}target/release"
    compile_it = (
        [] if (plan.build_command or "").startswith("cargo ") else ["cargo build --release"]
    )
    return [
        "FROM rust:1-slim-trixie AS build",
        "WORKDIR /app",
        "COPY . .",
        *_in(folder, *(f"{command}{locked}" for command in compile_it)),
        *_steps(plan),
        # Of what the compiler wrote, only the finished programs.
        (
            f"RUN mkdir /programs && find {release} -maxdepth 1 -type f -perm -u+x "
            f"-exec cp {{}} /programs/ \\; && rm -rf {release}/.. && mkdir -p {release} "
            f"&& cp /programs/* {release}/"
        ),
        "FROM debian:trixie-slim",
        *_final(plan),
    ]


def _static(plan: Plan, names: frozenset[str]) -> list[str]:
    builds = plan.installer != "none" or plan.build_command
    folder = f"/app/{_below(plan.root)}{plan.static_dir or ''}".rstrip("/")
    fallback = "/index.html" if plan.single_page else "=404"
    config = base64.b64encode(_NGINX.format(fallback=fallback).encode()).decode()
    base = f"node:{_major(plan.toolchain) or _NODE}-slim" if builds else "nginx:1.28"
    stage = _node_build(plan, names) if builds else ["WORKDIR /app", "COPY . ."]
    serve = (
        'sed "s/@PORT@/$PORT/" /etc/nginx/site.conf > /tmp/nginx.conf && '
        "exec nginx -e stderr -c /tmp/nginx.conf -g 'daemon off;'"
    )
    return [
        f"FROM {base} AS build",
        *stage,
        "FROM nginx:1.28",
        f"RUN echo {config} | base64 -d > /etc/nginx/site.conf",
        f"COPY --from=build {folder} /site",
        "ENV PORT=8080",
        "STOPSIGNAL SIGQUIT",
        f"USER {USER}",
        f"CMD {json.dumps(['/bin/sh', '-c', serve])}",
    ]


def _final(plan: Plan, *env: str) -> list[str]:
    settings = [*env, *(f"{name}={_value(value)}" for name, value in sorted(plan.env.items()))]
    return [
        f"WORKDIR /app/{plan.root}".rstrip("/"),
        f"COPY --from=build --chown={USER} /app /app",
        *([f"ENV {' '.join(settings)}"] if settings else []),
        *([f"EXPOSE {plan.port}"] if plan.port else []),
        f"USER {USER}",
        f"CMD {json.dumps(['/bin/sh', '-c', plan.start_command or ''])}",
    ]


def _copied_first(plan: Plan, names: frozenset[str]) -> list[str]:
    """What decides the dependencies goes first, so that its layer is kept while it stays."""
    folder = _install_folder(plan)
    files = [*_LOCKS.get(plan.installer, ()), *plan.install_files]
    if plan.installer in {"requirements", "pyproject"}:
        return ["COPY . ."]  # they may name other files, or the source itself
    present = [name for name in dict.fromkeys(files) if f"{_below(folder)}{name}" in names]
    return [f"COPY {_below(folder)}{name} {_below(folder)}{name}" for name in present]


def _steps(plan: Plan) -> list[str]:
    post = [f"({line}) || echo 'this step failed; going on'" for line in plan.post_install]
    build = [plan.build_command] if plan.build_command else []
    return _in(plan.root, *post, *build)


def _in(folder: str, *commands: str) -> list[str]:
    start = f"cd /app/{folder} && " if folder else ""
    return [f"RUN {start}{command}" for command in commands]


def _install_folder(plan: Plan) -> str:
    return plan.install_root if plan.install_root is not None else plan.root


def _below(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _quoted(words: Sequence[str]) -> str:
    return " ".join("'" + word.replace("'", "") + "'" for word in words)


def _value(text: str) -> str:
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def _major_minor(wish: str | None) -> str | None:
    found = re.search(r"3\.\d+", wish or "")
    return found.group(0) if found else None


def _major(wish: str | None) -> str | None:
    found = re.search(r"\d+", wish or "")
    return found.group(0) if found else None
