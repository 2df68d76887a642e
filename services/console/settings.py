"""Settings of the console; the common ones are in `shared.settings`."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class ConsoleSettings(ServiceSettings):
    """What the console can be told. Names in the environment are these with the prefix FAULTLINE_."""

    time_zone: str = Field("Asia/Shanghai", description="zone in which moments are shown")
    session_hours: float = Field(12.0, gt=0, description="hours after which one signs in again")
    sessions_max: int = Field(10_000, ge=1, description="sessions held at most; the oldest go first")
    secure_cookies: bool = Field(
        False, description="send cookies over https only; set it wherever https is used"
    )
    page_rows: int = Field(50, ge=1, le=500, description="rows of a list on one page")
    copy_urls: dict[str, str] = Field(
        {},
        description='further copies of services, asked for the operations page: JSON, as {"arbitration-2": "http://…"}',
    )
    operations_poll_ms: int = Field(
        2_000, ge=200, description="how often services are asked while somebody looks"
    )
    operations_samples_max: int = Field(151, ge=2, description="answers remembered; the chart shows so many")
    operations_viewers_max: int = Field(100, ge=1, description="open streams of the operations page")
