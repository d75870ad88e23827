"""The yard with its real ground: agents run isolated, and nothing of them outlives the yard."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import sandbox
from tests.contract.yard_harness import ENVIRONMENT, Yard, running, server

RUN = "exec python3 main.py"


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    try:
        usable = sandbox.probe(folder / "probe").usable
    except sandbox.NoIsolation:
        usable = False
    if not usable:
        pytest.skip("agents cannot be isolated on this machine")
    with running(folder, isolated=True) as one:
        yield one


def test_the_isolation_is_told(yard: Yard) -> None:
    isolation = yard.status()["isolation"]
    assert isolation["tier"] in sandbox.spec.TIERS
    assert isolation["name"]


def test_an_agent_runs_and_is_deployed_again(yard: Yard) -> None:
    service = yard.service("quick", yard.push(server(), command=RUN), healthcheckPath="/")
    service.up()
    service.up()
    assert service.get("/").status_code == 200


def test_an_agent_cannot_reach_the_yard(yard: Yard) -> None:
    code = (
        "import socket\n"
        f"for port in ({yard.config['graphql_port']}, {yard.config['registry_port']}):\n"
        "    try:\n"
        "        socket.create_connection(('127.0.0.1', port), 1)\n"
        "        print('reached', flush=True)\n"
        "    except OSError as exc:\n"
        "        print('no way', flush=True)\n"
    )
    service = yard.service("curious", yard.push({"app/main.py": code}, command=RUN))
    deployment = service.deploy()
    deadline = time.monotonic() + 45
    while service.logs(deployment).count("no way") < 2:
        assert time.monotonic() < deadline, service.logs(deployment)
        time.sleep(0.05)
    assert "reached" not in service.logs(deployment)


def test_an_agent_that_wants_too_much_memory_is_ended_and_the_log_says_why(yard: Yard) -> None:
    code = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(10_000_000))\n"
    service = yard.service(
        "greedy", yard.push({"app/main.py": code}, command=RUN), restartPolicyMaxRetries=0
    )
    yard.gql(
        "mutation($i: ServiceInstanceLimitsUpdateInput!)"
        " { serviceInstanceLimitsUpdate(input: $i) }",
        i={"serviceId": service.id, "environmentId": ENVIRONMENT, "memoryGB": 0.1},
    )
    deployment = service.deploy()
    service.wait(deployment, "CRASHED", seconds=30)
    text = "\n".join(service.logs(deployment))
    assert "Out of memory" in text or "MemoryError" in text


def test_dependencies_are_there_and_cannot_be_changed(yard: Yard) -> None:
    service = yard.service(
        "shared",
        yard.push(
            {"app/.venv/lib/greeting.py": "WORD = 'shared'\n"},
            {"app/main.py": "import greeting; print(greeting.WORD)"},
            command="touch .venv/lib/x; touch own && echo writable;"
            " PYTHONPATH=/app/.venv/lib python3 main.py",
        ),
    )
    deployment = service.deploy()
    deadline = time.monotonic() + 45
    while not service.read(deployment)["deploymentStopped"]:
        assert time.monotonic() < deadline, service.logs(deployment)
        time.sleep(0.05)
    lines = service.logs(deployment)
    assert "shared" in lines
    assert "writable" in lines
    assert any("Read-only file system" in one for one in lines)


def test_a_read_only_app_is_readable_to_its_own_user(yard: Yard) -> None:
    files = {"app/main.py": "import pkg.sub.word", "app/pkg/sub/word.py": "print('read', 7)"}
    dependencies = {"app/.venv/lib/one.py": ""}
    service = yard.service(
        "read-only",
        yard.push(
            dependencies,
            files,
            command="cat .venv/lib/one.py && touch own; exec python3 main.py",
            labels={"slipway.writable": "false"},
        ),
    )
    deployment = service.deploy()
    deadline = time.monotonic() + 45
    while "read 7" not in service.logs(deployment):
        assert time.monotonic() < deadline, service.logs(deployment)
        time.sleep(0.05)
    assert any("Read-only file system" in one for one in service.logs(deployment))


def test_other_users_read_nothing_that_the_yard_writes(yard: Yard) -> None:
    yard.service("written", yard.push(server(), command=RUN), healthcheckPath="/").up()
    data = Path(yard.config["data_dir"])
    closed = {"yard.sqlite", "yard.sqlite-wal", "logs", "registry", "layers", "apps"}
    assert closed <= {entry.name for entry in data.iterdir()}
    open_to_others = [name for name in closed if (data / name).stat().st_mode & 0o077] + [
        str(Path(folder, name))
        for top in ("logs", "registry")
        for folder, folders, files in os.walk(data / top)
        for name in (*folders, *files)
        if Path(folder, name).stat().st_mode & 0o077
    ]
    assert not open_to_others


def test_a_killed_yard_leaves_nothing_running_and_brings_all_back(
    yard: Yard, tmp_path: Path
) -> None:
    with running(tmp_path, isolated=True) as own:
        marker = f"orphan_{tmp_path.name}_{time.time_ns()}"
        image = own.push(server(), command=f"exec python3 main.py {marker}")
        service = own.service("kept", image, healthcheckPath="/")
        deployment = service.up()
        assert processes(marker)
        own.kill()
        deadline = time.monotonic() + 45
        while processes(marker):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        own.start()
        deadline = time.monotonic() + 45
        while service.get("/").status_code != 200:
            assert time.monotonic() < deadline
        assert service.read(deployment)["status"] == "SUCCESS"
        own.stop()
        assert not processes(marker)


def processes(marker: str) -> list[str]:
    """Processes with a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if re.search(rf"\b{marker}\b", words):
            found.append(words)
    return found
