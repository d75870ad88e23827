"""Knows what a person does with a local cloud that is up, or was: down, status, logs, reset."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from infra.local.cloud import Cloud
from infra.local.display import Display
from infra.local.layout import ROOT, Layout, LocalCloudError
from infra.local.up import end_leftovers, process_birth

FUNCTIONS = (
    "api",
    "on-upload",
    "on-build",
    "on-change",
    "on-task",
    "deploy-step",
    "reconcile",
    "on-listing",
)
_STOP_LIMIT = 90.0


def start_detached(layout: Layout, arguments: list[str], display: Display) -> None:
    """Start a supervisor that outlives this program; return when everything is live."""
    layout.make()
    log = layout.logs / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local", "up", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    with log.open() as said:
        while True:
            ended = process.poll() is not None
            for line in said:
                if not line.startswith("Ctrl-C"):
                    print(line, end="", flush=True)
            if ended:
                raise LocalCloudError(f"The local cloud did not come up. Its log: {log}")
            there = layout.read(layout.supervisor)
            # A record that a killed supervisor left behind says nothing about this one.
            if there.get("pid") == process.pid and there.get("state") == "live":
                for line in said:
                    if not line.startswith("Ctrl-C"):
                        print(line, end="", flush=True)
                display.say("It runs in the background; `make down` stops it.")
                return
            time.sleep(0.1)


def stop(layout: Layout, display: Display) -> None:
    """Stop a supervisor and wait until everything is saved."""
    there = layout.read(layout.supervisor)
    pid = there.get("pid")
    if pid and process_birth(pid) == there.get("born"):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_LIMIT
        while process_birth(pid) == there["born"]:
            if time.monotonic() > deadline:
                raise LocalCloudError(
                    f"The supervisor (process {pid}) has not ended within {_STOP_LIMIT:.0f} s. "
                    f"`kill -9 {pid}` ends it; what was saved stays."
                )
            time.sleep(0.05)
        display.line("✓", "Stopped; everything is saved")
        return
    if there:
        end_leftovers(layout)
        layout.supervisor.unlink(missing_ok=True)
        display.line("✓", "The supervisor had been killed; stopped what it left")
        return
    display.say("The local cloud is not up.")


def reset(layout: Layout, display: Display) -> None:
    """Forget everything this local cloud has kept; the tools stay installed."""
    stop(layout, display)
    if not layout.data.exists():
        display.say("There is nothing to forget.")
        return
    if not (layout.data / "lock").exists():
        raise LocalCloudError(f"{layout.data} does not look like a local cloud; nothing removed.")
    with (layout.data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalCloudError("The local cloud is coming up; stop it first.") from None
        _remove(layout.data)
    display.line("✓", f"Forgot everything in {layout.data}")


def status(layout: Layout, display: Display) -> int:
    """Say how everything is; the exit code is 0 only when it is live."""
    there = layout.read(layout.supervisor)
    pid = there.get("pid")
    if not pid or process_birth(pid) != there.get("born"):
        display.say("The local cloud is not up; `make up` starts it.")
        if there:
            display.say("Its supervisor was killed; `make up` takes up what it left.")
        return 3
    display.say(f"Slipway is {there['state']} on {there['web_url']} (supervisor {pid})")
    ports = layout.ports
    addresses = {
        "aws": str(ports.aws),
        "yard": f"{ports.graphql}, {ports.codebuild}, {ports.registry}",
        "web": str(ports.web),
    }
    for name, part in there["parts"].items():
        alive = part["pid"] and process_birth(part["pid"]) == part["born"]
        again = f", started again {part['restarts']} times" if part["restarts"] else ""
        state = f"process {part['pid']}" if alive else "not running"
        where = f"port {addresses.get(name, '')}{again}; log {part['log']}"
        display.say(f"  {part['title']:<18} {state}, {where}")
    _isolation(there.get("isolation") or {}, display)
    seen = _seen(layout)
    if seen is None:
        display.say("  The web server does not answer; `make logs PART=web` may say why.")
        return 1
    display.say(f"  Stack              {seen['stack']['name']}: {seen['stack']['status']}")
    agents = seen.get("agents")
    if agents is None:
        display.say("  Agents             unknown: the yard does not answer")
    else:
        display.say(f"  Agents             {len(agents) or 'none'}")
        for agent in agents:
            display.say(f"    {agent['name']:<28} {agent['status']:<10} {agent.get('url') or ''}")
    display.say(f"  Mailbox            {layout.web_url}/local/mailbox")
    return 0 if there["state"] == "live" else 1


def logs(layout: Layout, part: str | None, *, follow: bool, lines: int) -> None:
    """Show what a part, or a function, or everything has said."""
    if part in FUNCTIONS:
        _function_logs(layout, part, follow=follow, lines=lines)
        return
    files = sorted(layout.logs.glob("*.log"))
    names = [file.stem for file in files if not file.stem.endswith(".old")]
    if part is not None and part not in names:
        raise LocalCloudError(
            f"There is no log of {part!r}. Parts: {', '.join(names) or 'none yet'}. "
            f"Functions: {', '.join(FUNCTIONS)}."
        )
    shown = [str(layout.logs / f"{name}.log") for name in ([part] if part else names)]
    if not shown:
        raise LocalCloudError("There are no logs yet; `make up` makes them.")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *shown]
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(command, check=False)


def _function_logs(layout: Layout, function: str, *, follow: bool, lines: int) -> None:
    cloud = Cloud(layout)
    seen: set[tuple[int, str]] = set()
    latest = 0
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            new = [one for one in cloud.function_logs(function, latest) if one not in seen]
            for moment, line in new[-lines:] if not seen else new:
                print(time.strftime("%H:%M:%S", time.localtime(moment / 1000)), line, flush=True)
            seen.update(new)
            latest = max([latest, *(moment for moment, _ in new)])
            if not follow:
                return
            time.sleep(1)


def _isolation(isolation: dict[str, Any], display: Display) -> None:
    if not isolation:
        return
    display.say(f"  Isolation          {isolation.get('name')} (tier {isolation.get('tier')})")
    for missing in isolation.get("missing") or ():
        display.say(f"    missing: {missing}")


def _seen(layout: Layout) -> dict[str, Any] | None:
    try:
        answer = httpx.get(f"{layout.web_url}/local/status", timeout=10, trust_env=False)
        document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return document


def _remove(folder: Path) -> None:
    """Remove a tree in which agents may have left folders that may not be entered."""

    def open_and_retry(function: Any, path: str, _error: Any) -> None:
        with contextlib.suppress(OSError):
            os.chmod(Path(path).parent, 0o700)  # noqa: PTH101 - path may be a file
            os.chmod(path, 0o700, follow_symlinks=True)  # noqa: PTH101
            function(path)

    shutil.rmtree(folder, onerror=open_and_retry)
    if folder.exists():
        raise LocalCloudError(
            f"{folder} could not be removed entirely; files in it belong to another user. "
            f"`sudo rm -rf '{folder}'` removes them."
        )
