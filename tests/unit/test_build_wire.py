"""HTTP over plain sockets: what counts as an answer, and what a hostile one cannot do."""

from __future__ import annotations

import io
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from infra.build.wire import Connection, WireError, dial

Serve = Callable[[bytes], tuple[Connection, list[bytes]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that answers every connection with the same bytes, then hangs up."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> tuple[Connection, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        heard: list[bytes] = []

        def accept() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                with near:
                    heard.append(near.recv(65536))
                    near.sendall(answer)
                    time.sleep(0.05)

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        return Connection(*dial(f"http://127.0.0.1:{port}")), heard

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    ("answer", "status", "body", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.0 404 Not Found\r\n\r\ngone", 404, b"gone", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
            ),
            200,
            b"abcde",
            True,
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n",
            201,
            b"",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", 200, b"short", False),
        (b"HTTP/1.1 200\r\nContent-Length: nonsense\r\n\r\n", 200, b"", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, b"", False),
    ],
)
def test_answers_are_read_as_far_as_they_go(
    serve: Serve, answer: bytes, status: int, body: bytes, *, complete: bool
) -> None:
    connection, _ = serve(answer)
    got = connection.request("GET", "/", timeout=45)
    connection.close()
    assert (got.status, got.body, got.complete) == (status, body, complete)


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 2", b"x" * 90_000],
)
def test_what_is_no_http_is_an_error(serve: Serve, answer: bytes) -> None:
    connection, _ = serve(answer)
    with pytest.raises(WireError):
        connection.request("GET", "/", timeout=45)


def test_an_endless_body_is_cut_by_the_deadline(serve: Serve) -> None:
    connection, _ = serve(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\r\n")
    began = time.monotonic()
    answer = connection.request("GET", "/", timeout=0.2)
    connection.close()
    assert answer.status == 200
    assert time.monotonic() - began < 30


def test_a_huge_body_is_not_kept(serve: Serve) -> None:
    connection, _ = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
    answer = connection.request("GET", "/", max_body=1000)
    connection.close()
    assert len(answer.body) == 1000
    assert not answer.complete


def test_a_stored_body_must_be_whole(serve: Serve) -> None:
    connection, _ = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
    with pytest.raises(WireError):
        connection.request("GET", "/", sink=io.BytesIO(), timeout=45)


def test_a_closed_kept_alive_connection_is_opened_again(serve: Serve) -> None:
    connection, heard = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    for _ in range(3):
        assert connection.request("PUT", "/", {"X-A": "1"}, b"body", timeout=45).body == b"ok"
        # Something to read after the answer: the other side has closed it.
        assert connection._socket is not None
        assert select.select([connection._socket], [], [], 45)[0]
    connection.close()
    assert len(heard) == 3
    assert all(b"body" in one and b"Content-Length: 4" in one for one in heard)


def test_nobody_there_is_said_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(WireError, match="no connection") as caught:
        Connection(*dial(f"http://127.0.0.1:{port}")).request("GET", "/", timeout=45)
    assert caught.value.stage == "connect"


def test_a_header_cannot_smuggle_another() -> None:
    connection = Connection(*dial("http://127.0.0.1:9"))
    with pytest.raises(WireError, match="line break"):
        connection.request("GET", "/", {"X": "a\r\nY: b"})


def test_the_host_header_has_the_port_only_when_the_address_does() -> None:
    assert dial("https://s3.example.com")[1] == "s3.example.com"
    assert dial("http://user:x@127.0.0.1:9000")[1] == "127.0.0.1:9000"
