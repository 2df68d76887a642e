"""A network between a program and its database that can fail at the worst moment, or swallow everything."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT;\0"
"""How the driver ends a transaction; the server answers when it is durable."""

_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_FAREWELL = b"E" + struct.pack("!i", 4 + len(_FIELDS)) + _FIELDS


class DatabaseProxy:
    """Hands bytes on to the database of `url`, while `passing` is set. `commits_to_lose` answers to a COMMIT never come back."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.passing = asyncio.Event()
        self.passing.set()
        self.commits_to_lose = 0
        self.lost = asyncio.Event()
        """Set once no answer is to be lost any more."""
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[DatabaseProxy]:
        """Listen on a free port; `url` leads there."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = self._target.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{port}"))
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def take_leave(self) -> None:
        """Say what a server says that is going down, to everybody; the connections stay, as they do for a moment."""
        for writer in self._writers:
            writer.write(_FAREWELL)

    def cut(self) -> None:
        """End every connection."""
        while self._writers:
            self._writers.pop().close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers.add(writer)
        ask = asyncio.create_task(self._hand_on(reader, back, there, writer))
        answer = asyncio.create_task(self._copy(there, writer))
        self._tasks |= {ask, answer}
        ask.add_done_callback(lambda _: answer.cancel())

    async def _hand_on(
        self,
        client: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await client.read(65_536):
                await self.passing.wait()
                losing = self.commits_to_lose > 0 and _COMMIT in data
                if losing:
                    # Cut first: the answer must find nobody. Then let the server do its work.
                    to_client.transport.abort()
                server.write(data)
                await server.drain()
                if losing:
                    self.commits_to_lose -= 1
                    if not self.commits_to_lose:
                        self.lost.set()
                    break
        # The server reads what was sent before it sees the end.
        with contextlib.suppress(ConnectionError):
            server.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self.passing.wait()
                writer.write(data)
                await writer.drain()
            writer.close()
