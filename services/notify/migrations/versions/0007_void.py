"""What becomes void while a sender has it in hand is marked, so that it is withdrawn where the attempt fails."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the mark."""
    op.execute("ALTER TABLE notices ADD COLUMN void boolean NOT NULL DEFAULT false")
    op.execute(
        "COMMENT ON COLUMN notices.void IS 'not to be said any more: it is withdrawn once no sender is at it'"
    )
    op.execute("CREATE INDEX notices_void ON notices (notice_id) WHERE void AND state = 'queued'")


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP INDEX notices_void")
    op.execute("ALTER TABLE notices DROP COLUMN void")
