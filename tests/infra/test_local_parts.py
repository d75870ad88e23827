"""The pieces of the supervisor: snapshots, ports, settings, and parts that come back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.local import settings
from infra.local.display import Display
from infra.local.layout import Layout, LocalCloudError, Ports, check_ports, write_private
from infra.local.parts import Part
from infra.local.snapshot import Generations
from infra.local.up import end_leftovers, hold_lock, process_birth
from infra.local.yard.config import parse
from infra.target import local_target
from tests.e2e.conftest import free_ports

# ---- snapshots -------------------------------------------------------------------------------


def encode(name: str, state: Any) -> bytes:
    return json.dumps([name, state]).encode()


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    return Generations(tmp_path, encode)


def kept(generations: Generations) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text())[1] for path in generations.current.iterdir()}


def save(generations: Generations, **states: Any) -> bool:
    return generations.write(
        generations.collect({name: partial(deepcopy, state) for name, state in states.items()})
    )


def test_a_snapshot_holds_every_service_and_only_one_is_kept(generations: Generations) -> None:
    assert save(generations, s3=1, dynamodb=1)
    assert save(generations, s3=1, dynamodb=2)
    assert kept(generations) == {"s3": 1, "dynamodb": 2}
    assert len(list(generations.folder.glob("generation-*"))) == 1


def test_nothing_is_written_when_nothing_has_changed(generations: Generations) -> None:
    save(generations, s3=1)
    before = generations.current.resolve()
    assert not save(generations, s3=1)
    assert generations.current.resolve() == before


def test_a_service_that_could_not_be_read_keeps_what_it_had(generations: Generations) -> None:
    save(generations, s3=1, ses=1)
    save(generations, s3=2, ses=None)
    assert kept(generations) == {"s3": 2, "ses": 1}


def test_a_service_that_changes_while_it_is_read_is_read_again(generations: Generations) -> None:
    attempts = iter([RuntimeError("dictionary changed size"), RuntimeError("again"), 7])

    def read() -> Any:
        given = next(attempts)
        if isinstance(given, Exception):
            raise given
        return given

    generations.write(generations.collect({"states": read}))
    assert kept(generations) == {"states": 7}


def test_what_a_crash_left_half_written_is_never_read(tmp_path: Path) -> None:
    first = Generations(tmp_path, encode)
    save(first, s3=1)
    half = tmp_path / "generation-00000002"
    half.mkdir()
    (half / "s3.json").write_text('["s3", ')
    (tmp_path / "current.next").symlink_to("generation-00000002")
    again = Generations(tmp_path, encode)
    assert kept(again) == {"s3": 1}
    assert not half.exists()
    save(again, s3=3)
    assert kept(again) == {"s3": 3}


def test_what_did_not_reach_the_disk_counts_as_changed(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            save(generations, s3=1)
    assert save(generations, s3=1)
    assert kept(generations) == {"s3": 1}


# ---- layout ----------------------------------------------------------------------------------


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    ports = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.registry))
        taken.listen()
        with pytest.raises(LocalCloudError) as refusal:
            check_ports(ports)
    said = str(refusal.value)
    assert f"Port {ports.registry} (the yard's registry)" in said
    assert f"make up SLIPWAY_PORT={ports.web + 1000}" in said


@pytest.mark.parametrize("port", ["http", "80", "65000", "-1"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    with pytest.raises(LocalCloudError, match="SLIPWAY_PORT"):
        Layout.from_env({"SLIPWAY_PORT": port})


def test_empty_settings_are_the_defaults() -> None:
    layout = Layout.from_env({"SLIPWAY_PORT": "", "SLIPWAY_DATA": ""})
    assert layout.ports == Ports(8800)
    assert layout.data.parts[-2:] == (".local", "data")


def test_credentials_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", Ports())
    layout.make()
    credentials = layout.credentials()
    assert layout.credentials() == credentials
    assert layout.data.stat().st_mode & 0o777 == 0o700
    for name in ("credentials.json", "admin-token"):
        assert (layout.data / name).stat().st_mode & 0o777 == 0o600


def test_a_credential_that_an_earlier_version_did_not_have_is_made_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", Ports())
    layout.make()
    known = vars(layout.credentials())
    path = layout.data / "credentials.json"
    path.write_text(json.dumps({k: v for k, v in known.items() if k != "codebuild_secret"}))
    credentials = layout.credentials()
    assert layout.credentials() == credentials
    assert credentials.registry_password == known["registry_password"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "old")
    with path.open() as reading:
        write_private(path, "new")
        assert reading.read() == "old"
    assert path.read_text() == "new"


# ---- settings --------------------------------------------------------------------------------


def test_what_is_written_is_what_the_yard_and_the_deployment_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", Ports(20000))
    layout.make()
    settings.write(layout, layout.credentials(), {"tier": "bwrap"})
    yard = parse(json.loads(layout.yard_config.read_text()))
    assert (yard.graphql_port, yard.codebuild_port, yard.registry_port) == (20001, 20002, 20003)
    target = local_target(layout.target)
    assert target.codebuild_url == f"http://127.0.0.1:20002/{yard.codebuild.secret}"
    assert len(yard.codebuild.secret) > 20
    assert target.image_repository.startswith("127.0.0.1:20003/")
    assert target.railway_token == yard.tokens[0].token
    assert layout.target.stat().st_mode & 0o777 == 0o600


def test_images_of_an_earlier_port_stay_known(tmp_path: Path) -> None:
    for port in (20000, 21000):
        layout = Layout(tmp_path / "data", Ports(port))
        layout.make()
        settings.write(layout, layout.credentials(), {})
    yard = parse(json.loads(layout.yard_config.read_text()))
    assert {"127.0.0.1:20003", "127.0.0.1:21003"} <= yard.registry_hosts


def test_nothing_of_the_users_cloud_reaches_our_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("PIP_INDEX_URL", "kept")
    environment = settings.plain_environment()
    assert not [name for name in environment if name.startswith("AWS_")]
    assert environment["PIP_INDEX_URL"] == "kept"


# ---- one supervisor --------------------------------------------------------------------------


def test_only_one_supervisor_holds_a_data_directory(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", Ports())
    with hold_lock(layout):
        layout.supervisor.write_text(json.dumps({"pid": 7, "web_url": "http://localhost:1"}))
        again = hold_lock(layout)
        with pytest.raises(LocalCloudError, match=r"already up \(process 7, http://localhost:1\)"):
            again.__enter__()
    with hold_lock(layout):
        pass


def test_what_a_killed_supervisor_left_is_ended_and_nobody_else(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", Ports())
    layout.make()

    async def run() -> tuple[int | None, int | None]:
        sleep = ["sleep", "60"]
        ours = await asyncio.create_subprocess_exec(*sleep, start_new_session=True)
        other = await asyncio.create_subprocess_exec(*sleep, start_new_session=True)
        parts = {
            "aws": {"pid": ours.pid, "born": process_birth(ours.pid)},
            "yard": {"pid": other.pid, "born": 1},  # a number that was given again
            "web": {"pid": None, "born": None},
        }
        layout.supervisor.write_text(json.dumps({"parts": parts}))
        await asyncio.to_thread(end_leftovers, layout)
        ended = await asyncio.wait_for(ours.wait(), 5)
        still = other.returncode
        other.kill()
        await other.wait()
        return ended, still

    assert asyncio.run(run()) == (-signal.SIGTERM, None)


# ---- parts -----------------------------------------------------------------------------------

SERVER = """
import http.server, sys, signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def part(tmp_path: Path) -> tuple[Part, list[str]]:
    said: list[str] = []
    port = free_ports().web
    return (
        Part(
            name="one",
            title="The part",
            command=[sys.executable, "-c", SERVER, str(port)],
            log=tmp_path / "one.log",
            ready_url=f"http://127.0.0.1:{port}/",
            env={"PATH": os.environ["PATH"]},
            start_limit=10,
            stop_limit=3,
            said=said.append,
        ),
        said,
    )


