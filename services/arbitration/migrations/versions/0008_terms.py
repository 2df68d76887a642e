"""Terms of published duties: whoever escalates waits to hear that everything was heard which could have kept them."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table, with the terms of the complaints that are not through yet."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """CREATE TABLE terms (
        partition smallint NOT NULL,
        missed_at timestamptz NOT NULL,
        PRIMARY KEY (partition, missed_at)
    )""",
    "COMMENT ON TABLE terms IS 'moments of which it is to be said that a partition''s duties are complete until then'",
    # Which partition a waybill belongs to stands in no column of its complaint: every partition waits, to the minute.
    """INSERT INTO terms (partition, missed_at)
        SELECT DISTINCT p.partition, date_trunc('minute', due_at) + interval '1 minute'
        FROM partition_positions AS p, complaints AS c,
            unnest(ARRAY[contact_due_at, progress_due_at, settle_due_at, follow_up_due_at]) AS due_at
        WHERE c.generation = (SELECT live FROM projections WHERE name = 'complaints')
            AND followed_up_at IS NULL AND due_at > now() - interval '3 days'""",
)
