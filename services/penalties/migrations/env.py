from shared.db import run_migrations

run_migrations()
