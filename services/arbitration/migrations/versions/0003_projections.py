"""Projections: complaint clocks, scorecards and parcels on their way, each in generations that can be rebuilt."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables. Where the journal holds waybills already, every projection begins with a rebuild."""
    for statement in _STATEMENTS:
        op.execute(statement)
    op.execute(_REPORTING_IS_THERE)
    for statement in Path(__file__).with_name("0003_reporting.sql").read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


_REPORTING_IS_THERE = """DO $$ BEGIN IF to_regnamespace('reporting') IS NULL THEN
    RAISE 'There is no schema reporting: run deploy/postgres/roles.sql of this version, then start again.';
    END IF; END $$"""


_SCORE = """network text COLLATE "C" NOT NULL,
        site text COLLATE "C" NOT NULL,
        day date NOT NULL,
        rule text COLLATE "C" NOT NULL,
        measure text COLLATE "C" NOT NULL,
        amount {kind} NOT NULL"""
_EXCHANGE = """network text COLLATE "C" NOT NULL,
        origin text COLLATE "C" NOT NULL,
        collected_in date NOT NULL,
        delivery text COLLATE "C" NOT NULL,
        delivered_in date NOT NULL,
        amount {kind} NOT NULL"""

_STATEMENTS = (
    """CREATE TABLE projections (
        name text PRIMARY KEY,
        live integer NOT NULL,
        building integer,
        planned_until text COLLATE "C",
        started_at timestamptz,
        waybills bigint NOT NULL DEFAULT 0,
        retired integer
    )""",
    """COMMENT ON TABLE projections IS 'which generation of a projection is read, which is being built (planned_until: last
        waybill that has its look; null: all have), and which is still to be deleted'""",
    """INSERT INTO projections (name, live, building, planned_until, started_at)
        SELECT name, 1, CASE WHEN filled THEN 2 END, CASE WHEN filled THEN '' END, CASE WHEN filled THEN now() END
        FROM unnest(ARRAY['complaints', 'scorecards', 'silences']) AS name,
        (SELECT EXISTS (SELECT FROM journal) AS filled) AS journal""",
    """CREATE TABLE complaints (
        generation integer NOT NULL,
        subject text COLLATE "C" NOT NULL,
        complaint_id text COLLATE "C" NOT NULL,
        network text COLLATE "C" NOT NULL,
        channel text NOT NULL,
        category text NOT NULL,
        claimant text NOT NULL,
        against_site text,
        responsible_site text,
        major boolean NOT NULL,
        major_ground text,
        flagged_at timestamptz,
        opened_at timestamptz NOT NULL,
        forwarded_at timestamptz,
        forward_due_at timestamptz,
        received_at timestamptz,
        contacted_at timestamptz,
        contact_due_at timestamptz,
        progressed_at timestamptz,
        progress_due_at timestamptz,
        handled_at timestamptz,
        settled_at timestamptz,
        settle_due_at timestamptz,
        followed_up_at timestamptz,
        follow_up_due_at timestamptz,
        closed_at timestamptz,
        satisfied boolean,
        class text,
        subclass text,
        state text NOT NULL,
        reopened integer NOT NULL,
        escalations integer NOT NULL,
        desk text,
        closed_at_intake boolean NOT NULL,
        reopened_at timestamptz,
        first_settled_at timestamptz,
        follow_up_missed boolean NOT NULL,
        PRIMARY KEY (generation, subject, complaint_id)
    )""",
    "CREATE INDEX complaints_opened ON complaints (generation, network, opened_at)",
    "CREATE INDEX complaints_site ON complaints (generation, network, responsible_site, opened_at)",
    "CREATE INDEX complaints_waiting ON complaints (generation, network, opened_at) WHERE followed_up_at IS NULL",
    "COMMENT ON TABLE complaints IS 'every complaint with its clocks: what was done when, and what is due when'",
    """CREATE TABLE tallies (
        generation integer NOT NULL,
        subject text COLLATE "C" NOT NULL,
        tally bytea NOT NULL,
        PRIMARY KEY (generation, subject)
    )""",
    "ALTER TABLE tallies ALTER COLUMN tally SET STORAGE EXTERNAL",
    "COMMENT ON TABLE tallies IS 'what each waybill adds to the scorecards, msgpack: the next look adds the difference'",
    f"CREATE TABLE scorecard_changes (generation integer NOT NULL, {_SCORE.format(kind='bigint')})",
    "COMMENT ON TABLE scorecard_changes IS 'differences that are not folded into scorecards yet; insert-only'",
    f"""CREATE TABLE scorecards (generation integer NOT NULL, {_SCORE.format(kind="numeric")},
        PRIMARY KEY (generation, network, site, day, rule, measure))""",
    *(
        f"CREATE INDEX {table}_tickets ON {table} (generation, network, day) WHERE measure = 'tickets'"
        for table in ("scorecards", "scorecard_changes")
    ),
    """COMMENT ON TABLE scorecards IS 'sums by site (empty: no site) and local day; rule: empty but for findings and their
        money. Read together with scorecard_changes'""",
    f"CREATE TABLE exchange_changes (generation integer NOT NULL, {_EXCHANGE.format(kind='bigint')})",
    f"""CREATE TABLE exchanges (generation integer NOT NULL, {_EXCHANGE.format(kind="numeric")},
        PRIMARY KEY (generation, network, collected_in, delivered_in, origin, delivery))""",
    """COMMENT ON TABLE exchanges IS 'parcels by who collected them and who delivered them, and by the first days of the
        months in which; a site that is not known is empty, with the others month. Read together with exchange_changes'""",
    """CREATE TABLE parcels (
        generation integer NOT NULL,
        subject text COLLATE "C" NOT NULL,
        network text COLLATE "C" NOT NULL,
        site text NOT NULL,
        towards text,
        last_recorded_at timestamptz NOT NULL,
        PRIMARY KEY (generation, subject)
    )""",
    "CREATE INDEX parcels_last ON parcels (generation, network, last_recorded_at, subject)",
    "COMMENT ON TABLE parcels IS 'parcels on their way as of the last look: who holds each and when it was last heard of'",
    *(
        f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"
        for table in ("scorecard_changes", "exchange_changes", "parcels")
    ),
)
