"""The proxy passes everything through, at once and unchanged, and says so when it cannot."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.contract.yard_harness import Service, Yard, running, server

RUN = "exec python3 main.py"
RAW = """
import base64, hashlib, os, socket, threading, time
def serve(client):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        piece = client.recv(65536)
        if not piece:
            return
        head += piece
    path = head.split()[1].decode()
    if path == "/events":
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
        for n in range(5):
            client.sendall(b"data: %d\\n\\n" % n)
            time.sleep(0.2)
    elif path == "/forever":
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
        try:
            while True:
                client.sendall(b"data: x\\n\\n")
                time.sleep(0.05)
        except OSError:
            print("the reader left", flush=True)
    elif path == "/socket":
        key = [l for l in head.split(b"\\r\\n") if l.lower().startswith(b"sec-websocket-key")]
        word = key[0].split(b":")[1].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(word).digest())
        client.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n"
            b"Connection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n")
        while True:
            data = client.recv(65536)
            if not data:
                break
            client.sendall(data.upper())
    elif path == "/nonsense":
        client.sendall(b"this is no HTTP\\r\\n\\r\\n")
    elif path == "/cut":
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nonly this")
    elif path == "/close":
        pass
    elif path == "/once":
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    else:
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(head) + head)
    client.shutdown(socket.SHUT_WR)
    client.settimeout(1)
    try:
        while client.recv(65536):
            pass
    except OSError:
        pass
    client.close()
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    one, _ = listener.accept()
    threading.Thread(target=serve, args=(one,)).start()
"""

DEAF = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Agent(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *args):
        pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Agent).serve_forever()
"""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with running(tmp_path_factory.mktemp("yard")) as one:
        yield one


@pytest.fixture(scope="module")
def agent(yard: Yard) -> Service:
    service = yard.service("agent", yard.push(server(), command=RUN), healthcheckPath="/")
    service.up()
    return service


@pytest.fixture(scope="module")
def raw(yard: Yard) -> Service:
    service = yard.service("raw", yard.push({"app/main.py": RAW}, command=RUN), healthcheckPath="/")
    service.up()
    return service


def connect(service: Service) -> socket.socket:
    host, _, port = service.domain.partition(":")
    made = socket.create_connection((host, int(port)), timeout=45)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def exchange(service: Service, request: bytes) -> bytes:
    with connect(service) as one:
        one.sendall(request)
        answer = b""
        while piece := one.recv(65_536):
            answer += piece
        return answer


def test_the_agent_sees_the_original_host_and_who_asked(agent: Service) -> None:
    false = ("X-Forwarded-For", "X_Forwarded_For", "x_forwarded-host", "X_Real_IP", "Forwarded",
             "X-Forwarded-Port", "X_Railway_Request_Id")  # fmt: skip
    answer = agent.get("/", headers={**dict.fromkeys(false, "1.2.3.4"), "X-Own": "kept"})
    assert answer.headers["x-stand-in"] == "1"
    seen = {name.lower(): value for name, value in answer.json()["headers"].items()}
    assert seen["host"] == agent.domain
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-host"] == agent.domain
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-own"] == "kept"
    assert "connection" not in seen
    assert "1.2.3.4" not in seen.values()


def test_one_connection_carries_many_requests(agent: Service) -> None:
    host, _, port = agent.domain.partition(":")
    one = http.client.HTTPConnection(host, int(port), timeout=45)
    one.connect()
    kept = one.sock
    for _ in range(20):
        one.request("GET", "/")
        assert one.getresponse().read()
    one.request("POST", "/", body=b"x" * 1000)
    assert one.getresponse().read() == b"1000"
    assert one.sock is kept
    one.close()


def test_a_large_body_goes_through(agent: Service) -> None:
    size = 30_000_000
    answer = agent.yard.http.post(f"http://{agent.domain}/", content=b"\xa5" * size)
    assert answer.text == str(size)


def test_a_body_in_pieces_of_unknown_length_goes_through(raw: Service) -> None:
    answer = exchange(
        raw,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n",
    )
    assert b"Transfer-Encoding: chunked" in answer


