"""Webhooks against a real receiver that behaves in every way."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from services.notify.delivery.policy import Answer
from services.notify.delivery.webhook import WebhookChannel, answer_of, headers_of
from tests.support.receiver import Receiver, answers, floods, hangs, redirects, stalls
from tests.unit.notify.deliveries import SECRET, claim, delivery_settings, notice, queued

OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as running:
        yield running


@asynccontextmanager
async def channel(resolver: AbstractResolver | None = None, **settings: Any) -> AsyncIterator[WebhookChannel]:
    made = WebhookChannel(delivery_settings(**settings), resolver=resolver)
    try:
        yield made
    finally:
        await made.close()


async def send(receiver: Receiver, path: str = "/hook", **settings: Any) -> Answer:
    async with channel(**settings) as made:
        return (await made.send(claim(SECRET), receiver.url(path), queued(notice()))).answer


async def test_a_webhook_carries_the_notice_signed_with_every_secret(receiver: Receiver) -> None:
    one = notice()
    async with channel() as made:
        sent = await made.send(claim(SECRET, OTHER_SECRET), receiver.url("/hook"), queued(one, notice()))
    assert (sent.answer, sent.notices) == (Answer("delivered"), 1)
    (request,) = receiver.requests
    assert request.id == one.notice_id
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    body = msgspec.json.decode(request.body)
    assert (body["type"], body["timestamp"]) == ("notice.finding_issued", "2026-03-02T09:30:00Z")
    assert body["data"] == msgspec.to_builtins(msgspec.structs.replace(one, state="delivered"))
    for secret in (SECRET, OTHER_SECRET):
        assert Webhook(secret).verify(request.body, request.headers) == body
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET[:-4] + "AAAA").verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b"150", b"151"), request.headers)


async def test_connections_are_used_again(receiver: Receiver) -> None:
    peers = set()

    async def note(request: Any) -> Any:
        peers.add(request.raw.transport.get_extra_info("peername"))
        return await answers(200)(request)

    receiver.behave["/hook"] = note
    async with channel() as made:
        for _ in range(5):
            await made.send(claim(SECRET), receiver.url("/hook"), queued(notice()))
    assert len(peers) == 1


async def test_without_a_secret_nothing_leaves_and_the_answer_says_what_to_do(receiver: Receiver) -> None:
    async with channel() as made:
        answer = (await made.send(claim(), receiver.url("/hook"), queued(notice()))).answer
    assert answer.kind == "failed"
    assert "POST /v1/webhook-secrets/tiantian/BJ02" in (answer.detail or "")
    assert not receiver.requests


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "delivered"),
        (202, "delivered"),
        (299, "delivered"),
        (302, "failed"),
        (400, "rejected"),
        (401, "failed"),
        (404, "failed"),
        (410, "ended"),
        (413, "rejected"),
        (429, "failed"),
        (500, "failed"),
        (503, "failed"),
    ],
)
async def test_what_a_status_means(receiver: Receiver, status: int, kind: str) -> None:
    receiver.behave["/hook"] = answers(status)
    assert (await send(receiver)).kind == kind
    assert len(receiver.requests) == 1


async def test_429_says_when_to_come_again(receiver: Receiver) -> None:
    receiver.behave["/hook"] = answers(429, Retry_After="120")
    assert await send(receiver) == Answer("failed", "The receiver answered HTTP 429.", 120.0)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("-5", None, None),
        ("soon", None, None),
        (f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", None, None),
        ("9" * 40, 1e11, 1e12),
    ],
)
def test_strange_retry_after(text: str, least: float | None, most: float | None) -> None:
    asked_s = answer_of(503, text).retry_after_s
    assert asked_s is None if least is None or most is None else least < (asked_s or 0) < most


def test_retry_after_may_be_a_date() -> None:
    asked_s = answer_of(
        503, format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    ).retry_after_s
    assert asked_s is not None
    assert 3_500 < asked_s <= 3_600


async def test_a_receiver_that_hangs_is_left_after_the_time_out(receiver: Receiver) -> None:
    receiver.behave["/hook"] = hangs
    answer = await send(receiver, webhook_timeout_ms=200)
    assert answer == Answer("failed", "No answer within 0.2 s.")


async def test_an_answer_without_end_is_not_read(receiver: Receiver) -> None:
    receiver.behave["/hook"] = floods
    began_s = time.monotonic()
    assert (await send(receiver)).kind == "delivered"
    assert time.monotonic() - began_s < 5


async def test_an_answer_whose_body_hangs_is_an_answer(receiver: Receiver) -> None:
    receiver.behave["/hook"] = stalls
    assert await send(receiver) == Answer("delivered")


async def test_a_dead_receiver() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    async with channel() as made:
        answer = (await made.send(claim(SECRET), url, queued(notice()))).answer
    assert answer.kind == "failed"
    assert "No connection" in (answer.detail or "")


async def test_few_redirects_are_followed_with_the_same_request(receiver: Receiver) -> None:
    receiver.behave["/hook"] = redirects("/further", 308)
    assert await send(receiver) == Answer("delivered")
    first, second = receiver.requests
    assert (first.body, first.id) == (second.body, second.id)
    receiver.behave["/further"] = redirects("/hook")
    assert await send(receiver) == Answer("failed", "More than 2 redirects.")
    receiver.behave["/hook"] = redirects("/elsewhere", 302)
    assert (await send(receiver)).kind == "failed"
    assert not receiver.of("/elsewhere")


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://2130706433/"],
)
async def test_a_redirect_to_a_private_address_is_not_followed(receiver: Receiver, target: str) -> None:
    receiver.behave["/hook"] = redirects(target)
    answer = await send(receiver)
    assert answer.kind in ("rejected", "undeliverable")
    assert "refused" in (answer.detail or "")


@pytest.mark.parametrize("target", ["http://[::1", "http://[x]/", "//h:99999/"])
async def test_a_redirect_to_what_is_no_url_is_the_receivers_fault(receiver: Receiver, target: str) -> None:
    receiver.behave["/hook"] = redirects(target)
    answer = await send(receiver)
    assert answer.kind == "undeliverable"
    assert "refused" in (answer.detail or "")


async def test_a_redirect_to_another_protocol_is_not_followed(receiver: Receiver) -> None:
    receiver.behave["/hook"] = redirects("ftp://example.com/")
    assert (await send(receiver)).kind == "undeliverable"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
async def test_nothing_of_this_machine_is_reached_unless_a_setting_opens_it(
    receiver: Receiver, host: str
) -> None:
    async with channel(webhook_networks_open="") as made:
        answer = (await made.send(claim(SECRET), receiver.url("/hook", host), queued(notice()))).answer
    assert answer.kind == "rejected"
    assert "not a public one" in (answer.detail or "")
    assert not receiver.requests


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here: no certificate can be made")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        str(key),
    ]
    subprocess.run([*made, "-out", str(certificate)], check=True, capture_output=True)  # noqa: ASYNC221 - short
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with Receiver().running(tls) as receiver:
        answer = await send(receiver)
        assert not receiver.requests
    assert answer.kind == "failed"
    assert "No secure connection" in (answer.detail or "")


class Rebinding(AbstractResolver):
    """Answers each question about a name with another address."""

    def __init__(self, *addresses: str) -> None:
        self.left = list(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.left.pop(0)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def test_a_name_that_changes_its_address_reaches_nothing_private(receiver: Receiver) -> None:
    """What is judged is the address that is connected to, not an earlier answer about the name."""
    resolver = Rebinding("127.0.0.1", "127.0.0.2")
    async with channel(resolver, webhook_networks_open="127.0.0.2/32") as made:
        url = receiver.url("/hook", "rebinding.example")
        answer = (await made.send(claim(SECRET), url, queued(notice()))).answer
    assert answer.kind == "rejected"
    assert resolver.left == ["127.0.0.2"]
    assert not receiver.requests


async def test_a_name_that_is_not_known(receiver: Receiver) -> None:
    async with channel() as made:
        url = receiver.url("/hook", "nothing.invalid")
        answer = (await made.send(claim(SECRET), url, queued(notice()))).answer
    assert answer == Answer("failed", "The host's name cannot be resolved.")


async def test_names_that_hang_delay_only_their_own_destinations(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = socket.getaddrinfo
    answered = threading.Event()

    def look_up(host: str, *asked: Any) -> Any:
        if host.startswith("hangs"):
            answered.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no server answers")
        return known("127.0.0.1", *asked)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    quick: dict[str, Any] = {"webhook_resolver_threads": 2, "webhook_resolver_patience_ms": 20}
    async with channel(**quick, webhook_timeout_ms=10_000) as made:

        async def send_to(host: str) -> Answer:
            return (await made.send(claim(SECRET), receiver.url("/hook", host), queued(notice()))).answer

        hanging = [asyncio.create_task(send_to(f"hangs-{number}.example")) for number in range(20)]
        try:
            await asyncio.sleep(0)  # they are asked first
            async with asyncio.timeout(5):
                assert await send_to("live.example") == Answer("delivered")
            assert not any(task.done() for task in hanging)
        finally:
            answered.set()
        assert {answer.detail for answer in await asyncio.gather(*hanging)} == {
            "The host's name cannot be resolved."
        }


def test_headers_hold_no_secret() -> None:
    shown = str(headers_of("id", b"{}", [SECRET])) + repr(claim(SECRET))
    assert SECRET.removeprefix("whsec_") not in shown
