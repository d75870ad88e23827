"""What a build says is masked, numbered, limited and heard, however S3 behaves."""

from __future__ import annotations

import base64
import json
import threading
import time
from urllib.parse import quote

import pytest

from infra.build.journal import Journal
from infra.build.masking import MASK, Masker
from infra.build.output import Output


class Shelf:
    """Where the journal puts things."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.names: list[str] = []
        self.broken = False
        self.slow = 0.0

    def put(self, name: str, body: bytes, _content_type: str) -> None:
        time.sleep(self.slow)
        if self.broken:
            raise OSError("S3 is away")
        self.files[name] = body
        self.names.append(name)

    def lines(self) -> list[dict[str, str]]:
        logs = sorted(name for name in self.files if name.startswith("build-log/"))
        return [json.loads(line) for name in logs for line in self.files[name].splitlines()]


def test_lines_arrive_in_order_and_the_report_comes_last() -> None:
    shelf = Shelf()
    journal = Journal(shelf.put, Masker(), log_bytes=10_000)
    journal.enter("scan")
    for number in range(50):
        journal.info(f"line {number}")
    journal.report({"state": "succeeded"})
    assert journal.close()
    assert [line["message"] for line in shelf.lines()] == [f"line {n}" for n in range(50)]
    assert {line["step"] for line in shelf.lines()} == {"scan"}
    assert shelf.names[-1] == "report.json"
    assert shelf.lines()[0]["timestamp"].endswith("Z")
    numbers = sorted(name for name in shelf.files if "log" in name)
    assert numbers == [f"build-log/{n:06d}.jsonl" for n in range(1, len(numbers) + 1)]


def test_the_first_line_is_there_at_once_and_later_ones_without_waiting_for_the_end() -> None:
    shelf = Shelf()
    journal = Journal(shelf.put, Masker(), log_bytes=10_000)
    journal.info("first")
    deadline = time.monotonic() + 45
    while not shelf.files and time.monotonic() < deadline:
        time.sleep(0.005)
    assert shelf.lines()[0]["message"] == "first"
    journal.info("second")
    while len(shelf.lines()) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert [line["message"] for line in shelf.lines()] == ["first", "second"]
    journal.close()


def test_a_slow_s3_never_holds_up_the_build() -> None:
    shelf = Shelf()
    shelf.slow = 0.3
    journal = Journal(shelf.put, Masker(), log_bytes=10_000_000)
    began = time.monotonic()
    for number in range(2000):
        journal.info(f"line {number}")
    # Two thousand lines at 0.3 s a call would take minutes if any of them waited.
    assert time.monotonic() - began < 30
    assert journal.close()
    assert len(shelf.lines()) == 2000


def test_what_could_not_be_stored_is_tried_again() -> None:
    shelf = Shelf()
    shelf.broken = True
    journal = Journal(shelf.put, Masker(), log_bytes=10_000)
    journal.info("kept")
    journal.report({"state": "running"})
    time.sleep(0.1)
    shelf.broken = False
    assert journal.close()
    assert [line["message"] for line in shelf.lines()] == ["kept"]
    assert shelf.files["report.json"] == b'{"state":"running"}'


def test_the_limit_is_said_and_our_own_last_word_still_heard() -> None:
    shelf = Shelf()
    journal = Journal(shelf.put, Masker(), log_bytes=2000)
    for _ in range(100):
        journal.write("info", "x" * 100)
    journal.error("why it failed")
    journal.close()
    messages = [line["message"] for line in shelf.lines()]
    assert messages[-1] == "why it failed"
    assert "size limit" in messages[-2]
    assert sum(len(body) for body in shelf.files.values()) < 3000
    assert journal.full


def test_many_threads_can_write_at_once() -> None:
    shelf = Shelf()
    journal = Journal(shelf.put, Masker(), log_bytes=1_000_000)

    def write() -> None:
        for _ in range(100):
            journal.info("x")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len(shelf.lines()) == 400


SECRET = 'p@ss/w+rd "quoted" ü'


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        json.dumps({"v": SECRET}, ensure_ascii=False),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"user:" + SECRET.encode() + b":more").decode(),
        base64.b64encode(b"u:" + SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"us:" + SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_dress(shown: str) -> None:
    masked = Masker([SECRET])(f"before {shown} after")
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith("after")
    assert len(masked) < len(f"before {shown} after")
    assert shown not in masked


def test_each_line_of_a_key_is_masked_and_short_values_are_no_secrets() -> None:
    masker = Masker(["-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----\n", "on", "", "1"])
    assert masker("MIIEvQIBADANBg") == MASK
    assert masker("turned on 1 time") == "turned on 1 time"
    assert Masker([])("x") == "x"
    assert masker.deep({"a": ["MIIEvQIBADANBg"], "b": 1}) == {"a": [MASK], "b": 1}


def collected(
    data: bytes, masker: Masker | None = None, *, full: bool = False
) -> tuple[list[str], Output]:
    lines: list[str] = []
    output = Output(lines.append, masker or Masker(), full=lambda: full)
    with open(output.write_end, "wb", closefd=True) as pipe:  # noqa: PTH123 - a descriptor
        pipe.write(data)
    output.finish()
    return lines, output


def test_output_becomes_clean_lines() -> None:
    lines, _ = collected(b"a\r\n\nprogress 1%\rprogress 100%\n\x1b[1;31mred\x1b[0m\xff\x00end")
    assert lines == ["a", "progress 100%", "red\ufffd\ufffdend"]


def test_a_secret_across_the_cut_of_an_endless_line_stays_hidden() -> None:
    secret = "correct-horse-battery-staple"
    for shift in range(0, 60, 7):
        data = b"x" * (1_048_576 - 30 + shift) + secret.encode() + b"y" * 100_000
        lines, _ = collected(data, Masker([secret]))
        assert "horse-battery" not in "".join(lines)


def test_when_nobody_listens_only_the_end_is_kept() -> None:
    lines, output = collected(b"noise\n" * 100_000 + b"the last word", full=True)
    assert len(lines) < 15_000
    assert output.tail[-1] == "the last word"
