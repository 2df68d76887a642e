"""Fixtures of the tests in a real browser. One Chromium for the session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.support.browser import LAUNCH_ARGS, Visits, chromium
from tests.support.stack import Stack


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's own Chromium: nothing is downloaded."""
    return {"executable_path": chromium(), "args": LAUNCH_ARGS}


@pytest.fixture
async def visits(browser: Browser, stack: Stack) -> AsyncIterator[Visits]:
    """`await visits.open("/cases")`: pages, signed in. The test fails where the browser had to complain."""
    async with AsyncExitStack() as rooms:
        made = Visits(browser, stack, rooms)
        yield made
    assert not made.complaints
