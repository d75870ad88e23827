"""The way out: what is let through, what is refused, and what a refusal says."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.sandbox import Isolation, Sandbox, Spec, probe
from infra.local.sandbox.addresses import Policy, local, normal, public, unwrapped
from infra.local.sandbox.spec import Egress
from tests.infra import sandbox_ground as ground


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self.path.encode() + b" via " + self.headers.get("Host", "").encode())

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def far() -> Iterator[int]:
    """A web server on this machine; answers its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    folder = ground.open_folder("slipway-state-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def box(state: Path) -> Iterator[Sandbox]:
    found: Isolation = probe(state)
    if not found.usable:
        pytest.skip(found.reason)
    with Sandbox(found, state) as made:
        yield made


def curl(box: Sandbox, egress: Egress, *arguments: str) -> str:
    """What curl says; curl takes the proxy from the variables as most programs do."""
    if shutil.which("curl", path="/usr/bin") is None:
        pytest.skip("needs curl")
    command = ["curl", "-sS", "-m", "15", "--noproxy", "", *arguments]
    with ground.app() as folder:
        return ground.outcome(box, Spec(app=folder, command=command, egress=egress))[1]


def test_a_named_host_and_port_is_reached(box: Sandbox, far: int) -> None:
    address = f"127.0.0.1:{far}"
    said = curl(box, frozenset({address}), f"http://{address}/a?b=c", f"http://{address}/d")
    assert said == f"/a?b=c via {address}/d via {address}"


def test_a_body_passes_in_both_directions(box: Sandbox, far: int) -> None:
    address = f"127.0.0.1:{far}"
    body = "x" * 300_000
    with ground.app({"body": body}) as folder:
        spec = Spec(
            app=folder,
            command=["curl", "-sS", "--noproxy", "", "--data-binary", "@body", f"http://{address}"],
            egress=frozenset({address}),
        )
        assert ground.outcome(box, spec) == (0, body)


def test_a_tunnel_carries_whatever_comes(box: Sandbox, far: int) -> None:
    address = f"127.0.0.1:{far}"
    said = curl(box, frozenset({address}), "--proxytunnel", f"http://{address}/through")
    assert said == f"/through via {address}"


@pytest.mark.parametrize(
    ("egress", "says"),
    [
        ("none", "may not reach any other host"),
        ("public", "not a public address"),
        (frozenset({"example.org"}), "not among the hosts"),
        (frozenset({"127.0.0.1:1"}), "not among the hosts"),
    ],
)
def test_a_refusal_says_why(box: Sandbox, far: int, egress: Egress, says: str) -> None:
    assert says in curl(box, egress, f"http://127.0.0.1:{far}/")
    assert "403" in curl(box, egress, "--proxytunnel", f"http://127.0.0.1:{far}/")


@pytest.mark.parametrize(
    "name", ["localhost", "127.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0"]
)
def test_this_machine_has_no_other_name(box: Sandbox, far: int, name: str) -> None:
    said = curl(box, "public", "-g", f"http://{name}:{far}/")
    assert "via" not in said
    assert "Slipway sandbox" in said


def test_nothing_is_reached_around_the_proxy(box: Sandbox, far: int) -> None:
    if "net" not in box.isolation.features:
        pytest.skip("the network is shared here")
    with ground.app() as folder:
        for target in (f"http://127.0.0.1:{far}/", "http://192.0.2.1/", "http://[2001:db8::1]/"):
            spec = Spec(
                app=folder,
                command=["curl", "-sS", "-m", "5", "--noproxy", "*", target],
                egress="public",
            )
            assert ground.outcome(box, spec)[0] != 0


def test_what_it_asked_for_is_remembered(box: Sandbox, far: int) -> None:
    code = (
        "import urllib.request as u, os\n"
        f"for url in ('http://127.0.0.1:{far}/', 'http://127.0.0.1:{far}/', 'http://nowhere.test/'):\n"
        "    os.environ['NO_PROXY'] = os.environ['no_proxy'] = ''\n"
        "    try: u.urlopen(url).read()\n"
        "    except OSError: pass\n"
    )
    with ground.app() as folder:
        spec = Spec(
            app=folder,
            command=["python3", "-c", code],
            egress=frozenset({f"127.0.0.1:{far}"}),
        )
        run = box.start(spec)
        run.wait(45)
    seen = [(visit.host, visit.port, visit.allowed, visit.count) for visit in run.egress()]
    assert seen == [("127.0.0.1", far, True, 2), ("nowhere.test", 80, False, 1)]


@pytest.mark.parametrize(
    "sent",
    [
        r"b'\r\n\r\n'",
        r"b'GET / HTTP/1.1\r\n\r\n'",
        r"b'CONNECT nothing HTTP/1.1\r\n\r\n'",
        r"b'CONNECT a:99999 HTTP/1.1\r\n\r\n'",
        r"b'CONNECT a:b HTTP/1.1\r\n\r\n'",
        r"b'CONNECT :80 HTTP/1.1\r\n\r\n'",
        r"b'GET ftp://a/ HTTP/1.1\r\n\r\n'",
        r"b'\xff\xfe\x00 \xff \xff\r\n\r\n'",
        r"b'GET http://[::1/ HTTP/1.1\r\n\r\n'",
        r"b'x' * 200_000",
    ],
)
def test_nonsense_gets_an_answer_and_breaks_nothing(box: Sandbox, sent: str) -> None:
    if "net" not in box.isolation.features:
        pytest.skip("the proxy is elsewhere")
    code = (
        "import socket, sys\n"
        "s = socket.create_connection(('127.0.0.1', 3128)); s.settimeout(5)\n"
        f"s.sendall({sent})\n"
        "print(s.recv(100).split(b'\\r')[0].decode())\n"
    )
    with ground.app() as folder:
        spec = Spec(app=folder, command=["python3", "-c", code], egress="public")
        code_, said = ground.outcome(box, spec)
    assert said.startswith("HTTP/1.1 4"), (code_, said)


PRIVATE = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1"),  # noqa: S104
    *("192.168.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1"),
    *("fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "fec0::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_passes_for_a_public_one(address: str) -> None:
    assert not public(unwrapped(ipaddress.ip_address(address)))
    assert Policy("public").refuses_address("h", 443, ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_a_public_address_passes(address: str) -> None:
    assert public(unwrapped(ipaddress.ip_address(address)))


@given(st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_wrapping_hides_a_loopback_address(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    for wrapped in (
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address(number),
    ):
        assert Policy("public").refuses_address("h", 443, wrapped)


def test_this_machines_own_addresses_are_known() -> None:
    assert local(ipaddress.ip_address("127.0.0.1"))
    assert local(ipaddress.ip_address(ground.own_address()))
    assert not local(ipaddress.ip_address("192.0.2.77"))


def test_a_listed_host_may_be_private_but_not_this_machine() -> None:
    policy = Policy(frozenset({"mirror.test", "own.test:3141"}))
    assert policy.refuses_host("mirror.test", 443) is None
    assert policy.refuses_host("mirror.test", 8443)
    assert policy.refuses_host("other.test", 443)
    assert policy.refuses_address("mirror.test", 443, ipaddress.ip_address("10.1.2.3")) is None
    loopback = ipaddress.ip_address("127.0.0.1")
    assert policy.refuses_address("mirror.test", 443, loopback)
    assert policy.refuses_host("own.test", 3141) is None
    assert policy.refuses_address("own.test", 3141, loopback) is None
    assert policy.refuses_address("mirror.test", 443, ipaddress.ip_address("169.254.169.254"))


def test_a_host_has_one_spelling() -> None:
    assert normal("Example.ORG.") == "example.org"
    assert normal("[::1]") == "::1"


def test_a_proxy_socket_is_in_the_sandbox_only(box: Sandbox) -> None:
    if "net" not in box.isolation.features:
        pytest.skip("the network is shared here")
    with ground.app() as folder:
        run = box.start(Spec(app=folder, command=["sleep", "30"], egress="public"))
        with run.connect(3128, 2):
            pass
        with socket.socket() as near:
            near.settimeout(1)
            assert near.connect_ex(("127.0.0.1", 3128)) != 0
        run.kill()
