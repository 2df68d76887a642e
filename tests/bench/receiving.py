"""A thousand webhook receivers in a process of their own: `python -m tests.bench.receiving` prints its port.

Every address of 127.0.0.0/8 is this machine: each site has an address, so a connection, of its own. Paths tell what it does:
`/live` answers 204 at once, `/hangs` never answers. `GET /report` tells what has arrived at the live ones.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from datetime import datetime

import httptools

_PUBLISHED = re.compile(rb'"waybill":"B(\d+)-')
_MADE = re.compile(rb'"timestamp":"([^"]+)"')
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Arrivals:
    """Milliseconds from a verdict to the first arrival of its notice, by the second in which the verdict was published."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()
        self.again = 0
        self.overtaken = 0
        self.latencies_ms: dict[int, list[float]] = {}
        self.hanging = Counter[str]()
        self._newest: dict[str, datetime] = {}

    def note(self, site: str, webhook_id: bytes, body: bytes) -> None:
        """Take one webhook of a live site."""
        if webhook_id in self.ids:
            self.again += 1
            return
        self.ids.add(webhook_id)
        published, made = _PUBLISHED.search(body), _MADE.search(body)
        assert published is not None
        assert made is not None
        made_at = datetime.fromisoformat(made[1].decode())
        self.overtaken += made_at < self._newest.get(site, made_at)
        self._newest[site] = made_at
        published_us = int(published[1])
        second = published_us // 1_000_000
        self.latencies_ms.setdefault(second, []).append(time.time() * 1e3 - published_us / 1e3)

    def report(self) -> bytes:
        """All of it as JSON."""
        return json.dumps(
            {
                "arrived": len(self.ids),
                "again": self.again,
                "overtaken": self.overtaken,
                "hanging": sum(self.hanging.values()),
                "latencies_ms": self.latencies_ms,
            }
        ).encode()


class Connection(asyncio.Protocol):
    """One connection, parsed as it comes."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._path = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._headers, self._body = url, {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        site = self._headers.get(b"host", b"").decode()
        if self._path == b"/live":
            self._arrivals.note(site, self._headers[b"webhook-id"], self._body)
            self._transport.write(_NO_CONTENT)
        elif self._path == b"/hangs":
            self._arrivals.hanging[site] += 1
        else:
            report = self._arrivals.report()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(report) + report)


async def _serve() -> None:
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(arrivals), "0.0.0.0", 0, backlog=2_048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
