"""Webhooks go to the public internet only: their URLs come from outside, and must not reach what stands beside us.

The address is judged where the socket is made, after the name was resolved: what was judged is what is connected to, for
names, literal addresses and redirects alike.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_WEB_PORTS = frozenset({80, 443})
_FREE_PORT_MIN = 1024
"""Ports below belong to other protocols (mail, remote shells): a request must not be made to talk to those."""

# IANA's special-purpose registries, and the one metadata service on an address that looks public (Azure).
_CLOSED_V4 = [
    IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")
# Protocol assignments with Teredo, documentation, 6to4 (whose addresses lead to IPv4 ones).
_CLOSED_V6 = [IPv6Network(cidr) for cidr in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_NAT64 = IPv6Network("64:ff9b::/96")


class RefusedAddress(OSError):
    """The address is none that webhooks may go to."""


class Guard:
    """Says where webhooks may go; `open_networks` (CIDRs) are allowed beside the public internet."""

    def __init__(self, open_networks: Iterable[str] = ()) -> None:
        self._open: list[Network] = [ip_network(cidr) for cidr in open_networks]

    def refusal_of(self, address: str, port: int) -> str | None:
        """Why nothing may be sent to `address`; None where it may."""
        found = ip_address(address.partition("%")[0])
        embedded = _embedded_v4(found)
        if any(one.version == net.version and one in net for one in (found, embedded) for net in self._open):
            return None
        if not _is_public(embedded):
            return "its address is not a public one"
        if port not in _WEB_PORTS and port < _FREE_PORT_MIN:
            return f"port {port} belongs to another protocol: use 80, 443, or one from {_FREE_PORT_MIN} on"
        return None

    def make_socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `getaddrinfo`. Raises RefusedAddress."""
        family, kind, protocol, _, target = address_info
        refusal = self.refusal_of(str(target[0]), int(target[1]))
        if refusal is not None:
            raise RefusedAddress(f"The webhook's URL is refused: {refusal}.")
        return socket.socket(family, kind, protocol)


def url_refusal(url: str) -> str | None:
    """What is wrong with the form of a webhook's URL; None where it is an http(s) one with a host and no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in ("http", "https"):
        return "it is neither http nor https"
    if not parts.hostname or port == 0:
        return "it names no host"
    if "@" in parts.netloc:
        return "it holds a user name or a password"
    return None


def _embedded_v4(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it is such a one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _CLOSED_V4)
    return address in _GLOBAL_V6 and not any(address in net for net in _CLOSED_V6)
