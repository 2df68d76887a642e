"""The hash chain over the entries, and the clause and the note that an entry carries."""

import msgspec
from alembic import op
from sqlalchemy import text

from services.penalties.chain import beginning, following
from services.penalties.store import entry_of

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and chain what is booked already."""
    for statement in _BEFORE:
        op.execute(statement)
    _chain_what_is_there()
    for statement in _AFTER:
        op.execute(statement)


def _chain_what_is_there() -> None:
    connection = op.get_bind()
    keys = connection.execute(text("SELECT DISTINCT network, partition FROM entries")).all()
    for network, partition in keys:
        head = beginning((network, partition))
        links = []
        of_chain = text(
            "SELECT * FROM entries WHERE network = :network AND partition = :partition ORDER BY record_offset, ordinal"
        )
        rows = connection.execute(of_chain, {"network": network, "partition": partition})
        for row in rows:
            entry = msgspec.structs.replace(entry_of(row), chain=None)
            head = following(head, entry, partition, row.ordinal, row.record_offset)
            links.append({"id": row.entry_id, "position": head.position, "hash": head.digest})
        connection.execute(
            text("UPDATE entries SET position = :position, hash = :hash WHERE entry_id = :id"), links
        )
        connection.execute(
            text("INSERT INTO chains VALUES (:network, :partition, :position, :hash)"),
            {"network": network, "partition": partition, "position": head.position, "hash": head.digest},
        )


_BEFORE = (
    "ALTER TABLE entries DISABLE TRIGGER entries_stay",
    """ALTER TABLE entries
        ADD COLUMN clause_source text,
        ADD COLUMN clause_text text,
        ADD COLUMN note text,
        ADD COLUMN position bigint,
        ADD COLUMN hash bytea""",
    """CREATE TABLE chains (
        network text COLLATE "C" NOT NULL,
        partition smallint NOT NULL,
        position bigint NOT NULL,
        hash bytea NOT NULL,
        PRIMARY KEY (network, partition)
    ) WITH (fillfactor = 50)""",
    "COMMENT ON TABLE verdicts IS 'the newest version of each waybill''s verdict that was worked through'",
    "COMMENT ON TABLE chains IS 'the newest link of each chain of entries'",
)
_AFTER = (
    "ALTER TABLE entries ALTER COLUMN position SET NOT NULL, ALTER COLUMN hash SET NOT NULL",
    "ALTER TABLE entries ENABLE TRIGGER entries_stay",
    "CREATE UNIQUE INDEX entries_chain ON entries (network, partition, position)",
    "CREATE INDEX entries_moment ON entries (network, posted_at)",
    "CREATE INDEX entries_late ON entries (network, period) WHERE belongs_to IS NOT NULL",
    """CREATE INDEX entries_frozen ON entries (network, waybill)
        WHERE debit_account = 'frozen' OR credit_account = 'frozen'""",
    "COMMENT ON COLUMN entries.clause_source IS 'source document of the clause by which the money moved'",
    "COMMENT ON COLUMN entries.clause_text IS 'its words'",
    "COMMENT ON COLUMN entries.note IS 'why a person booked it; none where a verdict did'",
    "COMMENT ON COLUMN entries.position IS 'place in the chain of the network and partition, from 1'",
    "COMMENT ON COLUMN entries.hash IS 'SHA-256 over the entry, its place and the hash before it'",
)
