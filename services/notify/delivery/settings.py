"""Settings of the sender, a part of notify's."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from services.notify.delivery.guard import Guard
from services.notify.delivery.policy import Policy
from shared.settings import ServiceSettings


class DeliverySettings(ServiceSettings):
    """How notices are sent by webhook and e-mail. Names in the environment are these with the prefix FAULTLINE_."""

    delivery_poll_ms: int = Field(
        250, ge=10, description="longest wait before the queue of webhooks and mails is looked at"
    )
    delivery_pace_ms: int = Field(20, ge=1, description="shortest time between two looks at that queue")
    delivery_lease_ms: int = Field(
        60_000,
        ge=1_000,
        description="after so long another copy sends what a dead one had in hand; longer than the time-outs",
    )
    delivery_notices_max: int = Field(16, ge=1, description="webhooks of one site that are taken at once")
    delivery_slow_ms: int = Field(
        1_000, ge=1, description="an attempt that takes longer marks its destination as slow"
    )
    delivery_attempts_max: int = Field(16, ge=1, description="attempts before a notice is given up")
    delivery_rejected_attempts_max: int = Field(
        4, ge=1, description="attempts where the receiver answers that it does not want this notice"
    )
    delivery_attempts_kept: int = Field(20, ge=1, description="attempts that a notice shows, the newest")
    delivery_pause_min_ms: int = Field(1_000, ge=0, description="shortest pause after a failed attempt")
    delivery_pause_first_ms: int = Field(
        10_000,
        ge=1,
        description="bound of the first pause; it doubles with each failure, and chance decides below it",
    )
    delivery_pause_max_ms: int = Field(3_600_000, ge=1, description="longest pause between two attempts")
    delivery_retry_after_max_ms: int = Field(
        21_600_000, ge=0, description="longest pause that a receiver can ask for by Retry-After"
    )
    delivery_give_up_hours: int = Field(
        24, ge=1, description="age at which what waits for a broken destination is given up"
    )
    delivery_broken_after_failures: int = Field(
        5,
        ge=1,
        description="failures in a row after which a destination is broken: one notice at a time tries it",
    )
    delivery_broken_pause_ms: int = Field(60_000, ge=0, description="shortest pause of a broken destination")
    delivery_housekeeping_ms: int = Field(
        5_000, ge=10, description="how often changed addresses, old notices and the metrics are seen to"
    )
    attachment_keep_days: int = Field(
        35,
        ge=1,
        description="days for which the files of mails are kept that have left; penalties makes them again",
    )

    webhook_connections_max: int = Field(1_000, ge=1, description="webhooks under way at once")
    webhook_slow_connections_max: int = Field(
        250, ge=1, description="of those, to destinations that failed or were slow the last time"
    )
    webhook_timeout_ms: int = Field(15_000, ge=1, description="longest wait for a receiver's answer")
    webhook_connect_timeout_ms: int = Field(5_000, ge=1, description="longest wait for a connection to one")
    webhook_keepalive_ms: int = Field(
        30_000, ge=0, description="how long an unused connection is kept open for the next webhook"
    )
    webhook_response_bytes_max: int = Field(
        65_536, ge=0, description="bytes of an answer that are read; a longer one costs the connection"
    )
    webhook_redirects_max: int = Field(2, ge=0, description="redirects (307, 308) followed in one attempt")
    webhook_resolver_threads: int = Field(32, ge=1, description="host names resolved at once")
    webhook_resolver_patience_ms: int = Field(
        200, ge=1, description="a name that takes longer does not count among those any more"
    )
    webhook_networks_open: str = Field(
        "",
        description="networks that webhooks may go to though they are not public: CIDRs, by commas",
    )
    webhook_secret_overlap_hours: int = Field(
        24, ge=0, description="how long an old secret signs too after a new one was made"
    )

    smtp_host: str | None = Field(None, description="mail server; where unset, e-mail notices fail at once")
    smtp_port: int = Field(587, ge=1, le=65_535, description="its port")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="starttls: after a plain greeting; tls: from the first byte; none: never"
    )
    smtp_username: str | None = Field(None, description="with authentication only")
    smtp_password: str | None = Field(None, description="with authentication only")
    smtp_timeout_ms: int = Field(30_000, ge=1, description="longest time that sending one mail may take")
    smtp_connections_max: int = Field(4, ge=1, description="mails under way at once")
    mail_from: str = Field("faultline@localhost", min_length=3, description="sender's address of the mails")
    mail_notices_max: int = Field(200, ge=1, description="notices that one mail holds; more make another")
    mail_attachment_bytes_max: int = Field(
        10 * 1024 * 1024, ge=0, description="attachments of one mail, before they are encoded"
    )

    @field_validator("webhook_networks_open")
    @classmethod
    def _networks(cls, value: str) -> str:
        Guard(networks_of(value))
        return value

    @model_validator(mode="after")
    def _lease_outlives_attempts(self) -> Self:
        mail_ms = self.smtp_timeout_ms if self.smtp_host else 0
        longest_ms = self.delivery_slow_ms + max(self.webhook_timeout_ms, mail_ms)
        if self.delivery_lease_ms <= longest_ms:
            raise ValueError(
                f"delivery_lease_ms must be longer than delivery_slow_ms and the longer time-out, {longest_ms}:"
                " another copy would send what is under way"
            )
        return self

    @property
    def policy(self) -> Policy:
        """When a notice and a destination are tried again."""
        return Policy(
            attempts_max=self.delivery_attempts_max,
            rejected_attempts_max=self.delivery_rejected_attempts_max,
            pause_min_s=self.delivery_pause_min_ms / 1000,
            pause_first_s=self.delivery_pause_first_ms / 1000,
            pause_max_s=self.delivery_pause_max_ms / 1000,
            retry_after_max_s=self.delivery_retry_after_max_ms / 1000,
            broken_after_failures=self.delivery_broken_after_failures,
            broken_pause_min_s=self.delivery_broken_pause_ms / 1000,
        )


def networks_of(cidrs: str) -> list[str]:
    """The CIDRs of a list by commas."""
    return [cidr.strip() for cidr in cidrs.split(",") if cidr.strip()]
