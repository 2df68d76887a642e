"""Fixtures of the tests in a real browser. One Chromium for the session."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.support.browser import LAUNCH_ARGS, Visits, chromium
from tests.support.stack import Stack, running_stack


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's own Chromium: nothing is downloaded. Without one these tests are skipped, but not where changes are taken."""
    found = chromium()
    if found is None:
        missing = "No Chromium found. Install it: apt-get install chromium fonts-noto-cjk"
        assert "CI" not in os.environ, missing
        pytest.skip(missing)
    return {"executable_path": found, "args": LAUNCH_ARGS}


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """One of its own: the hostile texts and the moved clock of these tests are nobody else's."""
    with running_stack() as running:
        yield running


@pytest.fixture
async def visits(browser: Browser, stack: Stack) -> AsyncIterator[Visits]:
    """`await visits.open("/cases")`: pages, signed in. The test fails where the browser had to complain."""
    async with AsyncExitStack() as rooms:
        made = Visits(browser, stack, rooms)
        yield made
    assert not made.complaints
