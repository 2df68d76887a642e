"""A real SMTP server that keeps what it gets, and refuses as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

PASSWORD = "right"


class Mailbox:
    """Keeps what comes; `refuse` names other answers to a recipient, or to DATA."""

    def __init__(self) -> None:
        self.port = 0
        self.hangs = False
        """Whether a message is never answered."""
        self.envelopes: list[Envelope] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if answer := self.refuse.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        if self.hangs:
            await asyncio.Event().wait()
        return self.refuse.get("DATA", "250 OK")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Mailbox]:
        """Serve on a free port while entered."""
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(self, authenticator=_authenticate, auth_require_tls=False), "127.0.0.1", 0
        )
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    def message(self, number: int = 0) -> EmailMessage:
        """One of the messages, in the order they came."""
        content = self.envelopes[number].content
        assert isinstance(content, bytes)
        parsed = message_from_bytes(content, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


def _authenticate(_s: Any, _session: Any, _e: Any, _mechanism: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=is_right, handled=is_right)
