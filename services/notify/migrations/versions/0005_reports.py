"""Reports to be made, and when the next ones fall due."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables of jobs and schedules."""
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("site", sa.Text, comment="none: the whole network's part, which plans those of its sites"),
        sa.Column("period", sa.Text, nullable=False, comment="week, month or day that it tells of"),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="JSON: what is known already"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="not taken before: its moment, the end of a worker's lease, or of a wait after a failure",
        ),
        sa.Column(
            "attempts",
            sa.Integer,
            nullable=False,
            comment="times it was taken: whoever took it last may finish it",
        ),
        sa.Column("last_error", sa.Text),
        comment="reports to be made with figures of other services; gone once told",
    )
    op.create_index("jobs_next", "jobs", ["next_try_at", "job_id"])
    op.create_index("jobs_due", "jobs", ["due_at", "job_id"])
    op.create_table(
        "schedules",
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        comment="when the next report of each kind falls due",
    )


def downgrade() -> None:
    """Take them away; reports that wait are lost."""
    op.drop_table("schedules")
    op.drop_table("jobs")
