"""Duties: what was last published of them, and when a case is looked at next."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table and the column. Cases without a next look are looked at when their verdict could differ."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """CREATE TABLE duties (
        subject text COLLATE "C" PRIMARY KEY,
        revision integer NOT NULL,
        digest bytea NOT NULL
    )""",
    "COMMENT ON TABLE duties IS 'the newest published revision of each waybill''s duties, of those that have or had some'",
    "ALTER TABLE cases ADD COLUMN next_look_at timestamptz",
    """COMMENT ON COLUMN cases.next_look_at IS 'the moment for which a review stands: ahead of next_review_at, where duties
        are to be told before; empty: next_review_at'""",
)
