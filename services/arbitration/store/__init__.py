"""Arbitration's SQL, and nobody else's."""
