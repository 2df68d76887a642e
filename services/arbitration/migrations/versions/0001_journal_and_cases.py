"""The journal, the due reviews, the cases with their versions and findings, and the facts."""

from alembic import op

from shared.bus.tables import create_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table; the journal's monthly partitions are made by the service as time goes on."""
    create_bus_tables(op)
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """CREATE TABLE journal (
        month date NOT NULL,
        subject text COLLATE "C" NOT NULL,
        broker_at timestamptz,
        events bytea NOT NULL
    ) PARTITION BY RANGE (month)""",
    # Streams are read whole and soon after they were written: compressing or moving them aside costs more than it saves.
    "ALTER TABLE journal ALTER COLUMN events SET STORAGE EXTERNAL",
    "CREATE INDEX journal_subject ON journal (subject)",
    """COMMENT ON TABLE journal IS 'the truth: accepted events, bytes unchanged, joined by commas; one row for a
        waybill and batch. month: of appending. broker_at: when known, for events that carry no recordedtime'""",
    """CREATE TABLE reviews (
        partition smallint NOT NULL,
        priority smallint NOT NULL,
        due_at timestamptz NOT NULL,
        since timestamptz NOT NULL,
        subject text COLLATE "C" NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)""",
    "CREATE INDEX reviews_due ON reviews (partition, priority, due_at)",
    "COMMENT ON TABLE reviews IS 'waybills to decide, and when; insert-only, deleted by who read exactly these rows'",
    """CREATE TABLE cases (
        subject text COLLATE "C" PRIMARY KEY,
        partition smallint NOT NULL,
        version integer NOT NULL,
        status text NOT NULL,
        decided_at timestamptz NOT NULL,
        events integer NOT NULL,
        conflicts integer NOT NULL,
        next_review_at timestamptz,
        digest text NOT NULL,
        verdict bytea NOT NULL
    )""",
    "CREATE INDEX cases_status ON cases (status, subject) WHERE status <> 'clear'",
    "COMMENT ON TABLE cases IS 'the newest issued version of each waybill''s verdict'",
    """CREATE TABLE superseded (
        subject text COLLATE "C" NOT NULL,
        version integer NOT NULL,
        decided_at timestamptz NOT NULL,
        verdict bytea NOT NULL,
        PRIMARY KEY (subject, version)
    )""",
    "COMMENT ON TABLE superseded IS 'verdict versions that a newer one has replaced; never changed'",
    """CREATE TABLE findings (
        subject text COLLATE "C" NOT NULL,
        finding_id text NOT NULL,
        rule text NOT NULL,
        site text,
        state text NOT NULL,
        kind text NOT NULL,
        amount_fen bigint NOT NULL,
        first_issued_at timestamptz NOT NULL,
        PRIMARY KEY (subject, finding_id)
    )""",
    "CREATE INDEX findings_site ON findings (site, subject)",
    "CREATE INDEX findings_rule ON findings (rule, subject)",
    "COMMENT ON TABLE findings IS 'findings of the newest versions, and when each was first issued'",
    """CREATE TABLE parked (
        subject text COLLATE "C" PRIMARY KEY,
        partition smallint NOT NULL,
        parked_at timestamptz NOT NULL,
        error text NOT NULL,
        attempts integer NOT NULL
    )""",
    "COMMENT ON TABLE parked IS 'waybills whose decision raised; their events are journalled and they can be retried'",
    """CREATE TABLE facts (
        kind text NOT NULL,
        network text NOT NULL,
        id text NOT NULL,
        known_at timestamptz NOT NULL,
        record jsonb NOT NULL,
        PRIMARY KEY (kind, network, id, known_at)
    )""",
    """CREATE TABLE exempted (
        exemption_id text NOT NULL,
        subject text COLLATE "C" NOT NULL,
        PRIMARY KEY (subject, exemption_id)
    )""",
    "COMMENT ON TABLE exempted IS 'cases that an exemption of many may have touched, to be looked at when it changes'",
    "COMMENT ON TABLE facts IS 'what other sources than the waybill say, each statement with the time it became known'",
)