def test_a_body_that_the_agent_did_not_read_is_nobody_elses_request(yard: Yard) -> None:
    image = yard.push({"app/main.py": DEAF}, command=RUN)
    deaf = yard.service("deaf", image, healthcheckPath="/")
    deaf.up()
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    for method in (b"POST", b"GET"):
        with connect(deaf) as one:
            head = b"%b /first HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            one.sendall(head % (method, len(hidden)) + hidden)
            said = b""
            while not said.endswith(b"/first"):
                part = one.recv(65_536)
                assert part, said
                said += part
            for n in range(3):
                assert deaf.get(f"/other/{n}").text == f"/other/{n}"


def test_of_two_lengths_the_agent_hears_one_and_the_connection_ends(raw: Service) -> None:
    answer = exchange(
        raw,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent_Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"transfer-encoding: chunked" in body.lower()
    assert b"content-length" not in body.lower()
    assert b"content_length" not in body.lower()
    assert b"/second" not in answer


def test_a_client_that_waits_for_100_continue_gets_it(agent: Service) -> None:
    with connect(agent) as one:
        one.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert one.recv(1000).startswith(b"HTTP/1.1 100")
        one.sendall(b"hello")
        answer = one.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200")


def test_events_arrive_as_they_are_sent(raw: Service) -> None:
    arrived: list[tuple[str, float]] = []
    began = time.monotonic()
    with raw.yard.http.stream("GET", f"http://{raw.domain}/events") as answer:
        arrived += [(line, time.monotonic() - began) for line in answer.iter_lines() if line]
    assert [line for line, _ in arrived] == [f"data: {n}" for n in range(5)]
    assert arrived[-1][1] - arrived[0][1] > 0.6


def test_an_agent_learns_that_its_reader_left(raw: Service) -> None:
    deployment = raw.deployments()[0]["id"]
    with raw.yard.http.stream("GET", f"http://{raw.domain}/forever") as answer:
        next(answer.iter_lines())
    deadline = time.monotonic() + 45
    while "the reader left" not in raw.logs(deployment):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_websocket_is_tunnelled_both_ways(raw: Service) -> None:
    key = base64.b64encode(b"0123456789abcdef")
    with connect(raw) as one:
        one.sendall(
            b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            + key
            + b"\r\n\r\n"
        )
        head = one.recv(65_536)
        accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324
        assert head.startswith(b"HTTP/1.1 101")
        assert base64.b64encode(accept) in head
        for word in (b"hello", b"again"):
            one.sendall(word)
            assert one.recv(100) == word.upper()


def test_an_answer_cut_short_is_not_passed_off_as_whole(raw: Service) -> None:
    with pytest.raises(Exception, match=r"peer closed|incomplete"):
        raw.get("/cut")


@pytest.mark.parametrize("path", ["/nonsense", "/close"])
def test_an_agent_that_does_not_answer_properly_is_a_502(raw: Service, path: str) -> None:
    answer = raw.get(path)
    assert answer.status_code == 502
    assert answer.json()["standIn"] is True
    assert answer.json()["message"] == "Application failed to respond"


def test_browsers_get_a_page_and_programs_get_json(yard: Yard) -> None:
    service = yard.service("empty")
    page = service.get("/", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "local stand-in" in page.text
    assert service.get("/").json()["code"] == 404


def test_a_kept_connection_that_the_agent_closed_is_replaced(raw: Service) -> None:
    for _ in range(10):
        assert raw.get("/once").text == "ok"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
    ],
)
def test_what_two_readers_could_understand_in_two_ways_is_refused(
    raw: Service, request_: bytes
) -> None:
    assert exchange(raw, request_)[9:12] in (b"400", b"431")


