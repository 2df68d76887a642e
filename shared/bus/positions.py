"""Who may write for a partition number, and how far its topics are consumed.

One row per partition number holds an epoch and one position for each topic. Being assigned a partition raises its
epoch; every writing transaction first locks its rows where the epoch is still its own. A worker that lost its
partition, even one that was frozen and does not know it yet, therefore writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.tables import partition_positions as rows
from shared.errors import FaultlineError

LOCK_ALL = "SELECT FROM partition_positions ORDER BY consumer_group, partition FOR UPDATE"
"""Waits for every writing transaction under way, and keeps further ones waiting: for what none of them may straddle."""


class Fenced(FaultlineError):
    """The partition has gone to another worker; this one must not write for it."""

    def __init__(self, partitions: Sequence[int]) -> None:
        super().__init__(
            f"Partitions {list(partitions)} belong to another worker now.",
            cause="a rebalance, or this process was frozen for longer than the session time-out.",
            remedy="nothing: the worker gives them up and waits for its next assignment.",
        )


async def claim(
    connection: AsyncConnection, group: str, owner: str, starts: Mapping[int, Sequence[int]]
) -> dict[int, tuple[int, list[int]]]:
    """Take over partitions: raise their epochs and return `{partition: (epoch, positions)}`.

    `starts` gives each partition's positions for the case that it was never consumed before.
    """
    if not starts:
        return {}
    first = insert(rows).on_conflict_do_nothing()
    await connection.execute(
        first,
        [
            {
                "consumer_group": group,
                "partition": p,
                "epoch": 0,
                "owner": owner,
                "positions": list(positions),
            }
            for p, positions in sorted(starts.items())
        ],
    )
    await _locked(connection, group, sorted(starts))
    claimed = await connection.execute(
        update(rows)
        .where(rows.c.consumer_group == group, rows.c.partition.in_(starts))
        .values(epoch=rows.c.epoch + 1, owner=owner)
        .returning(rows.c.partition, rows.c.epoch, rows.c.positions)
    )
    return {partition: (epoch, list(positions)) for partition, epoch, positions in claimed}


async def lock(connection: AsyncConnection, group: str, epochs: Mapping[int, int]) -> dict[int, list[int]]:
    """Lock the rows of `epochs` in ascending order and return their positions; Fenced where an epoch has moved on."""
    found = await _locked(connection, group, sorted(epochs))
    lost = [p for p, epoch in epochs.items() if p not in found or found[p][0] != epoch]
    if lost:
        raise Fenced(sorted(lost))
    return {p: positions for p, (_, positions) in found.items()}


async def of_group(connection: AsyncConnection, group: str) -> dict[int, list[int]]:
    """The stored positions of all partitions, whoever has them; nothing is locked."""
    found = await connection.execute(
        select(rows.c.partition, rows.c.positions).where(rows.c.consumer_group == group)
    )
    return {partition: list(positions) for partition, positions in found}


async def advance(connection: AsyncConnection, group: str, positions: Mapping[int, Sequence[int]]) -> None:
    """Store the next offsets of partitions whose rows this transaction has locked."""
    # Arrays of arrays must be rectangular, and unnest to single numbers: each partition's offsets go as one text.
    texts = ["{" + ",".join(map(str, offsets)) + "}" for offsets in positions.values()]
    await connection.execute(_ADVANCE, {"g": group, "p": list(positions), "next": texts})


async def bind_broker(connection: AsyncConnection, group: str, cluster_id: str, topics: Sequence[str]) -> str:
    """Remember the broker that the offsets belong to; return the one remembered (an older one stays)."""
    await connection.execute(
        text(
            "INSERT INTO broker_identity (consumer_group, cluster_id, topics) VALUES (:g, :c, :t)"
            " ON CONFLICT DO NOTHING"
        ),
        {"g": group, "c": cluster_id, "t": list(topics)},
    )
    known = await connection.execute(
        text("SELECT cluster_id FROM broker_identity WHERE consumer_group = :g"), {"g": group}
    )
    return str(known.scalar_one())


async def _locked(
    connection: AsyncConnection, group: str, partitions: Sequence[int]
) -> dict[int, tuple[int, list[int]]]:
    found = await connection.execute(_LOCK, {"g": group, "p": list(partitions)})
    return {partition: (epoch, list(positions)) for partition, epoch, positions in found}


_ADVANCE = text(
    "UPDATE partition_positions AS known SET positions = fresh.positions::bigint[]"
    " FROM unnest(CAST(:p AS smallint[]), CAST(:next AS text[])) AS fresh(partition, positions)"
    " WHERE known.consumer_group = :g AND known.partition = fresh.partition"
)
_LOCK = text(
    "SELECT partition, epoch, positions FROM partition_positions"
    " WHERE consumer_group = :g AND partition = ANY(CAST(:p AS smallint[])) ORDER BY partition FOR UPDATE"
)
