"""The registers that offices keep: where each waybill stands."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table. Where the journal holds waybills already, the projection begins with a rebuild."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """CREATE TABLE registers (
        generation integer NOT NULL,
        subject text COLLATE "C" NOT NULL,
        register text NOT NULL,
        network text COLLATE "C" NOT NULL,
        site text COLLATE "C" NOT NULL,
        own boolean NOT NULL,
        day date NOT NULL,
        closed date,
        PRIMARY KEY (generation, subject, register, site, day)
    )""",
    "CREATE INDEX registers_network ON registers (generation, register, network, day, subject) WHERE own",
    "CREATE INDEX registers_site ON registers (generation, register, network, site, day, subject)",
    """COMMENT ON TABLE registers IS 'on which pages of which registers a waybill stands, as of the last look: by the site
        that keeps it (own) or about a site, by local day; closed: the local day since which nothing is left to do'""",
    "ALTER TABLE registers SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)",
    """INSERT INTO projections (name, live, building, planned_until, started_at)
        SELECT 'registers', 1, CASE WHEN filled THEN 2 END, CASE WHEN filled THEN '' END, CASE WHEN filled THEN now() END
        FROM (SELECT EXISTS (SELECT FROM journal) AS filled) AS journal""",
)
