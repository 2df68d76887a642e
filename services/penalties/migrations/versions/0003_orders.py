"""What people order: adjustments, the answers to their commands, and the seals of closes."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    "ALTER TABLE period_closes ADD COLUMN seals jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE period_closes ALTER COLUMN seals DROP DEFAULT",
    "COMMENT ON COLUMN period_closes.seals IS '{partition: {position, hash}}: the chains'' newest links then'",
    """CREATE FUNCTION closes_stay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'Closed periods are final (% refused).', TG_OP
                USING HINT = 'What belongs to them is booked in the open one, and marked.';
        END $$""",
    """CREATE TRIGGER closes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON period_closes
        FOR EACH STATEMENT EXECUTE FUNCTION closes_stay()""",
    """CREATE TABLE adjustments (
        adjustment_id uuid PRIMARY KEY,
        network text COLLATE "C" NOT NULL,
        debit_account text NOT NULL,
        debit_site text,
        credit_account text NOT NULL,
        credit_site text,
        amount_fen bigint NOT NULL,
        reason text NOT NULL,
        period text COLLATE "C",
        proposed_by text NOT NULL,
        proposed_at timestamptz NOT NULL,
        approved_by text,
        approved_at timestamptz,
        entry_id uuid
    )""",
    "CREATE INDEX adjustments_network ON adjustments (network, proposed_at, adjustment_id)",
    "COMMENT ON TABLE adjustments IS 'what people booked by hand, or propose to'",
    "COMMENT ON COLUMN adjustments.period IS 'yyyy-mm where the person named one'",
    "COMMENT ON COLUMN adjustments.approved_by IS 'the second person, where one was needed'",
    "COMMENT ON COLUMN adjustments.entry_id IS 'none until it is booked'",
    """CREATE TABLE commands (
        owner text NOT NULL,
        key text NOT NULL,
        input_hash bytea NOT NULL,
        status smallint,
        answer bytea,
        at timestamptz NOT NULL,
        PRIMARY KEY (owner, key)
    )""",
    "COMMENT ON TABLE commands IS 'operators'' commands that were carried out, and what was answered'",
    "COMMENT ON COLUMN commands.key IS 'the Idempotency-Key'",
)
