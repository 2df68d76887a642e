"""Arbitration that looks by itself once in ten minutes: what it does before, it was woken for."""

from __future__ import annotations

import pytest

from tests.support.arbitration import START, arbitration, new_subject
from tests.support.line import complaint
from tests.support.parts import Parts

pytestmark = pytest.mark.stack


async def test_who_asks_does_not_wait_for_the_next_look(parts: Parts) -> None:
    name, url = parts.create_database("arbitration")
    async with arbitration(parts.bootstrap_servers, url, review_poll_ms=600_000) as alone:
        for subject in (new_subject(), new_subject()):
            await alone.publish(complaint(subject, START))
            await alone.decided(subject)
    parts.drop_database(name)
