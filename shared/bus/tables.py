"""The tables that the bus keeps in the schema of every service that consumes or publishes."""

from __future__ import annotations

from types import ModuleType

from alembic.operations import Operations
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

bus_metadata = MetaData()

partition_positions = Table(
    "partition_positions",
    bus_metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column(
        "epoch", BigInteger, nullable=False, comment="raised by each assignment; only its holder may write"
    ),
    Column("owner", Text, nullable=False),
    Column("positions", ARRAY(BigInteger), nullable=False, comment="next offset, one for each topic"),
    comment="one row per partition number: who may write, and how far the topics are consumed",
)

broker_identity = Table(
    "broker_identity",
    bus_metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("cluster_id", Text, nullable=False),
    Column("topics", ARRAY(Text), nullable=False),
    comment="the broker that the stored offsets belong to",
)

outbox = Table(
    "outbox",
    bus_metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer),
    Column("records", LargeBinary, nullable=False, comment="msgpack: [[key, value, [[name, value]]]]"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="records that are to be published; a row goes once the broker has acknowledged them",
)

dead_letters = Table(
    "dead_letters",
    bus_metadata,
    Column("id", Uuid, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("errors", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("replayed_at", DateTime(timezone=True)),
    Column("replayed_by", Text),
    Index("dead_letters_at", "at", "id"),
    comment="records that this service could not take, bytes unchanged",
)


def create_bus_tables(op: Operations | ModuleType) -> None:
    """Create the bus's tables; called by a service's first migration."""
    bus_metadata.create_all(op.get_bind())
    op.execute(
        "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,"
        " autovacuum_vacuum_cost_delay = 0, fillfactor = 100)"
    )
    op.execute("ALTER TABLE outbox ALTER COLUMN records SET STORAGE EXTERNAL")
