"""Settings of arbitration that contradict one another are refused at the start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.arbitration.settings import ArbitrationSettings


def test_a_pool_that_is_too_small_for_all_lanes_is_refused_with_the_least_that_does() -> None:
    assert ArbitrationSettings(lanes=3, database_pool_size=16).database_pool_size == 16
    with pytest.raises(ValidationError, match="make 16"):
        ArbitrationSettings(lanes=3, database_pool_size=15)
