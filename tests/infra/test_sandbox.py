"""The life of a sandbox: start, talk, signal, end, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.sandbox import (
    BadSpec,
    Isolation,
    Limits,
    NoIsolation,
    Run,
    Sandbox,
    SandboxFailed,
    Spec,
    orders,
    probe,
    processes,
)
from tests.infra import sandbox_ground as ground

SERVER = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"hello")
    def log_message(self, *_): pass
def leave(*_):
    print("leaving", flush=True); sys.exit(3)
signal.signal(signal.SIGTERM, leave)
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    address_family = __import__("socket").AF_INET6 if ":" in os.environ["HOST"] else 2
Server((os.environ["HOST"], 8000), Handler).serve_forever()
"""


@pytest.fixture
def box(isolation: Isolation, state: Path) -> Iterator[Sandbox]:
    with Sandbox(isolation, state) as made:
        yield made


def until(condition: Callable[[], object], within: float = 45) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def serving(box: Sandbox, folder: Path, command: list[str], host: str = "0.0.0.0") -> Run:  # noqa: S104
    run, run_said = ground.started(box, Spec(app=folder, command=command, env={"HOST": host}))
    run.said = run_said  # type: ignore[attr-defined]
    until(lambda: 8000 in run.listening())
    return run


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 41"], 41),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["sh", "-c", "nothing-of-that-name"], 127),
    ],
)
def test_the_exit_code_is_the_programs(box: Sandbox, command: list[str], code: int) -> None:
    with ground.app() as folder:
        assert ground.outcome(box, Spec(app=folder, command=command))[0] == code


def test_a_program_starts_with_a_clean_environment(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_SECRET", "s3cret")
    with ground.app() as folder:
        spec = Spec(app=folder, command=["sh", "-c", "env; pwd; id -u"], env={"GIVEN": "a b\nc"})
        _, said = ground.outcome(box, spec)
    assert "s3cret" not in said
    assert "GIVEN=a b\nc" in said
    assert "HOME=/home/agent" in said
    assert said.splitlines()[-2:] == ["/app", "1000"]


def test_variables_are_not_on_any_command_line(box: Sandbox) -> None:
    with ground.app() as folder:
        run = box.start(Spec(app=folder, command=["sleep", "30"], env={"TOKEN": "v3ry-s3cret"}))
        lines = [
            path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()
        ]
        run.kill()
    assert not any(b"v3ry-s3cret" in line for line in lines)


def test_an_app_folder_is_read_only_unless_asked(box: Sandbox) -> None:
    with ground.app({"kept": "1"}) as folder:
        command = ["sh", "-c", "echo 2 > kept; echo 3 > made; cat kept"]
        _, said = ground.outcome(box, Spec(app=folder, command=command))
        assert said.splitlines()[-1] == "1"
        ground.outcome(box, Spec(app=folder, command=command, writable=True))
        assert (folder / "kept").read_text() == "2\n"
        assert (folder / "made").read_text() == "3\n"


def test_folders_files_and_contents_can_be_bound(box: Sandbox) -> None:
    with ground.app() as folder, ground.app({"x/y": "deep", "one": "file"}) as other:
        spec = Spec(
            app=folder,
            command=["sh", "-c", "cat /data/x/y /opt/one /home/agent/.note note; : >/data/z"],
            binds=(
                (other, "/data", True),
                (other / "one", "/opt/one", True),
                (b"content\n", "/home/agent/.note", True),
                (b"noted", "/app/note", True),
            ),
        )
        (folder / "note").touch()
        _, said = ground.outcome(box, spec)
    assert "deepfile" in said
    assert "content\nnoted" in said
    assert not (other / "z").exists()


def test_a_writable_bind_can_be_written_to(box: Sandbox) -> None:
    with ground.app() as folder, ground.app({"old": "1"}) as cache:
        spec = Spec(
            app=folder,
            command=["sh", "-c", "echo 2 > /cache/old && echo 3 > /cache/new"],
            binds=((cache, "/cache", False),),
        )
        assert ground.outcome(box, spec)[0] == 0
        assert (cache / "new").read_text() == "3\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::1"])  # noqa: S104
