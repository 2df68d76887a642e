"""Claims and notices for the tests of the channels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.notify.delivery.settings import DeliverySettings
from services.notify.store.deliveries import Claim, Queued
from shared.events.outputs import NoticeData

MADE_AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def notice(**members: Any) -> NoticeData:
    """A notice to BJ02 about a fine; `members` differ."""
    usual: dict[str, Any] = {
        "notice_id": str(uuid4()),
        "occasion": "finding_issued",
        "network": "tiantian",
        "site": "BJ02",
        "waybill": "560000000001",
        "channel": "webhook",
        "state": "queued",
        "language": "zh",
        "title": "延误罚款 150.00 元",
        "body": "逾期 3 天\n可在 7 日内申诉",
        "created_at": MADE_AT,
    }
    return NoticeData(**{**usual, **members})


def queued(*notices: NoticeData) -> list[Queued]:
    """The notices as the sender gets them, not tried yet."""
    return [Queued(one, 0, 1, one.created_at) for one in notices]


def claim(*secrets: str, **members: Any) -> Claim:
    """A claim on the destination of BJ02."""
    usual: dict[str, Any] = {
        "network": "tiantian",
        "site": "BJ02",
        "channel": "webhook",
        "address": None,
        "state": "open",
        "failures": 0,
        "slow": False,
        "notices": [],
        "secrets": list(secrets),
    }
    return Claim(**{**usual, **members})


def delivery_settings(**members: Any) -> DeliverySettings:
    """Settings that let webhooks go to this machine; `members` differ."""
    return DeliverySettings(**{"webhook_networks_open": "127.0.0.0/8", **members})
