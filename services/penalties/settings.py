"""Settings of penalties; the common ones are in `shared.settings`."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class PenaltiesSettings(ServiceSettings):
    """What penalties can be told. Names in the environment are these with the prefix FAULTLINE_."""

    batch_records_max: int = Field(5_000, ge=1, description="verdicts a transaction takes at most")
    outbox_poll_ms: int = Field(200, ge=10, description="longest wait before the outbox is looked at")
    statement_lines_max: int = Field(100_000, ge=1, description="lines a monthly statement has at most")
    close_wait_ms: int = Field(20_000, ge=1, description="longest wait of a command for bookings in hand")
    adjustment_alone_fen_max: int = Field(
        100_000, ge=0, description="largest adjustment that needs no second person's approval, in fen"
    )
    verify_chunk_entries: int = Field(5_000, ge=1, description="entries that a proof holds in memory at once")
