"""Whoever goes on with what was stored is woken after its commit, neither before nor for nothing."""

from __future__ import annotations

from typing import NamedTuple

from shared.bus.waking import Waking


class Read(NamedTuple):
    """A record of which only the partition matters."""

    partition: int
    topic: str = "t"
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def test_a_commit_of_other_partitions_wakes_nobody_and_takes_nothing_for_committed() -> None:
    woken: list[str] = []
    waking = Waking(lambda: woken.append("now"))
    waking.committed([0, 1])
    assert not woken
    waking.stored([Read(0), Read(2)])
    waking.committed([1, 3])
    assert not woken
    waking.committed([0])
    assert len(woken) == 1
    waking.committed([0])
    assert len(woken) == 1
    waking.committed([2])
    assert len(woken) == 2
