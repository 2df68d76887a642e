"""Reading request bodies within bounds: decompressing, cutting streams into lines, and how much may be held at once."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from services.intake.settings import IntakeSettings
from shared import metrics
from shared.events import EVENT_BYTES_MAX
from shared.http.problems import Problem

_PIECE_BYTES = 256 * 1024
_RATIO_FREE_BYTES = 1024 * 1024
"""Small bodies may compress as well as they like."""
_GZIP_WBITS = 31

_in_flight_bytes = metrics.gauge(
    "intake_in_flight_bytes", "Bytes of requests that are not answered yet.", "bytes"
)


class Room:
    """How many bytes and requests may be in hand at once, over all requests of this process."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings
        self._bytes = 0
        self._requests = 0
        self._freed = asyncio.Event()

    def enter(self) -> Hold:
        """A place for one more request, to be left by `Hold.leave`. Raises Problem (429)."""
        if self._requests >= self._settings.in_flight_requests_max:
            raise busy(self._settings)
        self._requests += 1
        return Hold(self, self._settings)

    def take(self, size: int) -> bool:
        """Take `size` bytes if there is room. A single piece fits wherever nothing else is held."""
        if self._bytes and self._bytes + size > self._settings.in_flight_bytes_max:
            return False
        self._bytes += size
        _in_flight_bytes.set(self._bytes)
        return True

    def give(self, size: int) -> None:
        """Give `size` bytes back."""
        self._bytes -= size
        _in_flight_bytes.set(self._bytes)
        self._freed.set()

    async def wait(self) -> None:
        """Return when something has been given back."""
        self._freed.clear()
        await self._freed.wait()

    def leave(self) -> None:
        """One request less."""
        self._requests -= 1


class Hold:
    """What one request holds of the room."""

    def __init__(self, room: Room, settings: IntakeSettings) -> None:
        self._room = room
        self._settings = settings
        self._held = 0

    def take(self, size: int) -> bool:
        """Hold `size` bytes more if there is room."""
        taken = self._room.take(size)
        self._held += size if taken else 0
        return taken

    async def wait_and_take(self, size: int) -> None:
        """Hold `size` bytes more as soon as there is room. Raises Problem (429) where that lasts too long."""
        try:
            async with asyncio.timeout(self._settings.room_timeout_ms / 1000):
                while not self.take(size):
                    await self._room.wait()
        except TimeoutError:
            raise busy(self._settings) from None

    def hand_on(self) -> int:
        """Let go of what is held without giving it back: whoever got it gives it back (`Room.give`)."""
        held, self._held = self._held, 0
        return held

    def leave(self) -> None:
        """Give back what is still held, and the request's place."""
        self._room.give(self.hand_on())
        self._room.leave()


def busy(settings: IntakeSettings) -> Problem:
    """The 429: more is on its way than intake holds."""
    return Problem(
        429,
        "Too much at once",
        "Intake holds as much unacknowledged data as it may: senders are faster than the broker. "
        "Send the same events again after the time that Retry-After gives.",
        headers={"Retry-After": str(settings.retry_after_s)},
    )


class Body:
    """A request's body, read once. Nothing of it is kept here."""

    def __init__(self, request: Request, settings: IntakeSettings) -> None:
        self._request = request
        self._settings = settings
        self._ended = False

    def check_length(self, bytes_max: int) -> None:
        """Refuse a body that announces more than `bytes_max`, before any of it is read. Raises Problem (413)."""
        length = self._request.headers.get("content-length", "")
        if length.isdigit() and int(length) > bytes_max:
            raise too_large(bytes_max)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces of bounded size, decompressed. Raises Problem: 400, 413, 415 or 422."""
        encoding = self._request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            raise Problem(
                415,
                "Unknown content encoding",
                f"The encoding {encoding!r} is not understood: send the body as it is, or as gzip.",
                headers={"Accept-Encoding": "gzip"},
            )
        stream = self._stream()
        async for piece in (
            _gunzipped(stream, self._settings.gzip_ratio_max) if encoding.endswith("gzip") else stream
        ):
            yield piece

    async def whole(self, hold: Hold, *, bytes_max: int) -> bytes:
        """All of it, at most `bytes_max`. Raises Problem: 413, 429 and those of `pieces`."""
        self.check_length(bytes_max)
        body = bytearray()
        async for piece in self.pieces():
            if len(body) + len(piece) > bytes_max:
                raise too_large(bytes_max)
            if not hold.take(len(piece)):
                raise busy(self._settings)
            body += piece
        return bytes(body)

    async def discard(self) -> bool:
        """Read the rest away for a moment, so that its sender gets to read an early answer; whether it ended."""
        try:
            async with asyncio.timeout(self._settings.linger_timeout_ms / 1000):
                async for _ in self._stream():
                    pass
        except (TimeoutError, Problem):
            return False
        return True

    async def _stream(self) -> AsyncIterator[bytes]:
        while not self._ended:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                detail = "The connection ended before the body did. Send it again."
                raise Problem(400, "Body cut short", detail)
            self._ended = not message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece


async def _gunzipped(stream: AsyncIterator[bytes], ratio_max: int) -> AsyncIterator[bytes]:
    read_bytes = written_bytes = 0
    inflate = zlib.decompressobj(_GZIP_WBITS)
    async for compressed in stream:
        read_bytes += len(compressed)
        while compressed:
            if inflate.eof:  # a gzip file may have several members
                inflate = zlib.decompressobj(_GZIP_WBITS)
            try:
                piece = inflate.decompress(compressed, _PIECE_BYTES)
            except zlib.error as error:
                raise _not_gzip(str(error)) from None
            written_bytes += len(piece)
            if written_bytes > max(_RATIO_FREE_BYTES, read_bytes * ratio_max):
                raise Problem(
                    413,
                    "Body grows too much",
                    f"Decompressed, the body is over {ratio_max} times its size. Send it uncompressed.",
                )
            if piece:
                yield piece
            compressed = inflate.unconsumed_tail or inflate.unused_data
    if read_bytes and not inflate.eof:
        raise _not_gzip("it ends early")


def _not_gzip(reason: str) -> Problem:
    detail = (
        f"The body could not be decompressed: {reason}. Send whole gzip data, or leave out Content-Encoding."
    )
    return Problem(422, "Not gzip", detail, errors=[("", f"is not gzip data: {reason}")])


def too_large(bytes_max: int) -> Problem:
    """The 413 for a body over its limit."""
    return Problem(
        413, "Body too large", f"The body is over the limit of {bytes_max} bytes. Send it in smaller parts."
    )


class Lines:
    """Cuts a stream of pieces into lines and holds no more of it than one event's worth beyond whole lines.

    Blank lines are left out. None stands for a line that is longer than any event; its bytes are thrown away.
    """

    def __init__(self, line_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._rest = b""
        self._skipping = False

    def cut(self, piece: bytes) -> list[bytes | None]:
        """The lines that `piece` completes."""
        *whole, rest = (self._rest + piece).split(b"\n")
        lines: list[bytes | None] = []
        for line in whole:
            self._add(lines, line)
        self._rest = rest
        if len(rest) > self._line_bytes_max:
            self._skipping, self._rest = True, b""
        return lines

    def end(self) -> list[bytes | None]:
        """The last line, where no line end follows it."""
        lines: list[bytes | None] = []
        self._add(lines, self._rest)
        return lines

    def _add(self, lines: list[bytes | None], line: bytes) -> None:
        if self._skipping:
            self._skipping = False
            lines.append(None)
        elif line := line.strip():
            lines.append(line if len(line) <= self._line_bytes_max else None)
