"""Notices leave by webhook and e-mail: their destinations, the secrets of the webhooks, the attachments of the mails."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what the sender needs to know of a notice, and its tables."""
    op.execute(
        "ALTER TABLE notices ADD COLUMN tries integer NOT NULL DEFAULT 0,"
        " ADD COLUMN rounds integer NOT NULL DEFAULT 1, ADD COLUMN in_hand_until timestamptz,"
        # Room beside a row for its next version: taking it in hand then touches no index.
        " SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"
    )
    for column, meaning in _COLUMNS.items():
        op.execute(f"COMMENT ON COLUMN notices.{column} IS '{meaning}'")
    op.execute("DROP INDEX notices_queued")
    op.execute(
        "CREATE INDEX notices_to_send ON notices"
        " (channel, network, site, (coalesce(send_after, created_at)), created_at, notice_id)"
        " WHERE state = 'queued' AND channel <> 'in_app'"
    )
    op.execute(
        "CREATE INDEX notices_failed ON notices (created_at, notice_id, network, site) WHERE state = 'failed'"
    )
    op.execute(_DESTINATIONS)
    op.execute(
        "COMMENT ON TABLE destinations IS 'where a site is reached by a channel, and how it fares there'"
    )
    op.execute(_SECRETS)
    op.execute("CREATE INDEX webhook_secrets_site ON webhook_secrets (network, site, created_at)")
    op.execute("COMMENT ON TABLE webhook_secrets IS 'what webhooks are signed with'")
    op.execute(_ATTACHMENTS)
    op.execute("ALTER TABLE attachments ALTER COLUMN content SET STORAGE EXTERNAL")
    op.execute("COMMENT ON TABLE attachments IS 'files that go with the notice by e-mail'")


def downgrade() -> None:
    """Take it away; secrets and attachments are lost."""
    for table in ("attachments", "webhook_secrets", "destinations"):
        op.drop_table(table)
    op.execute("DROP INDEX notices_failed")
    op.execute("DROP INDEX notices_to_send")
    op.execute(
        "CREATE INDEX notices_queued ON notices (network, site, channel, send_after, created_at, notice_id) "
        "WHERE state = 'queued' AND channel <> 'in_app'"
    )
    op.execute(
        "ALTER TABLE notices DROP COLUMN in_hand_until, DROP COLUMN rounds, DROP COLUMN tries,"
        " RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)"
    )


_COLUMNS = {
    "tries": "attempts since it was last queued",
    "rounds": "how often it was queued: once, and each time it was resent",
    "in_hand_until": "a sender is at it until then, by the time of the database: it must not be withdrawn",
}
_DESTINATIONS = """
    CREATE TABLE destinations (
        network         text NOT NULL,
        site            text NOT NULL,
        channel         text NOT NULL CHECK (channel IN ('webhook', 'email')),
        address         text,
        state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'broken', 'ended')),
        failures        integer NOT NULL DEFAULT 0,
        slow            boolean NOT NULL DEFAULT false,
        next_attempt_at timestamptz,
        last_error      text,
        last_error_at   timestamptz,
        last_success_at timestamptz,
        holder          uuid,
        held_until      timestamptz,
        PRIMARY KEY (network, site, channel)
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
    """
_SECRETS = """
    CREATE TABLE webhook_secrets (
        secret_id  uuid PRIMARY KEY,
        network    text NOT NULL,
        site       text NOT NULL,
        secret     text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz
    )
    """
_ATTACHMENTS = """
    CREATE TABLE attachments (
        notice_id  uuid NOT NULL REFERENCES notices ON DELETE CASCADE,
        name       text NOT NULL,
        media_type text NOT NULL,
        content    bytea NOT NULL,
        PRIMARY KEY (notice_id, name)
    )
    """
