"""What the integration tests have in common."""

from __future__ import annotations

import pytest

from shared.settings import ServiceSettings
from tests.support.parts import Parts


@pytest.fixture(scope="session")
def kafka_settings(parts: Parts) -> ServiceSettings:
    """Settings of a service that has the real broker and nothing else."""
    return ServiceSettings(kafka_bootstrap_servers=parts.bootstrap_servers)