def test_an_old_client_gets_an_answer_it_understands(agent: Service) -> None:
    answer = exchange(agent, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"chunked" not in answer.lower()


def test_head_has_headers_and_no_body(yard: Yard) -> None:
    site = yard.push({"app/index.html": "hello"}, labels={"slipway.static_dir": ""})
    service = yard.service("head", site)
    service.up()
    answer = yard.http.head(f"http://{service.domain}/")
    assert answer.headers["content-length"] == "5"
    assert answer.content == b""


def test_many_clients_at_once_are_all_served(agent: Service) -> None:
    wrong: list[int] = []

    def ask() -> None:
        for _ in range(25):
            status = agent.get("/").status_code
            if status != 200:
                wrong.append(status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


FILES = {
    "app/dist/index.html": "<h1>front</h1>",
    "app/dist/about.html": "about",
    "app/dist/docs/index.html": "docs",
    "app/dist/style.css": "a{}",
    "app/dist/app.12ab34cd.js": "1",
    "app/dist/data.json": "{}",
    "app/dist/.secret": "no",
    "app/main.py": "outside = 1",
}


@pytest.fixture(scope="module")
def site(yard: Yard) -> Service:
    image = yard.push(FILES, labels={"slipway.static_dir": "dist"})
    service = yard.service("site", image, healthcheckPath="/")
    service.up()
    return service


@pytest.fixture(scope="module")
def single(yard: Yard) -> Service:
    labels = {"slipway.static_dir": "/app/dist", "slipway.single_page": "true"}
    service = yard.service("single", yard.push(FILES, labels=labels))
    service.up()
    return service


class TestSites:
    @pytest.mark.parametrize(
        ("path", "kind", "text"),
        [
            ("/", "text/html; charset=utf-8", "<h1>front</h1>"),
            ("/index.html", "text/html; charset=utf-8", "<h1>front</h1>"),
            ("/about", "text/html; charset=utf-8", "about"),
            ("/docs/", "text/html; charset=utf-8", "docs"),
            ("/style.css?v=1", "text/css; charset=utf-8", "a{}"),
            ("/app.12ab34cd.js", "text/javascript; charset=utf-8", "1"),
            ("/data.json", "application/json", "{}"),
        ],
    )
    def test_files_come_with_the_right_type(
        self, site: Service, path: str, kind: str, text: str
    ) -> None:
        answer = site.get(path)
        assert (answer.status_code, answer.headers["content-type"], answer.text) == (
            200,
            kind,
            text,
        )

    def test_a_folder_without_its_slash_is_sent_there(self, site: Service) -> None:
        answer = site.get("/docs?x=1")
        assert (answer.status_code, answer.headers["location"]) == (308, "/docs/?x=1")

    def test_what_has_not_changed_is_not_sent_again(self, site: Service) -> None:
        tag = site.get("/").headers["etag"]
        answer = site.get("/", headers={"if-none-match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert site.get("/", headers={"if-none-match": '"other"'}).status_code == 200

    def test_parts_can_be_asked_for(self, site: Service) -> None:
        part = site.get("/", headers={"range": "bytes=4-8"})
        assert (part.status_code, part.text) == (206, "front")
        assert part.headers["content-range"] == "bytes 4-8/14"
        assert site.get("/", headers={"range": "bytes=-5"}).text == "</h1>"
        assert site.get("/", headers={"range": "bytes=99-"}).status_code == 416

    def test_names_with_a_fingerprint_are_kept_for_ever_and_pages_are_not(
        self, site: Service
    ) -> None:
        assert "immutable" in site.get("/app.12ab34cd.js").headers["cache-control"]
        assert site.get("/").headers["cache-control"] == "no-cache"

    @pytest.mark.parametrize(
        "path",
        [
            "/../main.py",
            "/%2e%2e/main.py",
            "/..%2fmain.py",
            "/docs/../../main.py",
            "/.secret",
            "/main.py",
            "//etc/passwd",
            "/%00",
            "/..%5cmain.py",
        ],
    )
    def test_nothing_outside_the_folder_or_hidden_in_it_is_served(
        self, site: Service, path: str
    ) -> None:
        answer = exchange(
            site, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 404"), answer

    def test_unknown_pages_are_404_but_a_single_page_app_shows_its_front(
        self, site: Service, single: Service
    ) -> None:
        page = {"accept": "text/html"}
        assert site.get("/some/route", headers=page).status_code == 404
        assert single.get("/some/route", headers=page).text == "<h1>front</h1>"
        assert single.get("/missing.js").status_code == 404

    def test_a_folder_outside_of_the_app_is_not_deployed(self, yard: Yard) -> None:
        image = yard.push(FILES, labels={"slipway.static_dir": "/app/../.."})
        service = yard.service("outside", image)
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert "leads out of the app" in service.logs(deployment, "buildLogs")[-1]

    def test_only_reading_is_possible(self, site: Service) -> None:
        answer = site.yard.http.post(f"http://{site.domain}/", content=b"x")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