def test_the_platform_reaches_the_program_and_nobody_else_does(box: Sandbox, host: str) -> None:
    with ground.app({"serve.py": SERVER}) as folder:
        run = serving(box, folder, ["python3", "serve.py"], host)
        for _ in range(20):  # more than one handful of sockets
            with run.connect(8000, 5) as near:
                near.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert near.recv(9) == b"HTTP/1.0 "
        with pytest.raises(ConnectionRefusedError):
            run.connect(8001, 2)
        if "net" in box.isolation.features:
            with (
                pytest.raises(ConnectionRefusedError),
                socket.create_connection(("127.0.0.1", 8000), 1),
            ):
                pass
        assert run.listening() == [8000]
        run.kill()
        with pytest.raises(ConnectionRefusedError):
            run.connect(8000, 1)
        assert run.listening() == []


def test_it_tells_what_it_uses(box: Sandbox) -> None:
    with ground.app({"serve.py": SERVER, "data": "x" * 100_000}) as folder:
        command = ["sh", "-c", "python3 -c 'sum(range(10**7))'; python3 serve.py"]
        run = serving(box, folder, command)
        stats = run.stats()
        run.kill()
    assert stats.processes == 2
    assert 5 << 20 < stats.rss_bytes < 100 << 20
    assert stats.cpu_seconds > 0.05, "children that have ended count too"


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "serve.py"],
        ["sh", "-c", "python3 serve.py"],
        ["sh", "-c", "cd /app && sh -c 'python3 serve.py; exit $?'; exit $?"],
    ],
    ids=["itself", "exec", "behind shells"],
)
def test_a_signal_reaches_the_program_behind_its_shells(box: Sandbox, command: list[str]) -> None:
    with ground.app({"serve.py": SERVER}) as folder:
        run = serving(box, folder, command)
        run.signal(signal.SIGTERM)
        assert run.wait(45) == 3
        assert "leaving" in run.said()  # type: ignore[attr-defined]


def test_ending_it_ends_everything_it_started(box: Sandbox) -> None:
    hide = (
        "import os,time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(600)\n"
        "        os._exit(0)\n"
        "time.sleep(600)\n"
    )
    with ground.app({"hide.py": hide}) as folder:
        run = box.start(Spec(app=folder, command=["python3", "hide.py"]))
        until(lambda: run.stats().processes >= 4)
        everything = processes.tree(run.inner)
        run.kill()
        assert run.wait(0) == -signal.SIGKILL
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything))


