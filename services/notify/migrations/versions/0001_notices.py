"""The first tables: what was told of each waybill, the notices, and the bus's own."""

import sqlalchemy as sa
from alembic import op

from shared.bus.tables import create_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    create_bus_tables(op)
    op.create_table(
        "seen_verdicts",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("findings", sa.LargeBinary, nullable=False, comment="JSON: the findings as last told"),
        comment="the newest version of each waybill's verdict that notices were made for",
    )
    op.execute(
        """
        CREATE TABLE notices (
            notice_id   uuid PRIMARY KEY,
            occasion    text NOT NULL,
            network     text NOT NULL,
            site        text NOT NULL,
            waybill     text,
            finding_id  text,
            version     integer,
            channel     text NOT NULL CHECK (channel IN ('in_app', 'webhook', 'email')),
            state       text NOT NULL
                        CHECK (state IN ('queued', 'delivered', 'failed', 'acknowledged', 'withdrawn')),
            language    char(2) NOT NULL,
            title       text NOT NULL,
            body        text NOT NULL,
            due_at      timestamptz,
            created_at  timestamptz NOT NULL,
            attempts    jsonb NOT NULL,
            changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE notices IS 'one row for each (occasion, finding, version, recipient, channel)'"
    )
    op.execute(
        "COMMENT ON COLUMN notices.changed_xid IS 'the transaction that last changed the row: the streams follow it'"
    )
    op.execute("COMMENT ON COLUMN notices.attempts IS '[{at, outcome, detail?}], oldest first'")
    op.create_index("notices_created", "notices", ["created_at", "notice_id"])
    op.create_index("notices_site", "notices", ["network", "site", "created_at", "notice_id"])
    op.create_index("notices_waybill", "notices", ["network", "waybill", "created_at", "notice_id"])
    op.create_index("notices_changed", "notices", ["changed_xid", "notice_id"])


def downgrade() -> None:
    """Not offered: notices are records of what was said to whom."""
    raise RuntimeError("The first revision cannot be undone: restore a backup instead.")
