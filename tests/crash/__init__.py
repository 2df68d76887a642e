"""Crash tests: everything is killed under load, then an oracle recomputes offline what must have come of it."""
