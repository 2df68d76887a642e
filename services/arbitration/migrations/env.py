"""Alembic's entry; the connection comes from `shared.db.migrate`."""

from shared.db import run_migrations

run_migrations()
