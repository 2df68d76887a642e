"""What a batch tells and takes back before anything is stored."""

from __future__ import annotations

import gc
import time
from typing import Any

from services.notify.domain.duties import advance
from services.notify.domain.telling import Void
from services.notify.handlers.batch import Batch
from services.notify.handlers.composed import Composed
from services.notify.store.notices import NewNotice
from tests.unit.notify.deliveries import notice
from tests.unit.notify.duties import COMPLAINT, CONTACT, LIMITS, OPENED_AT, SETTLE, duties

ABOUT = "duty/complaint/C1"


def new(notice_id: str, **members: Any) -> NewNotice:
    return NewNotice(notice(notice_id=notice_id, **members), about=ABOUT)


def void(waybill: str = "560000000001", site: str | None = None) -> Void:
    return Void("tiantian", waybill, ABOUT, site)


def states(composed: Composed) -> dict[str, str]:
    return {one.notice.notice_id: one.notice.state for one in composed.notices}


def test_what_is_void_does_not_leave_and_what_holds_again_does_once() -> None:
    composed = Composed()
    in_app = new("a", channel="in_app", state="delivered")
    for one in (in_app, new("w"), new("other", site="GZ01")):
        composed.add(one, 3)
    composed.withdraw(void(site="BJ02"))
    composed.withdraw(void(waybill="560000000002"))
    assert states(composed) == {"a": "delivered", "w": "withdrawn", "other": "queued"}
    for one in (in_app, new("w"), new("w", title="later")):
        composed.add(one, 3)
    assert states(composed) == {"a": "delivered", "w": "queued", "other": "queued"}
    assert len(composed.notices) == 3
    composed.withdraw(void())
    assert states(composed) == {"a": "delivered", "w": "withdrawn", "other": "withdrawn"}
    assert composed.partitions == {"a": 3, "w": 3, "other": 3}


def test_the_work_of_a_batch_grows_with_its_length_only() -> None:
    def seconds(waybills: int) -> float:
        began_s = time.process_time()
        batch, composed = Batch(), Composed()
        for number in range(waybills):
            waybill = f"{560_000_000_000 + number}"
            for known, listed in (([], [COMPLAINT, CONTACT, SETTLE]), ([COMPLAINT, CONTACT, SETTLE], [])):
                data = duties(1, *listed, waybill=waybill)
                step = advance(known, data, partition=0, now=OPENED_AT, limits=LIMITS)
                batch.take(data.network, data.waybill, step.drop, step.plan)
            composed.add(new(waybill, waybill=waybill), 0)
            composed.withdraw(void(waybill))
        assert batch.planned == {}
        assert set(states(composed).values()) == {"withdrawn"}
        return time.process_time() - began_s

    # The collector would look through everything that all tests have left, however little is done here.
    gc.disable()
    try:
        few = min(seconds(250) for _ in range(3))
        many = min(seconds(5_000) for _ in range(2))
    finally:
        gc.enable()
    assert many < 100 * few, "twenty times the work, and not four hundred times"
