"""Host names to addresses by the system's resolver, which can take half a minute over a name whose servers hang."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from services.notify.delivery.settings import DeliverySettings


class PatientResolver(AbstractResolver):
    """Looks names up in threads of its own: those that hang delay neither other names nor the rest of the process.

    So many are looked up at once; one that takes longer than `webhook_resolver_patience_ms` no longer counts among them, and
    only its own destination waits for it. Its thread ends when the system's resolver gives up; the client never asks for
    a name and port twice at once, so there are no more such threads than of those that hang.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._places = asyncio.Semaphore(settings.webhook_resolver_threads)
        self._patience_s = settings.webhook_resolver_patience_ms / 1000
        threads_max = max(settings.webhook_resolver_threads, settings.webhook_connections_max)
        self._pool = ThreadPoolExecutor(threads_max, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError."""
        loop = asyncio.get_running_loop()
        async with self._places:
            looking = loop.run_in_executor(
                self._pool, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM
            )
            await asyncio.wait({looking}, timeout=self._patience_s)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await looking
        ]

    async def close(self) -> None:
        """End the threads, those that still wait for an answer by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
