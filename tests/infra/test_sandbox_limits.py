"""What a greedy program gets: its share, and then an end that says why."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.sandbox import Isolation, Limits, Sandbox, Spec, remove
from infra.local.sandbox.trees import give
from tests.infra import sandbox_ground as ground

# The counted classes the kernel keeps for us; without them the watchdog must do.
CONTROL_GROUPS = {"memory", "pids", "cpu"}

HOG = [
    "python3",
    "-c",
    "import time\nx = [bytearray(b'x') * (1 << 20) for _ in range(%d)]\ntime.sleep(30)",
]
HERD = (
    "import os, time\n"
    "for _ in range(8):\n"
    "    if os.fork() == 0:\n"
    "        kept = [bytearray(b'x') * (1 << 20) for _ in range(40)]\n"
    "        time.sleep(30)\n"
    "time.sleep(600)\n"
)
SHARED = (
    "import mmap, time\n"
    "area = mmap.mmap(-1, 400 << 20)\n"
    "for at in range(0, len(area), 4096): area[at] = 1\n"
    "time.sleep(600)\n"
)
BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
FILL = (
    "import itertools\n"
    "for n in itertools.count():\n"
    "    open(f'/app/fill{n}', 'wb').write(b'x' * (8 << 20))\n"
)
MANY = "import itertools\nfor n in itertools.count(): open(f'/app/f{n}', 'w').close()\n"
DEEP = (
    "import os, time\n"
    "for n in range(3000):\n"
    "    os.mkdir('d' * 200); os.chdir('d' * 200)\n"
    "time.sleep(600)\n"
)
HIDDEN = (
    "import os, time\n"
    "os.mkdir('/app/locked'); open('/app/locked/fill', 'wb').write(b'x' * (64 << 20))\n"
    "os.chmod('/app/locked', 0)\n"
    "time.sleep(600)\n"
)


@pytest.fixture(scope="module", params=["as it is", "without control groups"])
def box(request: pytest.FixtureRequest, isolation: Isolation, state: Path) -> Iterator[Sandbox]:
    chosen = isolation
    if request.param != "as it is":
        chosen = replace(isolation, features=isolation.features - CONTROL_GROUPS)
        if chosen == isolation:
            pytest.skip("there are none on this machine")
    with Sandbox(chosen, state) as made:
        yield made


@pytest.mark.parametrize(
    "code", [HOG[2] % 400, HERD, SHARED], ids=["one process", "many processes", "shared memory"]
)
def test_too_much_memory_ends_it_and_says_so(box: Sandbox, code: str) -> None:
    with ground.app() as folder:
        limits = Limits(memory_mb=160, processes=32)
        run = box.start(Spec(app=folder, command=["python3", "-c", code], limits=limits))
        ended = run.wait(45)
        oom = run.oom
        run.kill()
    assert oom
    assert ended == -signal.SIGKILL, "all of it, not one process of many"


def test_a_modest_program_is_left_alone(box: Sandbox) -> None:
    with ground.app() as folder:
        limits = Limits(memory_mb=160)
        run = box.start(Spec(app=folder, command=["python3", "-c", HOG[2] % 60], limits=limits))
        assert run.wait(1.5) is None
        assert not run.oom
        run.kill()
        assert not run.oom, "being ended by us is not want of memory"


def test_memory_beyond_every_limit_is_refused_at_once(box: Sandbox) -> None:
    with ground.app() as folder:
        code = "bytearray(1 << 30)"
        spec = Spec(app=folder, command=["python3", "-c", code], limits=Limits(memory_mb=160))
        ended, said = ground.outcome(box, spec)
    assert ended == 1
    assert "MemoryError" in said


def test_a_fork_bomb_stays_within_its_share(box: Sandbox) -> None:
    with ground.app() as folder:
        limits = Limits(processes=40)
        run = box.start(Spec(app=folder, command=["python3", "-c", BOMB], limits=limits))
        assert run.wait(1.0) is None
        assert 30 <= run.stats().processes <= 40
        # The machine itself can still start what it likes.
        assert ground.outcome(box, Spec(app=folder, command=["true"]))[0] == 0
        run.kill()
        assert run.wait(0) == -signal.SIGKILL


@pytest.mark.parametrize(
    "code", [FILL, MANY, DEEP, HIDDEN], ids=["big files", "many files", "too deep", "locked"]
)
def test_a_full_disk_ends_it_and_says_so(box: Sandbox, code: str) -> None:
    with ground.app() as folder:
        limits = Limits(disk_mb=32)
        spec = Spec(app=folder, command=["python3", "-c", code], limits=limits, writable=True)
        run = box.start(spec)
        ended = run.wait(120)
        full = run.disk_full
        run.kill()
    assert ended == -signal.SIGKILL
    assert full


def test_one_file_has_a_largest_size(box: Sandbox) -> None:
    with ground.app() as folder:
        limits = Limits(file_mb=4)
        command = ["sh", "-c", "head -c 9000000 /dev/zero > big; stat -c %s big"]
        spec = Spec(app=folder, command=command, limits=limits, writable=True)
        _, said = ground.outcome(box, spec)
    assert said.split()[-1] == str(4 << 20)


def test_processor_time_has_an_end(box: Sandbox) -> None:
    with ground.app() as folder:
        limits = Limits(cpu_seconds=1)
        spec = Spec(app=folder, command=["python3", "-c", "while True: pass"], limits=limits)
        ended, _ = ground.outcome(box, spec)
    assert ended in (-signal.SIGKILL, -signal.SIGXCPU)


def test_a_share_of_the_processors_is_kept(isolation: Isolation, state: Path) -> None:
    if "cpu" not in isolation.features:
        pytest.skip("no writable cpu control group")
    with Sandbox(isolation, state) as box, ground.app() as folder:
        limits = Limits(cpus=0.2)
        spec = Spec(app=folder, command=["python3", "-c", "while True: pass"], limits=limits)
        run = box.start(spec)
        run.wait(2.0)
        used = run.stats().cpu_seconds
        run.kill()
    assert used < 0.9


def test_control_groups_are_taken_away(isolation: Isolation, state: Path) -> None:
    with Sandbox(isolation, state) as box, ground.app() as folder:
        run = box.start(Spec(app=folder, command=["sleep", "600"]))
        groups = list(run._group.folders.values())
        run.kill()
    assert not any(group.exists() for group in groups)


def test_a_folder_can_be_removed_whatever_a_program_made_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    (folder / "link").symlink_to(kept)
    (folder / "locked").mkdir()
    (folder / "locked/file").write_text("x")
    (folder / "locked").chmod(0)
    deep = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 100, dir_fd=deep)  # no path is that long
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    remove(folder)
    assert not folder.exists()
    assert (kept / "file").read_text() == "kept"
    remove(folder)  # twice is nothing


def test_giving_a_folder_follows_no_link_and_shares_no_file(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "app"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/link").symlink_to(outside)
    (folder / "inner/hard").hardlink_to(outside)
    (folder / "inner/file").write_text("x")
    give(folder, 1_900_000_000)
    assert outside.stat().st_uid == 0
    assert outside.stat().st_nlink == 1
    assert (folder / "inner/hard").read_text() == "mine"
    for path in (folder, folder / "inner", folder / "inner/file", folder / "inner/hard"):
        assert path.stat().st_uid == 1_900_000_000
    assert (folder / "inner/link").lstat().st_uid == 1_900_000_000
