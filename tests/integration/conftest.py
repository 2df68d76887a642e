"""What the integration tests have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.settings import ServiceSettings
from tests.support.arbitration import STREAM_EVENTS_MAX, Arbitration, arbitration
from tests.support.parts import Parts


@pytest.fixture(scope="session")
def kafka_settings(parts: Parts) -> ServiceSettings:
    """Settings of a service that has the real broker and nothing else."""
    return ServiceSettings(kafka_bootstrap_servers=parts.bootstrap_servers)


@pytest.fixture(scope="module")
async def hub(parts: Parts) -> AsyncIterator[Arbitration]:
    """Arbitration in this process, on a database of its own, fed by publishing straight to its topics."""
    name, url = parts.create_database("arbitration")
    async with arbitration(parts.bootstrap_servers, url, stream_events_max=STREAM_EVENTS_MAX) as running:
        yield running
    parts.drop_database(name)
