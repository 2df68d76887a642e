"""What a directed scenario works with: one waybill's events, the moments at which the services stand still, and faults.

The database's own locks hold a service at a chosen statement, and PostgreSQL says when it has got there. No luck needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from random import Random
from typing import Any, Final

import asyncpg

from shared.bus.partitioner import partition_of
from tests.crash import rig
from tests.crash.destinations import Arrivals, Destinations
from tests.crash.direct import Hub
from tests.crash.load import Progress, Publisher
from tests.crash.oracle import Expected, examine
from tests.crash.parcels import DAYS_BEFORE, NETWORK, Route, Writer
from tests.crash.sent import Sent
from tests.crash.snapshot import at_rest, connected, take
from tests.support.stack import Stack

REACHED_S: Final = 40.0
_POLL_S: Final = 0.03
ROUTE: Final = Route("GZ01", "HGZ1", "HBJ1", "BJ02")


class Stage:
    """One scenario on one stack. What it sends is entered in `sent`, for the oracle."""

    def __init__(self, stack: Stack, name: str, sent: Sent, destinations: Destinations) -> None:
        self.stack = stack
        self.sent = sent
        self.destinations = destinations
        random = Random(name)
        self.publisher = Publisher(name, stack, sent, Progress(), random)
        self.hub = Hub(stack, sent, Progress(), name)
        midnight = stack.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        number = int.from_bytes(name.encode()[:4], "big")
        self.subject = f"{NETWORK}/{name.upper().replace('_', '-')[:20]}-{number % 10_000}"
        self.writer = Writer(self.subject, midnight - timedelta(days=DAYS_BEFORE), random)
        self.partition = partition_of(self.subject.encode(), 12)
        sent.kinds[self.subject] = name

    async def send(self, *values: bytes) -> None:
        """Send events over HTTP until they are acknowledged."""
        await self.publisher.send(values)

    async def until(self, question: str, *arguments: Any) -> Any:
        """Ask the database until the answer is true; AssertionError with the question if it never is."""
        async with connected(self.stack) as db:
            return await self._until(lambda: db.fetchval(question, *arguments), question)

    async def _until(self, ask: Callable[[], Awaitable[Any]], what: str) -> Any:
        try:
            async with asyncio.timeout(REACHED_S):
                while not (answer := await ask()):  # noqa: ASYNC110 - nobody here can tell us of a change in the database
                    await asyncio.sleep(_POLL_S)
                return answer
        except TimeoutError:
            raise AssertionError(f"The moment never came within {REACHED_S:g} s: {what}") from None

    async def version(self, least: int) -> None:
        """Wait until the waybill has a verdict of this version or a higher one."""
        await self.until(
            "SELECT version >= $2 FROM arbitration.cases WHERE subject = $1", self.subject, least
        )

    async def journalled(self, events: int) -> None:
        """Wait until so many copies of the waybill's events are in the journal."""
        question = (
            "SELECT coalesce(sum(json_array_length(convert_from('['::bytea || events || ']'::bytea, 'UTF8')::json)), 0)"
            " >= $2 FROM arbitration.journal WHERE subject = $1"
        )
        await self.until(question, self.subject, events)

    async def rest(self, timeout_s: float = 40) -> None:
        """Wait until nothing is under way."""
        await at_rest(self.stack, timeout_s)

    @asynccontextmanager
    async def holding(self, table: str, mode: str) -> AsyncIterator[asyncpg.Connection]:
        """Hold a table lock: whoever needs a conflicting one stands still until this ends."""
        async with connected(self.stack) as db:
            transaction = db.transaction()
            await transaction.start()
            await db.execute(f"LOCK TABLE {table} IN {mode} MODE")
            try:
                yield db
            finally:
                await transaction.rollback()

    async def standing_at(self, table: str) -> list[int]:
        """Wait until somebody stands still before `table`; the backends that do."""
        question = "SELECT array_agg(pid) FROM pg_locks WHERE NOT granted AND relation = $1::regclass"
        return list(await self.until(question, table))

    async def owner(self) -> str:
        """The copy of arbitration that holds the waybill's partition."""
        question = "SELECT owner FROM arbitration.partition_positions WHERE partition = $1"
        return str(await self.until(question, self.partition))

    async def up_again(self, *names_and_pids: tuple[str, int]) -> None:
        """Wait until killed parts answer again."""
        for name, pid in names_and_pids:
            await rig.wait_up(self.stack, name, other_than_pid=pid)

    def kill(self, name: str) -> tuple[str, int]:
        """SIGKILL a part; what is returned can be awaited by `up_again`."""
        return name, rig.kill(self.stack, name)

    async def close(self) -> None:
        """Let go of clients."""
        await self.publisher.close()
        await self.hub.close()


async def play(
    stack: Stack, scenario: Callable[[Stage], Awaitable[None]], sent: Sent, arrivals: Arrivals
) -> list[str]:
    """Run a scenario and return what is wrong afterwards, as sentences; a stack that does not recover is wrong too."""
    async with Destinations(stack, arrivals, scenario.__name__) as destinations:
        stage = Stage(stack, scenario.__name__, sent, destinations)
        try:
            await scenario(stage)
            await stage.rest()
        except AssertionError as failure:
            return [f"no recovery: {failure}"]
        finally:
            await stage.close()
        return examine(sent, await take(stack, arrivals), Expected(sent, stack.now()))


def faulty_parcel(w: Writer) -> Sequence[bytes]:
    """A parcel that lacks an arrival scan and is delivered three days late: TT-01 from the first."""
    route = ROUTE
    return [
        w.scan(route.origin, "collected", 10, scope="inter_province", destination_site=route.last),
        w.scan(route.origin, "departed", 19, next_site=route.first),
        w.scan(route.first, "arrived", 21, previous_site=route.origin),
        w.scan(route.first, "departed", 23, next_site=route.second),
        w.scan(route.second, "departed", 53, next_site=route.last),
        w.scan(route.last, "arrived", 55, previous_site=route.second),
        w.scan(route.last, "out_for_delivery", 57),
        w.sign(route.last, 63 + 72),
    ]
