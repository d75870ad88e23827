"""The commands behind `make up`, `down`, `reset`, `status`, `logs` and `token`, `demo`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from infra import keys
from infra.local import control
from infra.local.demo import publish_gallery
from infra.local.display import Display
from infra.local.first import api_token
from infra.local.layout import STAGE, Layout, LocalCloudError
from infra.local.up import Supervisor


def main(arguments: list[str] | None = None) -> int:
    """Do one command; faults that a person can mend are one sentence, not a traceback."""
    parser = argparse.ArgumentParser(prog="python -m infra.local")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("--detach", action="store_true", help="return when everything is live")
    up.add_argument("--no-first-agent", action="store_true")
    commands.add_parser("down")
    commands.add_parser("status")
    commands.add_parser("reset")
    logs = commands.add_parser("logs")
    logs.add_argument("--part")
    logs.add_argument("--lines", type=int, default=40)
    logs.add_argument("--no-follow", action="store_true")
    demo = commands.add_parser("demo")
    demo.add_argument("only", nargs="*", help="slugs; everything when none is named")
    token = commands.add_parser("token")
    token.add_argument("--email", required=True)
    commands.add_parser("rotate-keys")
    given = parser.parse_args(arguments)
    display = Display()
    try:
        return _run(given, display)
    except LocalCloudError as problem:
        display.line("✗", str(problem))
        return 1
    except KeyboardInterrupt:
        return 130


def _run(given: argparse.Namespace, display: Display) -> int:
    layout = Layout.from_env()
    match given.command:
        case "up" if given.detach:
            flags = ["--no-first-agent"] if given.no_first_agent else []
            control.start_detached(layout, flags, display)
        case "up":
            supervisor = Supervisor(layout, display, first_agent=not given.no_first_agent)
            return asyncio.run(supervisor.run())
        case "down":
            control.stop(layout, display)
        case "status":
            return control.status(layout, display)
        case "reset":
            control.reset(layout, display)
        case "logs":
            control.logs(layout, given.part, follow=not given.no_follow, lines=given.lines)
        case "demo":
            made = publish_gallery(layout.web_url, lambda text: display.line("✓", text), given.only)
            display.line("✓", f"{len(made)} published; {layout.web_url}/marketplace shows them.")
        case "token":
            # Only the token, so that a script can take it.
            print(api_token(layout, given.email, name="make token"))
        case "rotate-keys":
            return keys.main(["--stage", STAGE, "--target", str(layout.target)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
