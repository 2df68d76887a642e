"""When reminders may be said, partition by partition."""

from __future__ import annotations

from datetime import timedelta

from services.notify.handlers.reminding import whole
from tests.unit.notify.duties import OPENED_AT

MINUTE = timedelta(minutes=1)


def test_a_bundle_waits_for_the_last_partition_but_not_for_ever() -> None:
    ready = {0: OPENED_AT, 1: OPENED_AT - MINUTE}
    assert whole(ready, 2, 15 * MINUTE) == {0: OPENED_AT - MINUTE, 1: OPENED_AT - MINUTE}
    stuck = {0: OPENED_AT, 1: OPENED_AT - 60 * MINUTE}
    assert whole(stuck, 2, 15 * MINUTE) == {0: OPENED_AT - 15 * MINUTE, 1: OPENED_AT - 60 * MINUTE}
    never_read = {0: OPENED_AT}
    assert whole(never_read, 2, 15 * MINUTE) == {0: OPENED_AT - 15 * MINUTE}
