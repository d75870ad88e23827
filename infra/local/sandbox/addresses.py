"""Which internet addresses an agent may reach, and which hosts a list names."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from infra.local.sandbox.spec import Egress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WEB_PORTS = frozenset({80, 443})
# Well-known prefix of translators from IPv6 to IPv4: the last four bytes are the real address.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


@dataclass(frozen=True)
class Policy:
    """Decides twice: about the name before it is looked up, and about each address after."""

    egress: Egress

    def refuses_host(self, host: str, port: int) -> str | None:
        """Why a host may not be reached, or None when its addresses decide."""
        if self.egress == "none":
            return "this sandbox may not reach any other host"
        if self.egress == "public" or self._listed(host, port):
            return None
        return f"{_shown(host)}:{port} is not among the hosts this sandbox may reach"

    def refuses_address(self, host: str, port: int, address: Address) -> str | None:
        """Why an address may not be connected to, or None."""
        real = unwrapped(address)
        if self.egress == "public":
            if not public(real):
                return f"{_shown(host)} is {real}, which is not a public address"
            if local(real):
                return f"{_shown(host)} is this machine itself"
            return None
        # A listed host may be a mirror in a private network, but the machine itself only where
        # the list says so with its port: the platform listens there too.
        if real.is_link_local or real.is_multicast or real.is_unspecified:
            return f"{_shown(host)} is {real}, which no sandbox may reach"
        if (real.is_loopback or local(real)) and not self._listed_exactly(host, port):
            return f"{_shown(host)} is this machine itself"
        return None

    def _listed(self, host: str, port: int) -> bool:
        return self._listed_exactly(host, port) or (
            port in _WEB_PORTS and isinstance(self.egress, frozenset) and host in self.egress
        )

    def _listed_exactly(self, host: str, port: int) -> bool:
        name = f"[{host}]" if ":" in host else host
        return isinstance(self.egress, frozenset) and f"{name}:{port}" in self.egress


def normal(host: str) -> str:
    """One spelling for a host: lower case, no closing dot, no brackets."""
    return host.strip("[]").rstrip(".").lower()


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one merely carries, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    carried = address.ipv4_mapped or address.sixtofour
    if carried is not None:
        return carried
    if address.teredo is not None:
        return address.teredo[1]
    if address in _TRANSLATED or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def public(address: Address) -> bool:
    """Whether an address belongs to the internet at large."""
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False  # an older kind of private address, which Python counts as global
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not address.is_loopback
        and not address.is_link_local
    )


def local(address: Address) -> bool:
    """Whether an address is one of this machine's own: the kernel would answer from it itself."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))  # sends nothing
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0]) == address


def _shown(host: str) -> str:
    return host[:200]
