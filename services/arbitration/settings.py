"""Settings of arbitration beyond those of every service."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from services.arbitration.projections.duties import Ahead
from shared.settings import ServiceSettings


class ArbitrationSettings(ServiceSettings):
    """Operating settings; none of them changes what a verdict says."""

    database_pool_size: int = Field(
        12,
        ge=1,
        description="connections a process holds at most; four a lane work at once, readers beside them",
    )
    settle_ms: int = Field(
        2_000, ge=0, description="a waybill is quiet for so long before an ex-officio verdict"
    )
    settle_ms_max: int = Field(
        60_000, description="an ex-officio verdict waits no longer than this for quiet"
    )
    lanes: int = Field(2, ge=1, description="transactions in flight, each owning some partitions")
    batch_records_max: int = Field(10_000, ge=1, description="records a transaction takes at most")
    decide_waybills_min: int = Field(
        100, ge=1, description="waybills decided in one transaction while there is no backlog"
    )
    decide_waybills_max: int = Field(
        1_000, ge=1, description="waybills decided in one transaction at most, in a backlog"
    )
    decide_slice_ms: int = Field(5, ge=1, description="longest use of the event loop while deciding")
    watch_waybills_max: int = Field(
        400_000, description="waybills whose last scan is remembered; others are read back"
    )
    recorded_ahead_ms_max: int = Field(
        600_000, description="how far a recordedtime may lie ahead of the clock"
    )
    review_poll_ms: int = Field(250, description="how often due reviews are looked for")
    duties_complete_ms: int = Field(
        1_000,
        ge=1,
        description="how often it is looked for terms that are over, to say that nothing is missing",
    )
    stream_events_max: int = Field(5_000, description="longer streams are parked for a person to look at")
    rates_poll_ms: int = Field(
        60_000, ge=1, description="how often months whose rates are to be fixed are looked for"
    )
    rates_grace_ms: int = Field(
        10_000, description="with a decision that waits for longer, a month's rates are not fixed yet"
    )
    failures_in_a_row_max: int = Field(
        200, description="bad records in a row, from several sources, that stop the consumer"
    )
    silence_look_hours: int = Field(
        12,
        ge=1,
        description="a parcel of which nothing was heard for so long is looked at; the least of /v1/silences",
    )
    warn_before_minutes: int = Field(
        180,
        ge=1,
        description="a site is warned so long before time alone makes a finding of what it has not done",
    )
    warn_window_minutes: int = Field(
        120, ge=1, description="a site is warned so long before it can no longer say that a parcel is missing"
    )
    projection_poll_ms: int = Field(1_000, description="how often differences are folded and rebuilds go on")
    projection_rows_max: int = Field(
        20_000, ge=1, description="rows folded, planned or deleted in one transaction for projections"
    )
    replay_workers: int = Field(
        1, ge=0, description="processes of this copy that work on replays; 0: other copies do it"
    )
    replay_poll_ms: int = Field(1_000, ge=1, description="how often replays to work on are looked for")
    replay_chunk_cases: int = Field(
        500, ge=1, description="cases that a replay passes in one transaction at most"
    )
    replay_chunk_ms: int = Field(1_000, ge=1, description="a replay's transaction judges no longer than this")
    replay_rows_max: int = Field(
        100_000, ge=1, description="rows (rule and site) of a replay's result; one with more fails"
    )
    replays_unfinished_max: int = Field(
        20, ge=1, description="replays that wait or run; one more is answered 429"
    )
    replays_kept_max: int = Field(
        200, ge=1, description="replays that are kept; the oldest finished ones are forgotten first"
    )

    @model_validator(mode="after")
    def _pool_for_all_lanes(self) -> Self:
        least = 4 * self.lanes + 4
        if self.database_pool_size < least:
            raise ValueError(
                f"database_pool_size is {self.database_pool_size}, too few for {self.lanes} lanes: four connections"
                f" a lane and four for readers and upkeep make {least}"
            )
        return self

    @property
    def ahead(self) -> Ahead:
        """How long before their last moments duties are told that time alone brings."""
        return Ahead(
            fines=timedelta(minutes=self.warn_before_minutes),
            windows=timedelta(minutes=self.warn_window_minutes),
        )
