"""Django: where its settings and servers are, and what it expects after installing."""

from __future__ import annotations

import re
import shlex

from chalicelib.domain.inference.evidence import Draft, Source
from chalicelib.domain.inference.python_commands import Entry, wsgi_command
from chalicelib.domain.inference.python_packages import Packages


def django_entry(source: Source, packages: Packages) -> Entry | None:
    """A project with manage.py: gunicorn or uvicorn if it brings one, else one is added."""
    manage = next(
        (
            name
            for name in source.app_files("manage.py", depth=3)
            if name.rpartition("/")[2] == "manage.py"
            and "DJANGO_SETTINGS_MODULE" in source.text(name)
        ),
        None,
    )
    if manage is None:
        return None
    folder = manage.rpartition("/")[0]
    here = source.below(folder) if folder else source
    package = _settings_module(here).partition(".settings")[0]
    path = package.replace(".", "/")
    asgi = here.has(f"{path}/asgi.py")
    wsgi = here.has(f"{path}/wsgi.py")
    prefix = f"cd {shlex.quote(folder)} && " if folder else ""
    wants_asgi = packages.has("channels", "daphne") or not wsgi
    if asgi and wants_asgi and packages.has("daphne"):
        command = f"daphne -b 0.0.0.0 -p $PORT {package}.asgi:application"
        extra: tuple[str, ...] = ()
    elif asgi and (wants_asgi or (packages.has("uvicorn") and not packages.has("gunicorn"))):
        command = f"uvicorn {package}.asgi:application --host 0.0.0.0 --port $PORT"
        extra = () if packages.has("uvicorn") else ("uvicorn",)
    elif wsgi:
        command, extra = wsgi_command(f"{package}.wsgi:application", packages)
    else:
        command, extra = "python manage.py runserver 0.0.0.0:$PORT --noreload", ()
    return Entry(manage, prefix + command, f"{manage} and {path or 'settings'}", extra)


def django_steps(source: Source, entry: Entry, draft: Draft) -> None:
    """collectstatic where there is a place for it, migrate where the database is a file."""
    folder = entry.file.rpartition("/")[0]
    here = source.below(folder) if folder else source
    prefix = f"cd {shlex.quote(folder)} && " if folder else ""
    module = _settings_module(here).replace(".", "/")
    names = [
        name
        for name in here.names
        if name == f"{module}.py"
        or name.startswith(f"{module.removesuffix('/__init__')}/")
        or re.search(r"(^|/)settings(/[^/]+)?\.py$", name)
    ]
    text = "\n".join(here.text(name) for name in names)
    if re.search(r"^[ \t]*STATIC_ROOT[ \t]*=", text, re.MULTILINE):
        draft.add(
            "post_install",
            (f"{prefix}python manage.py collectstatic --noinput",),
            "STATIC_ROOT in the settings",
        )
    if "sqlite3" in text:
        draft.add(
            "post_install",
            (f"{prefix}python manage.py migrate --noinput",),
            "SQLite in the settings",
        )
    for name in names:
        line = here.line_of(name, r"^[ \t]*ALLOWED_HOSTS[ \t]*=")
        if line is None:
            continue
        value = here.text(name).splitlines()[line - 1]
        if not re.search(r"['\"]\*['\"]|environ|env\b|env\(|config\(|getenv|split", value):
            draft.say(
                "warning",
                "django_allowed_hosts",
                f"{here.path(name)} line {line} names the hosts Django answers to; elsewhere it "
                'answers 400. Write ALLOWED_HOSTS = ["*"], or read the names from a variable.',
                here.path(name),
                line,
            )
        break


def _settings_module(source: Source) -> str:
    match = re.search(
        r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)['\"]", source.text("manage.py")
    )
    return match.group(1) if match else "settings"
