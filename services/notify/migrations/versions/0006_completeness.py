"""Escalations wait until the duties of their partition are complete."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Mark the escalations that are planned, and create the table."""
    op.execute("ALTER TABLE reminders ADD COLUMN escalation boolean NOT NULL DEFAULT false")
    op.execute(
        "COMMENT ON COLUMN reminders.escalation IS 'says that a term was missed: not before the duties are complete'"
    )
    op.execute(
        "UPDATE reminders SET escalation = true"
        " WHERE convert_from(content, 'UTF8')::json ->> 'occasion' LIKE '%\\_overdue'"
    )
    op.execute(
        "CREATE TABLE duties_complete (partition integer PRIMARY KEY, complete_until timestamptz NOT NULL)"
    )
    op.execute(
        "COMMENT ON TABLE duties_complete IS 'up to which moment the duties read of each partition are complete:"
        " escalations wait for it'"
    )


def downgrade() -> None:
    """Take both away."""
    op.execute("DROP TABLE duties_complete")
    op.execute("ALTER TABLE reminders DROP COLUMN escalation")
