"""Kafka's default partitioner: murmur2 of the key, as the Java client computes it."""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

_M = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF
_KEYS_REMEMBERED = 65_536
"""A waybill's records come close together: most keys are asked for again soon."""


@lru_cache(maxsize=_KEYS_REMEMBERED)
def murmur2(key: bytes) -> int:
    """The 32-bit murmur2 hash of `key`, unsigned."""
    length = len(key)
    h = _SEED ^ length
    words = length >> 2
    for k in unpack_from(f"<{words}I", key):
        k = (k * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    tail = key[words << 2 :]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that a record with this key belongs to."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