def test_a_part_that_dies_is_back_within_a_second(part: tuple[Part, list[str]]) -> None:
    one, said = part
    called: list[int] = []

    async def note() -> None:
        called.append(one.restarts)

    async def run() -> None:
        one.restarted = note
        await one.start()
        before = one.pid
        assert before
        os.kill(before, signal.SIGKILL)
        for _ in range(200):
            if called:
                break
            await asyncio.sleep(0.05)
        assert one.pid not in {before, None}
        await one.stop()
        assert one.pid is None

    asyncio.run(run())
    assert called == [1]
    assert said[0] == "The part was ended by signal 9; starting it again"
    assert said[1].startswith("The part runs again")


def test_a_part_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    one = Part(
        name="one",
        title="The part",
        command=[sys.executable, "-c", "raise SystemExit('the disk is full')"],
        log=tmp_path / "one.log",
        ready_url="http://127.0.0.1:9/",
        env={},
    )
    with pytest.raises(LocalCloudError, match=r"The part ended at once .*: the disk is full") as it:
        asyncio.run(one.start())
    assert str(tmp_path / "one.log") in str(it.value)


def test_a_part_that_will_not_end_is_killed(tmp_path: Path, part: tuple[Part, list[str]]) -> None:
    one, said = part
    one.command = [
        *one.command[:2],
        SERVER.replace("sys.exit(0)", "None"),
        one.command[3],
    ]
    one.stop_limit = 0.5

    async def run() -> None:
        await one.start()
        await one.stop()

    asyncio.run(run())
    assert said == ["The part did not end within 0 s and was killed"]


# ---- display ---------------------------------------------------------------------------------


def test_steps_are_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = Display(sys.stdout)

    async def run() -> None:
        async with display.step("Do it"):
            await asyncio.sleep(0)
        with pytest.raises(ValueError, match="no"):
            async with display.step("Do that"):
                raise ValueError("no")

    asyncio.run(run())
    done, failed = capsys.readouterr().out.splitlines()
    assert done.startswith("✓")
    assert done.endswith("s  Do it")
    assert failed.startswith("✗")
    assert "\x1b" not in done + failed
