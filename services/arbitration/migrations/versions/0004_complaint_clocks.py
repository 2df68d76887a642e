"""What the complaint desk's list shows beyond the terms: whose complaint it is, and what came before a reopening."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, and an index of the complaints that may be overdue: nobody has followed them up."""
    op.execute(
        """ALTER TABLE complaints
        ADD COLUMN desk text,
        ADD COLUMN closed_at_intake boolean NOT NULL,
        ADD COLUMN reopened_at timestamptz,
        ADD COLUMN first_settled_at timestamptz,
        ADD COLUMN follow_up_missed boolean NOT NULL"""
    )
    op.execute(
        "CREATE INDEX complaints_waiting ON complaints (generation, network, opened_at) WHERE followed_up_at IS NULL"
    )
