"""What is said at a later moment, how a site wants to be told, and positions for the topics that came to the verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables of duties, reminders and preferences."""
    op.execute("ALTER TABLE notices ADD COLUMN about text")
    op.execute(
        "COMMENT ON COLUMN notices.about IS 'what makes it void while it is queued; none in the application'"
    )
    op.execute(
        "CREATE INDEX notices_about ON notices (network, waybill, about) "
        "WHERE state = 'queued' AND channel <> 'in_app'"
    )
    op.create_table(
        "seen_duties",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("duties", sa.LargeBinary, nullable=False, comment="JSON: the duties as last told"),
        comment="the newest revision of each waybill's duties",
    )
    op.create_table(
        "reminders",
        sa.Column("reminder_id", sa.Uuid, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False, comment="the duty or the finding it belongs to"),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "urgency", sa.SmallInteger, nullable=False, comment="the lower the sooner; complaints first"
        ),
        sa.Column("bundle", sa.Text, comment="those of one bundle are said in one notice"),
        sa.Column("partition", sa.Integer, nullable=False, comment="of its waybill, over all topics"),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="JSON: what is to be said"),
        sa.Column("said_at", sa.DateTime(timezone=True), comment="of a bundle's, which stays; others go"),
        comment="what is to be said at a later moment; gone once what it is about is done",
    )
    op.create_index("reminders_subject", "reminders", ["subject", "about"])
    op.execute("CREATE INDEX reminders_due ON reminders (remind_at) WHERE said_at IS NULL")
    op.execute(
        "CREATE INDEX reminders_bundle ON reminders (bundle) WHERE said_at IS NULL AND bundle IS NOT NULL"
    )
    op.create_table(
        "preferences",
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column(
            "wishes",
            sa.dialects.postgresql.JSONB,
            nullable=False,
            comment="channels by group of occasions, quiet hours, digest",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        comment="how a site wants to be told; the usual way where it has no row",
    )
    # Databases that have consumed verdicts only: duties and periods are read from their beginning.
    op.execute(
        "UPDATE partition_positions SET positions = positions || ARRAY[0, 0]::bigint[] "
        "WHERE cardinality(positions) = 1"
    )
    op.execute(
        "UPDATE broker_identity SET topics = ARRAY['arbitration.verdicts', 'arbitration.duties', 'penalties.periods']"
    )


def downgrade() -> None:
    """Take it away; what was to be said later is lost."""
    op.execute("UPDATE broker_identity SET topics = ARRAY['arbitration.verdicts']")
    op.execute("UPDATE partition_positions SET positions = positions[1:1]")
    for table in ("preferences", "reminders", "seen_duties"):
        op.drop_table(table)
    op.execute("DROP INDEX notices_about")
    op.execute("ALTER TABLE notices DROP COLUMN about")
