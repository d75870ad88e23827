"""Wrong input on the running local cloud: each ends in a stated state and says what to change."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest

from infra.local.first import Person
from tests.conftest import zipped
from tests.e2e import sources
from tests.e2e.conftest import LocalCloud


def tarred(name: str, **facts: Any) -> bytes:
    """A tar.gz with one odd member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        for key, value in facts.items():
            setattr(info, key, value)
        archive.addfile(info)
        page = b"<h1>x</h1>"
        index = tarfile.TarInfo("index.html")
        index.size = len(page)
        archive.addfile(index, io.BytesIO(page))
    return buffer.getvalue()


def many_files(count: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            archive.writestr(f"{number}.txt", b"")
    return buffer.getvalue()


def lying() -> bytes:
    """A zip whose directory states another size than is there."""
    whole = bytearray(zipped({"index.html": "<h1>" + "x" * 5000 + "</h1>"}))
    at = whole.rindex(b"PK\x01\x02")
    whole[at + 24 : at + 28] = (10).to_bytes(4, "little")
    return bytes(whole)


ARCHIVES: dict[str, tuple[str, bytes]] = {
    "corrupt": ("a.zip", zipped(sources.PAGE)[:-40]),
    "empty archive": ("a.zip", zipped({})),
    "zip slip": ("a.zip", zipped({"../../evil.py": "x", "index.html": "x"})),
    "absolute path": ("a.zip", zipped({"/etc/cron.d/evil": "x", "index.html": "x"})),
    "symbolic link": ("a.tar.gz", tarred("link", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "hard link": ("a.tar.gz", tarred("link", type=tarfile.LNKTYPE, linkname="/etc/shadow")),
    "device": ("a.tar.gz", tarred("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "bomb": ("a.zip", zipped({"index.html": "x", "zeros": b"\0" * 200_000_000})),
    "lying header": ("a.zip", lying()),
    "a hundred thousand files": ("a.zip", many_files(100_000)),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_bad_archive_is_rejected_and_says_why(
    cloud: LocalCloud, person: Person, agent: dict[str, Any], kind: str
) -> None:
    filename, content = ARCHIVES[kind]
    ended = ends(person, agent, filename, content, limit=40)
    assert ended["state"] == "rejected"
    assert ended["reasons"][0]["code"].startswith("archive_")
    assert len(ended["reasons"][0]["detail"]) > 20
    assert ended["image"] is None


SOURCES: dict[str, tuple[Mapping[str, str | bytes], str, str]] = {
    "no entry point": ({"notes.txt": "just words"}, "failed", "agent.yaml"),
    "wrong runtime": (
        {"agent.yaml": "name: X\nruntime: rust\n", "package.json": '{"name": "x"}'},
        "failed",
        "rust",
    ),
    "broken manifest": (
        {"agent.yaml": "name: X\nruntime: cobol\nport: 99999999\n", "main.py": ""},
        "failed",
        "runtime",
    ),
    "crash on start": (
        sources.python(main_py="raise SystemExit('cannot find my hat')"),
        "failed",
        "cannot find my hat",
    ),
    "exits at once with zero": (sources.python(main_py="print('done')"), "failed", "job"),
    "health answers 500": (
        sources.python("health:\n  path: /health\n", main_py=sources.server(status=500)),
        "failed",
        "500",
    ),
    "a port that never answers": (
        sources.python(
            "health:\n  path: /health\n  timeout_seconds: 5\n",
            main_py="import time\ntime.sleep(3600)\n",
        ),
        "failed",
        "PORT",
    ),
    "a variable that is missing": (
        sources.python(main_py=sources.server('os.environ["MY_API_KEY"]')),
        "failed",
        "MY_API_KEY",
    ),
    "a failing test": (
        sources.python(
            "tests:\n  - name: greets\n    request: {path: /}\n    expect: {text: hello}\n",
            main_py=sources.server(),
        ),
        "failed",
        "greets",
    ),
    "a secret in the source": (
        {
            **sources.PAGE,
            "config.py": 'KEY = "AKIAQ3EGTRWZXCVBNM12"\n' * 2
            + 'SECRET = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"\n',
        },
        "rejected",
        "config.py",
    ),
    "a fork bomb at build": (
        {
            **sources.python(
                "build:\n  command: 'sh -c \":(){ :|:& };:\"; sleep 2; exit 3'\n",
                main_py=sources.server(),
            )
        },
        "failed",
        "",
    ),
    "a build that fills the disk": (
        sources.python(
            "build:\n  command: head -c 3000000000 /dev/zero > big\n", main_py=sources.server()
        ),
        "failed",
        "",
    ),
    "output of many megabytes": (
        sources.python(
            "build:\n  command: yes aaaaaaaaaaaaaaaa | head -c 100000000; exit 1\n",
            main_py=sources.server(),
        ),
        "failed",
        "",
    ),
    "output that is not UTF-8": (
        sources.python(
            "build:\n  command: printf '\\377\\376 oops\\n'; exit 1\n", main_py=sources.server()
        ),
        "failed",
        "",
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_that_cannot_run_ends_and_says_what_to_change(
    cloud: LocalCloud, person: Person, agent: dict[str, Any], kind: str
) -> None:
    files, state, word = SOURCES[kind]
    ended = ends(person, agent, "agent.zip", zipped(files), limit=120)
    said = " ".join(f"{r['detail']} {r.get('file')}" for r in ended["reasons"])
    assert ended["state"] == state, said
    assert word in said
    assert len(ended["reasons"][0]["detail"]) > 20


def test_all_faults_of_a_manifest_come_at_once_with_their_lines(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    manifest = "name: X\nruntime: cobol\nport: 99999999\nhealth:\n  pth: /health\n"
    files = {"agent.yaml": manifest, "main.py": ""}
    ended = ends(person, agent, "agent.zip", zipped(files), limit=30)
    assert {reason["line"] for reason in ended["reasons"]} >= {2, 3, 5}


def test_an_upload_that_is_empty_or_too_large_is_refused_by_the_store(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match=r"refused \(4"):
        person.upload(agent["id"], "a.zip", b"", size=None)


def ends(
    person: Person, agent: dict[str, Any], filename: str, content: bytes, *, limit: float
) -> dict[str, Any]:
    version = person.upload(agent["id"], filename, content)
    return person.wait_for_version(agent["id"], version["id"], limit)
