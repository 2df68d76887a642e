"""Find cases by the moment of their decision."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Cases are stored in the order of their decision, so a summary of each range of blocks is enough, and costs little."""
    op.execute("CREATE INDEX cases_decided ON cases USING brin (decided_at) WITH (autosummarize = on)")
