"""Webhooks as Standard Webhooks prescribe: signed, with an id that stays the same over every attempt.

`webhook-timestamp` is the machine's time, not the product's clock: it says when this attempt was made, and receivers compare
it with their own clocks to refuse what is replayed. The moments in the body are the product's.
"""

from __future__ import annotations

import asyncio
import email.utils
import resource
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook

from services.notify.delivery.channel import Sent
from services.notify.delivery.guard import Guard, RefusedAddress, url_refusal
from services.notify.delivery.policy import Answer
from services.notify.delivery.resolver import PatientResolver
from services.notify.delivery.settings import DeliverySettings, networks_of
from services.notify.store.deliveries import Claim, Places, Queued
from shared.events.outputs import NoticeData

NO_SECRET = (
    "The site has no secret to sign its webhooks with. Make one: POST /v1/webhook-secrets/{network}/{site};"
    " what waits is sent then."
)
_REDIRECTS = (307, 308)
"""Those that repeat the request as it was; others would turn it into a GET."""
_REJECTIONS = (400, 405, 406, 411, 413, 414, 415, 422)
"""Answers about this request rather than about the receiver's condition."""

_DRAIN_S = 1.0
"""The status is the answer: for the rest of it nobody waits longer."""
_OTHER_FILES = 512
"""Files and connections that have nothing to do with webhooks, generously."""


class Body(msgspec.Struct, frozen=True):
    """A webhook's body: `type` is `notice.<occasion>`, `timestamp` when the notice was made."""

    type: str
    timestamp: datetime
    data: NoticeData


class WebhookChannel:
    """Posts notices to the sites' URLs. `resolver` is the system's where none is given."""

    name = "webhook"

    def __init__(self, settings: DeliverySettings, *, resolver: AbstractResolver | None = None) -> None:
        self.places = Places(
            good=settings.webhook_connections_max,
            slow=settings.webhook_slow_connections_max,
            notices=settings.delivery_notices_max,
            trial_notices=1,
        )
        self._settings = settings
        self._guard = Guard(networks_of(settings.webhook_networks_open))
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def send(self, claim: Claim, address: str, notices: Sequence[Queued]) -> Sent:
        """Post the first notice."""
        if not claim.secrets:
            return Sent(Answer("failed", NO_SECRET.format(network=claim.network, site=claim.site)))
        notice = notices[0].notice
        body = body_of(notice)
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_ms / 1000):
                return Sent(
                    await self._post(address, body, headers_of(notice.notice_id, body, claim.secrets))
                )
        except TimeoutError:
            return Sent(Answer("failed", f"No answer within {self._settings.webhook_timeout_ms / 1000:g} s."))
        except aiohttp.InvalidURL:
            return Sent(Answer("undeliverable", _refused("it is not a URL that can be called")))
        except (aiohttp.ClientError, ssl.SSLError, OSError, UnicodeError) as error:
            return Sent(_failed(error))

    async def close(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        for _ in range(self._settings.webhook_redirects_max + 1):
            if refusal := url_refusal(url):
                return Answer("undeliverable", _refused(refusal))
            async with self._open_session().post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = answer_of(response.status, response.headers.get("Retry-After"))
                await self._drain(response)
                target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target:
                return answer
            try:
                further = urljoin(url, target)
                leaves_tls = urlsplit(url).scheme == "https" != urlsplit(further).scheme
            except ValueError:
                return Answer("undeliverable", _refused("it redirects to what is no URL"))
            if leaves_tls:
                return Answer("failed", "The receiver redirects from https to something else: not followed.")
            url = further
        return Answer("failed", f"More than {self._settings.webhook_redirects_max} redirects.")

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        """Read the answer to its end, so that the connection can be used again, unless it is long or slow."""
        left = self._settings.webhook_response_bytes_max
        try:
            async with asyncio.timeout(_DRAIN_S):
                while (chunk := await response.content.readany()) and left >= 0:
                    left -= len(chunk)
        except (aiohttp.ClientError, OSError):
            left = -1
        if left < 0:
            response.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=settings.webhook_keepalive_ms / 1000,
                resolver=self._resolver or PatientResolver(settings),
                socket_factory=self._guard.make_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                # A compressed answer could be small on the wire and huge in memory.
                auto_decompress=False,
                read_bufsize=16 * 1024,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=settings.webhook_connect_timeout_ms / 1000
                ),
            )
        return self._session


def allow_files(connections_max: int) -> None:
    """Raise the process's limit of open files, as far as it may, so that `connections_max` webhooks have room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As many again are kept open between two webhooks.
    wanted = 2 * connections_max + _OTHER_FILES
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def body_of(notice: NoticeData) -> bytes:
    """The body of the notice's webhook, the same at every attempt."""
    shown = msgspec.structs.replace(notice, state="delivered")
    return _encode(Body(f"notice.{notice.occasion}", notice.created_at, shown))


def headers_of(webhook_id: str, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of an attempt made now, with a signature by each of `secrets`."""
    attempted_at = datetime.now(UTC)
    text = body.decode()
    signatures = (Webhook(secret).sign(webhook_id, attempted_at, text) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Faultline",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(attempted_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def answer_of(status: int, retry_after: str | None) -> Answer:
    """What an answer's status means. `retry_after`: the header, seconds or a date."""
    if 200 <= status < 300:
        return Answer("delivered")
    if status == 410:
        return Answer("ended", "HTTP 410: the receiver wants no more webhooks.")
    detail = f"The receiver answered HTTP {status}."
    if status in _REJECTIONS:
        return Answer("rejected", detail)
    return Answer("failed", detail, _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after[:12])
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _failed(error: Exception) -> Answer:
    """The answer for a request that got none."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Answer("failed", "The host's name cannot be resolved.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return Answer("failed", f"No secure connection: {_short(error.os_error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, RefusedAddress):
            return Answer("rejected", str(error.os_error))
        return Answer("failed", f"No connection: {error.os_error.strerror or type(error.os_error).__name__}.")
    if isinstance(error, aiohttp.ServerTimeoutError):
        return Answer("failed", "No connection within the time allowed.")
    return Answer("failed", f"The connection broke off: {type(error).__name__}.")


def _refused(why: str) -> str:
    return f"The webhook's URL is refused: {why}. Give the site another one: PUT /v1/sites."


def _short(error: BaseException) -> str:
    text = getattr(error, "verify_message", "") or getattr(error, "reason", "") or type(error).__name__
    return str(text)[:200]


_encode = msgspec.json.Encoder().encode
