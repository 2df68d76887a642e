"""Replays of past verdicts under another rulebook, and what they find."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the jobs and the rows of their results."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """CREATE TABLE replays (
        id uuid PRIMARY KEY,
        network text NOT NULL,
        decided_from timestamptz NOT NULL,
        decided_to timestamptz NOT NULL,
        judged_at timestamptz NOT NULL,
        rulebook jsonb NOT NULL,
        judged_by text NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
        started_at timestamptz,
        finished_at timestamptz,
        error text,
        cases bigint,
        passed bigint NOT NULL DEFAULT 0,
        passed_subject text COLLATE "C",
        judged bigint NOT NULL DEFAULT 0,
        not_judged bigint NOT NULL DEFAULT 0,
        changed bigint NOT NULL DEFAULT 0,
        baselines_differing bigint NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX replays_unfinished ON replays (created_at, id) WHERE state IN ('waiting', 'running')",
    "CREATE INDEX replays_listed ON replays (created_at, id)",
    """COMMENT ON TABLE replays IS 'what would change under another rulebook: jobs, moved on a chunk a transaction by
        whoever holds the row''s lock. judged_by: code version and digest of the rulebooks'""",
    """CREATE TABLE replay_rows (
        replay_id uuid NOT NULL REFERENCES replays ON DELETE CASCADE,
        rule text NOT NULL,
        site text NOT NULL,
        findings_before bigint NOT NULL,
        findings_after bigint NOT NULL,
        added bigint NOT NULL,
        removed bigint NOT NULL,
        changed bigint NOT NULL,
        charged_before_fen numeric NOT NULL,
        charged_after_fen numeric NOT NULL,
        awarded_before_fen numeric NOT NULL,
        awarded_after_fen numeric NOT NULL,
        example text,
        PRIMARY KEY (replay_id, rule, site)
    )""",
    "COMMENT ON TABLE replay_rows IS 'a replay''s findings and money by rule and site (empty: none), up to its cursor'",
)
