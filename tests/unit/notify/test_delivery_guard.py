"""Which addresses webhooks may go to."""

from __future__ import annotations

import socket

import pytest
from pydantic import ValidationError

from services.notify.delivery.guard import Guard, RefusedAddress, url_refusal
from tests.unit.notify.deliveries import delivery_settings

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "223.5.5.5",
    "2400:3200::1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]
CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str) -> None:
    assert Guard().refusal_of(address, 443) is None


@pytest.mark.parametrize("address", CLOSED)
def test_all_others_are_closed(address: str) -> None:
    assert Guard().refusal_of(address, 443) == "its address is not a public one"


@pytest.mark.parametrize(
    ("port", "is_open"),
    [(80, True), (443, True), (8080, True), (1024, True), (22, False), (25, False), (1, False)],
)
def test_ports_of_other_protocols_are_closed(port: int, is_open: bool) -> None:
    assert (Guard().refusal_of("8.8.8.8", port) is None) == is_open


def test_a_setting_opens_chosen_networks_and_no_others() -> None:
    guard = Guard(["127.0.0.0/8", "fd00::/8"])
    assert guard.refusal_of("127.0.0.1", 25) is None
    assert guard.refusal_of("::ffff:127.0.0.1", 8080) is None
    assert guard.refusal_of("fd12::1", 443) is None
    assert guard.refusal_of("10.0.0.1", 443) is not None
    assert guard.refusal_of("::1", 443) is not None


def test_a_setting_that_is_no_network_is_refused_at_start() -> None:
    with pytest.raises(ValidationError):
        delivery_settings(webhook_networks_open="127.0.0.0/8, local")


def test_no_socket_is_made_for_a_closed_address() -> None:
    closed = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))
    with pytest.raises(RefusedAddress):
        Guard().make_socket(closed)
    Guard(["10.0.0.0/8"]).make_socket(closed).close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com",
        "https://",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
    ],
)
def test_only_web_urls_without_passwords_are_called(url: str) -> None:
    assert url_refusal(url) is not None


def test_a_usual_url_is_fine() -> None:
    assert url_refusal("https://example.com:8443/hook?a=b") is None
