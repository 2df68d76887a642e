"""Settings of intake beyond those of every service. In the environment they have the prefix FAULTLINE_."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class IntakeSettings(ServiceSettings):
    """Every limit of intake."""

    id_window_size: int = Field(
        200_000, ge=2, description="recent ids whose copies are recognised; about 300 bytes each"
    )
    batch_events_max: int = Field(5_000, ge=1, description="events of one batch at most (contract.md §4)")
    batch_bytes_max: int = Field(32 * 1024 * 1024, ge=1, description="largest batch, after decompression")
    chunk_events: int = Field(1_000, ge=1, description="events of a request that are published together")
    chunk_bytes: int = Field(1024 * 1024, ge=1, description="bytes of a stream that are published together")
    chunks_in_flight_max: int = Field(4, ge=1, description="chunks of one request not acknowledged yet")
    in_flight_bytes_max: int = Field(
        64 * 1024 * 1024, ge=1, description="bytes of all requests not answered yet; more are answered 429"
    )
    in_flight_requests_max: int = Field(
        1_000, ge=1, description="requests not answered yet; more are answered 429"
    )
    room_timeout_ms: int = Field(
        5_000, ge=0, description="how long a stream that has begun waits for room before its 429"
    )
    linger_timeout_ms: int = Field(
        1_000,
        ge=0,
        description="how long the rest of a body is read away after an early answer, before the line is cut",
    )
    retry_after_s: int = Field(1, ge=1, description="what Retry-After says with 429 and 503")
    delivery_timeout_ms: int = Field(
        10_000, ge=1, description="longest wait for the broker's acknowledgement; then 503"
    )
    gzip_ratio_max: int = Field(200, ge=1, description="a body that grows more than so many times is refused")
    refused_listed_max: int = Field(
        5_000, ge=1, description="refused events listed in one answer; the rest is counted"
    )
