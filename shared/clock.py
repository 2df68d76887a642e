"""The only source of time.

Production uses the machine's clock. The local stack may move its clock forward: the moves stand in a file that all
processes share, so that every one of them sees the same time and a restart does not go back.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from pathlib import Path

_LOOK_INTERVAL_S = 0.05
_LONGEST_SLEEP_S = 60.0


class Clock:
    """Wall-clock time, moved forward by what the shared clock file says (no file: not moved).

    The file holds `{"moves": [[real_ms, offset_ms], …]}`: from the real moment `real_ms` on, `offset_ms` is added.
    """

    def __init__(self, moves_file: Path | None = None) -> None:
        self._moves_file = moves_file
        self._moves: list[tuple[int, int]] = []
        self._looked_at_s = float("-inf")
        self._mtime_ns = -1

    @property
    def movable(self) -> bool:
        """Whether this clock follows a clock file, as in the local stack."""
        return self._moves_file is not None

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        self._look()
        offset_ms = self._moves[-1][1] if self._moves else 0
        return time.time_ns() // 1_000_000 + offset_ms

    def now(self) -> datetime:
        """The present moment, aware, in UTC, to the millisecond."""
        return from_ms(self.now_ms())

    def of_real_ms(self, real_ms: int) -> datetime:
        """The moment that this clock showed (or will show) at the machine's time `real_ms`.

        The broker stamps records with the machine's time; this brings a stamp into the clock of the product.
        """
        self._look()
        index = bisect_right(self._moves, real_ms, key=lambda move: move[0]) - 1
        return from_ms(real_ms + (self._moves[index][1] if index >= 0 else 0))

    async def sleep_until(self, moment: datetime) -> None:
        """Return once `now()` has reached `moment`; a move of the clock is noticed at once."""
        while (left_s := (moment - self.now()).total_seconds()) > 0:
            longest_s = _LOOK_INTERVAL_S * 2 if self.movable else _LONGEST_SLEEP_S
            await asyncio.sleep(min(left_s, longest_s))

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed on this clock."""
        await self.sleep_until(self.now() + timedelta(seconds=seconds))

    def _look(self) -> None:
        if self._moves_file is None or time.monotonic() - self._looked_at_s < _LOOK_INTERVAL_S:
            return
        self._looked_at_s = time.monotonic()
        try:
            mtime_ns = self._moves_file.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if mtime_ns != self._mtime_ns:
            self._moves = read_moves(self._moves_file)
            self._mtime_ns = mtime_ns


def from_ms(epoch_ms: int) -> datetime:
    """Milliseconds since the epoch as an aware moment in UTC."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def read_moves(moves_file: Path) -> list[tuple[int, int]]:
    """The moves of a clock file as (real_ms, offset_ms), oldest first; an absent file has none."""
    try:
        moves = json.loads(moves_file.read_text())["moves"]
    except FileNotFoundError:
        return []
    return [(int(real_ms), int(offset_ms)) for real_ms, offset_ms in moves]


def advance(moves_file: Path, by: timedelta) -> timedelta:
    """Move the clock of `moves_file` forward by `by` and return the whole offset. Negative `by`: ValueError.

    When it returns, every clock that follows the file shows the move: what is published then is in nobody's future.
    """
    if by < timedelta(0):
        raise ValueError("The clock only goes forward: give a positive duration.")
    moves = read_moves(moves_file)
    offset_ms = (moves[-1][1] if moves else 0) + int(by.total_seconds() * 1000)
    moves.append((time.time_ns() // 1_000_000, offset_ms))
    fresh = moves_file.with_suffix(".tmp")
    fresh.write_text(json.dumps({"moves": moves}))
    os.replace(fresh, moves_file)
    time.sleep(_LOOK_INTERVAL_S)
    return timedelta(milliseconds=offset_ms)
