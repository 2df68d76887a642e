"""Arbitration's routes."""