def test_it_dies_with_the_platform(isolation: Isolation, state: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from infra.local.sandbox import *
import time
box = Sandbox(probe(Path({str(state)!r})), Path({str(state)!r}))
run = box.start(Spec(app=Path(sys.argv[1]), command=["sleep", "600"]))
from infra.local.sandbox import processes
while len(processes.tree(run.inner)) < 2:
    time.sleep(0.01)
print(*processes.tree(run.inner), run.pid, box._nursery.pid, flush=True)
time.sleep(600)
"""
    with ground.app() as folder:
        with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as own:
            assert own.stdout is not None
            pids = own.stdout.readline().split()
            own.kill()
        assert len(pids) >= 4
        until(lambda: not any(Path(f"/proc/{pid.decode()}").exists() for pid in pids))


def test_it_dies_with_its_helper_and_another_helper_takes_over(box: Sandbox) -> None:
    with ground.app() as folder:
        run = box.start(Spec(app=folder, command=["sleep", "600"]))
        os.kill(box._nursery.pid, signal.SIGKILL)
        assert run.wait(45) == -signal.SIGKILL
        until(lambda: not Path(f"/proc/{run.inner}").exists())
        assert ground.outcome(box, Spec(app=folder, command=["sh", "-c", "exit 4"]))[0] == 4


def test_many_starts_leave_nothing_open(box: Sandbox, state: Path) -> None:
    with ground.app() as folder:
        spec = Spec(app=folder, command=["true"])
        for _ in range(5):
            box.start(spec).wait(45)
        ours, its = ground.descriptors(), list(Path(f"/proc/{box._nursery.pid}/fd").iterdir())
        for _ in range(100):
            assert box.start(spec).wait(45) == 0
        until(lambda: len(ground.descriptors()) <= len(ours))
        until(lambda: len(list(Path(f"/proc/{box._nursery.pid}/fd").iterdir())) <= len(its))
        children = Path(f"/proc/{box._nursery.pid}/task/{box._nursery.pid}/children")
        until(lambda: not children.read_text().split())
    assert not list((state / "sandbox").glob("homes/*"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": []},
        {"app": Path("/nowhere")},
        {"env": {"A=B": "1"}},
        {"env": {"A": "nul\0"}},
        {"command": ["a\0b"]},
        {"binds": ((Path("/nowhere"), "/data", True),)},
        {"binds": ((Path("/usr"), "data", True),)},
        {"binds": ((Path("/usr"), "/data/../app", True),)},
    ],
)
def test_a_spec_that_cannot_be_followed_is_refused(box: Sandbox, wrong: dict[str, object]) -> None:
    with ground.app() as folder:
        spec = {"app": folder, "command": ["true"], **wrong}
        with pytest.raises(BadSpec):
            box.start(Spec(**spec))  # type: ignore[arg-type]


def test_a_link_is_never_bound_not_even_one_that_appears_after_the_check(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to("/root")
    with ground.app() as folder:
        spec = Spec(app=folder, command=["ls", "/data"], binds=((link, "/data", True),))
        with pytest.raises(BadSpec, match="is a link"):
            box.start(spec)
        if box.isolation.tier.startswith("bwrap"):
            monkeypatch.setattr(orders, "_check_binds", lambda _spec: None)
            with pytest.raises(SandboxFailed, match="no link is bound"):
                box.start(spec)


def test_a_sandbox_that_cannot_be_built_says_why_and_leaves_nothing(box: Sandbox) -> None:
    if not box.isolation.tier.startswith("bwrap"):
        pytest.skip("only bubblewrap refuses a bind")
    before = len(ground.descriptors())
    with ground.app() as folder:
        spec = Spec(app=folder, command=["true"], binds=((folder, "/proc/self/x", True),))
        # It is refused at the start, or ends at once: bubblewrap finds out while it is set up.
        try:
            code, said = ground.outcome(box, spec)
        except SandboxFailed as error:
            code, said = 1, error.detail
    assert code == 1
    assert "bwrap" in said or "bubblewrap" in said
    until(lambda: len(ground.descriptors()) <= before)


def test_output_that_is_not_text_passes(box: Sandbox) -> None:
    with ground.app() as folder:
        spec = Spec(app=folder, command=["printf", "a\\377\\000b"])
        assert ground.outcome(box, spec) == (0, "a�\0b")


def test_without_isolation_nothing_is_started(state: Path) -> None:
    none = Isolation("none", "no isolation", usable=False, reason="This machine offers nothing.")
    with pytest.raises(NoIsolation, match="offers nothing"):
        Sandbox(none, state)


def test_a_machine_that_offers_nothing_is_refused_with_advice(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALLOW_UNSANDBOXED_AGENTS", raising=False)
    broken = Isolation("bwrap", "a broken tier", program="/nowhere/bwrap")
    found = probe(state, among=[broken])
    assert not found.usable
    assert "a broken tier: bubblewrap is no longer at /nowhere/bwrap" in found.reason
    assert "ALLOW_UNSANDBOXED_AGENTS=1" in found.reason


def test_a_person_may_insist_on_no_isolation(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_UNSANDBOXED_AGENTS", "1")
    found = probe(state, among=[])
    assert (found.tier, found.usable) == ("bare", True)
    assert found.missing, "what that means is said"
    with Sandbox(found, state) as box, ground.app() as folder:
        assert ground.outcome(box, Spec(app=folder, command=["sh", "-c", "exit 6"]))[0] == 6


def test_a_closed_sandbox_starts_nothing(isolation: Isolation, state: Path) -> None:
    box = Sandbox(isolation, state)
    with ground.app() as folder:
        run = box.start(Spec(app=folder, command=["sleep", "600"], limits=Limits()))
        box.close()
        assert run.wait(45) == -signal.SIGKILL
        with pytest.raises(SandboxFailed):
            box.start(Spec(app=folder, command=["true"]))
