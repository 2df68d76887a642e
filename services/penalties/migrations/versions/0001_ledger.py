"""The ledger: entries, balances, the versions they were booked from, and closed periods."""

from alembic import op

from shared.bus.tables import create_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, and the trigger that keeps entries as they were booked."""
    create_bus_tables(op)
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """CREATE TABLE verdicts (
        network text COLLATE "C" NOT NULL,
        waybill text COLLATE "C" NOT NULL,
        version integer NOT NULL,
        digest text NOT NULL,
        entries integer NOT NULL,
        PRIMARY KEY (network, waybill)
    ) WITH (fillfactor = 80)""",
    """COMMENT ON TABLE verdicts IS 'the newest version of a waybill''s verdict that is booked; none for those that
        never found anything'""",
    "COMMENT ON COLUMN verdicts.entries IS 'entries booked on the waybill so far'",
    """CREATE TABLE entries (
        entry_id uuid PRIMARY KEY,
        network text COLLATE "C" NOT NULL,
        waybill text COLLATE "C" NOT NULL,
        ordinal integer NOT NULL,
        version integer NOT NULL,
        finding_id text NOT NULL,
        rule text NOT NULL,
        kind text NOT NULL,
        posted_at timestamptz NOT NULL,
        period text COLLATE "C" NOT NULL,
        belongs_to text COLLATE "C",
        debit_account text NOT NULL,
        debit_site text COLLATE "C",
        credit_account text NOT NULL,
        credit_site text COLLATE "C",
        amount_fen bigint NOT NULL CONSTRAINT entries_amount_fen CHECK (amount_fen > 0),
        reverses uuid REFERENCES entries (entry_id),
        partition smallint NOT NULL,
        record_offset bigint NOT NULL
    )""",
    "CREATE UNIQUE INDEX entries_waybill ON entries (network, waybill, ordinal)",
    "CREATE INDEX entries_debit_site ON entries (network, debit_site, period, posted_at, waybill, ordinal)",
    "CREATE INDEX entries_credit_site ON entries (network, credit_site, period, posted_at, waybill, ordinal)",
    "COMMENT ON TABLE entries IS 'the ledger: immutable, each row a balanced entry'",
    "COMMENT ON COLUMN entries.ordinal IS 'place among the waybill''s entries, from 0'",
    "COMMENT ON COLUMN entries.version IS 'of the verdict that moved the money'",
    "COMMENT ON COLUMN entries.posted_at IS 'when the verdict was decided'",
    "COMMENT ON COLUMN entries.period IS 'yyyy-mm in the networks'' zone'",
    "COMMENT ON COLUMN entries.belongs_to IS 'month of posted_at, where that period was closed already'",
    "COMMENT ON COLUMN entries.partition IS 'of the verdict''s record'",
    "COMMENT ON COLUMN entries.record_offset IS 'of the verdict''s record'",
    """CREATE FUNCTION entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'Ledger entries are immutable (% refused).', TG_OP
                USING HINT = 'Issue a new verdict version: the ledger books the difference.';
        END $$""",
    """CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
        FOR EACH STATEMENT EXECUTE FUNCTION entries_stay()""",
    """CREATE TABLE balances (
        network text COLLATE "C" NOT NULL,
        site text COLLATE "C" NOT NULL,
        account text COLLATE "C" NOT NULL,
        period text COLLATE "C" NOT NULL,
        partition smallint NOT NULL,
        debits_fen numeric(38, 0) NOT NULL,
        credits_fen numeric(38, 0) NOT NULL,
        PRIMARY KEY (network, site, account, period, partition)
    ) WITH (fillfactor = 70)""",
    """COMMENT ON TABLE balances IS 'turnover of each account in each period, kept with the entries; summed over
        partitions when read'""",
    "COMMENT ON COLUMN balances.site IS 'empty for headquarters'' accounts'",
    "COMMENT ON COLUMN balances.partition IS 'of the verdicts: its one writer owns the row'",
    """CREATE TABLE period_closes (
        network text COLLATE "C" NOT NULL,
        period text COLLATE "C" NOT NULL,
        closed_at timestamptz NOT NULL,
        closed_by text NOT NULL,
        cut jsonb NOT NULL,
        PRIMARY KEY (network, period)
    )""",
    """COMMENT ON TABLE period_closes IS 'periods that are final; what belongs to them and comes after the cut is
        booked in the next open one'""",
    "COMMENT ON COLUMN period_closes.cut IS '{partition: first verdict offset that came after the close}'",
)
