"""What a consumer holds between two rebalances, its limits, and when it must not go on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import ConsumerRebalanceListener, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus import positions as stored
from shared.bus.connection import cluster_id
from shared.errors import StoppedConsumer
from shared.settings import ServiceSettings


@dataclass(slots=True)
class Assignment:
    """The partitions held between two rebalances."""

    epochs: dict[int, int]
    positions: dict[TopicPartition, int]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    writing: int = 0
    quiet: asyncio.Event = field(default_factory=asyncio.Event)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types: its class is Any to mypy
    """Only passes word on: aiokafka swallows what a listener raises, so the runner's own loop does the work."""

    def __init__(self, revoked: Callable[[], Awaitable[None]], assigned: Callable[[], None]) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """The group assigns anew: what is held is to be given up first."""
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """The group has assigned: it is to be claimed."""
        self._assigned()


@dataclass(frozen=True, slots=True)
class RunnerLimits:
    """Limits of a runner; times in milliseconds."""

    lanes: int = 2
    batch_records_max: int = 5_000
    fetch_wait_ms: int = 250
    fetch_partition_bytes_max: int = 1024 * 1024
    session_timeout_ms: int = 10_000
    rebalance_timeout_ms: int = 30_000
    retry_wait_ms: int = 200
    retry_wait_ms_max: int = 5_000
    commit_interval_ms: int = 5_000
    close_timeout_ms: int = 180_000
    """The process ends where its client is not closed by then. A broker that hangs is waited for: requests take 40 s."""

    @property
    def heartbeat_ms(self) -> int:
        """A third of the session time-out, so that two heartbeats may be lost."""
        return self.session_timeout_ms // 3


def whole_numbers(held: Collection[TopicPartition], topics: Sequence[str]) -> list[int]:
    """The partition numbers of `held`, ascending. Raises StoppedConsumer where one is not held over all `topics`."""
    numbers = sorted({tp.partition for tp in held})
    incomplete = [n for n in numbers if any(TopicPartition(topic, n) not in held for topic in topics)]
    if incomplete:
        raise StoppedConsumer(
            f"Partitions {incomplete} are not assigned over all of {', '.join(topics)}.",
            cause="the topics differ in their number of partitions.",
            remedy="create them with one partition count; it is fixed for ever.",
        )
    return numbers


async def check_broker(
    settings: ServiceSettings, engine: AsyncEngine, group: str, topics: Sequence[str]
) -> None:
    """Raise StoppedConsumer where the broker is another than the one that the stored offsets belong to."""
    present = await cluster_id(settings)
    async with engine.begin() as connection:
        known = await stored.bind_broker(connection, group, present, topics)
    if known != present:
        raise StoppedConsumer(
            f"The broker's cluster id is {present}, but the stored offsets of {group} belong to {known}.",
            cause="KAFKA_BOOTSTRAP_SERVERS points to another cluster, or the broker's data was wiped.",
            remedy="point to the old cluster; or, where its data is gone for good, delete the group's rows in "
            "broker_identity and partition_positions to begin anew with the new one.",
        )


def check_range(
    group: str,
    positions: Mapping[TopicPartition, int],
    first: Mapping[TopicPartition, int],
    last: Mapping[TopicPartition, int],
) -> None:
    """Raise StoppedConsumer where a stored position lies outside of what the broker still has."""
    for tp, offset in positions.items():
        if not first[tp] <= offset <= last[tp]:
            raise StoppedConsumer(
                f"{group} stands at offset {offset} of {tp.topic}/{tp.partition}, but the broker has "
                f"{first[tp]} to {last[tp]}.",
                cause="retention removed records before they were consumed, or the broker lost data.",
                remedy="restore the broker's log; or accept the gap by setting the position in "
                "partition_positions by hand, and replay what the publishers still have.",
            )
