"""Notices by other channels than the list wait for their moment."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the moment before which a notice is not sent, and the way to those that are to be sent."""
    op.execute("ALTER TABLE notices ADD COLUMN send_after timestamptz")
    op.execute(
        "COMMENT ON COLUMN notices.send_after IS 'quiet hours and digests: not sent before; none in the application'"
    )
    op.execute(
        "CREATE INDEX notices_queued ON notices (network, site, channel, send_after, created_at, notice_id) "
        "WHERE state = 'queued' AND channel <> 'in_app'"
    )


def downgrade() -> None:
    """Take both away."""
    op.execute("DROP INDEX notices_queued")
    op.execute("ALTER TABLE notices DROP COLUMN send_after")
