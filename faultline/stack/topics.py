"""The topics of the wire contract, and their creation on any broker that lets us."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.bus.connection import kafka_options
from shared.errors import FaultlineError
from shared.settings import ServiceSettings

_KIB = 1024
_MIB = 1024 * _KIB
_DAY_MS = 24 * 3_600_000
_FOR_EVER = -1
_ALREADY_EXISTS = 36


@dataclass(frozen=True)
class Topic:
    """One topic: `partitions` None means the number that all keyed topics have."""

    name: str
    partitions: int | None = None
    configuration: dict[str, str] = field(default_factory=dict)


def _input(name: str) -> Topic:
    # A batch of events, not one event, must fit; that an event has at most 64 KiB is checked by who reads it.
    return Topic(
        name,
        configuration={
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(1 * _MIB + 64 * _KIB),
            "retention.ms": str(7 * _DAY_MS),
        },
    )


def _output(name: str) -> Topic:
    # The ledger can be rebuilt from the verdicts: nothing of them is ever removed here.
    return Topic(name, configuration={"max.message.bytes": str(4 * _MIB), "retention.ms": str(_FOR_EVER)})


def _registry(name: str) -> Topic:
    return Topic(
        name,
        partitions=1,
        configuration={
            "cleanup.policy": "compact",
            "max.message.bytes": str(1 * _MIB + 64 * _KIB),
            "min.cleanable.dirty.ratio": "0.3",
            "segment.ms": str(_DAY_MS),
        },
    )


def _dead_letters(of: Topic) -> Topic:
    # Room for the largest record of its topic even if that record was compressed there, and for the headers.
    return Topic(
        f"{of.name}.dlq",
        partitions=of.partitions,
        configuration={"max.message.bytes": str(8 * _MIB), "retention.ms": str(30 * _DAY_MS)},
    )


_SOURCES = (
    _input("parcel.scans"),
    _input("parcel.signatures"),
    _input("parcel.complaints"),
    _output("arbitration.verdicts"),
    _output("arbitration.duties"),
    _output("penalties.postings"),
    _output("penalties.periods"),
    _output("notify.notices"),
    _registry("registry.sites"),
    _registry("registry.exemptions"),
    _registry("registry.keys"),
)

TOPICS = (*_SOURCES, *(_dead_letters(topic) for topic in _SOURCES))
"""Every topic of the wire contract, the dead letters' included."""


async def create_topics(bootstrap_servers: str, partitions: int, replication: int = 1) -> list[str]:
    """Create the topics that are missing and return their names. An existing topic is left as it is.

    Raises FaultlineError where the broker refuses, or where an existing keyed topic has another partition count: a
    waybill's events would no longer meet in one partition.
    """
    # Encryption and the user's name come from the environment, as for every service.
    settings = ServiceSettings(kafka_bootstrap_servers=bootstrap_servers)
    admin = AIOKafkaAdminClient(**kafka_options(settings), request_timeout_ms=30_000)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in TOPICS if topic.name not in existing]
        if missing:
            answer = await admin.create_topics(
                [
                    NewTopic(
                        topic.name,
                        topic.partitions or partitions,
                        replication,
                        topic_configs=topic.configuration,
                    )
                    for topic in missing
                ],
                timeout_ms=30_000,
            )
            _check_created(answer.topic_errors)
        await _check_partitions(admin, existing, partitions)
        return [topic.name for topic in missing]
    finally:
        await admin.close()


def _check_created(errors: list[tuple[str, int, str | None]]) -> None:
    for name, code, message in errors:
        if code not in (0, _ALREADY_EXISTS):
            raise FaultlineError(
                f"The broker refused to create the topic {name}: {message or f'error {code}'}.",
                cause="the user may not create topics, or the broker is about to stop.",
                remedy="create it by hand as docs/how-to says, or give the user the right to.",
            )


async def _check_partitions(admin: AIOKafkaAdminClient, existing: set[str], partitions: int) -> None:
    keyed = [topic.name for topic in TOPICS if topic.partitions is None and topic.name in existing]
    if not keyed:
        return
    for described in await admin.describe_topics(keyed):
        count = len(described["partitions"])
        if count != partitions:
            raise FaultlineError(
                f"The topic {described['topic']} has {count} partitions, not {partitions}.",
                cause="FAULTLINE_PARTITIONS was changed after the topics had been created; the count is fixed for ever.",
                remedy=f"set FAULTLINE_PARTITIONS={count}, or start over with `make reset`.",
            )
