"""Metrics are declared once, with a sentence."""

from __future__ import annotations

import pytest

from shared import metrics


def test_a_metric_is_shown_with_its_sentence_and_unit() -> None:
    metrics.counter("test_parcels_seen", "Parcels seen by this test.", "count", ("network",)).labels(
        "tt"
    ).inc(2)
    text = metrics.text().decode()
    assert 'faultline_test_parcels_seen_total{network="tt"} 2.0' in text
    assert "Parcels seen by this test. Unit: count." in text
    assert any(declared.name == "faultline_test_parcels_seen" for declared in metrics.declared())


def test_declaring_twice_or_without_a_sentence_is_refused() -> None:
    metrics.gauge("test_twice", "Declared twice.", "count")
    with pytest.raises(ValueError, match="twice"):
        metrics.histogram("test_twice", "Declared twice.", "count")
    with pytest.raises(ValueError, match="sentence"):
        metrics.gauge("test_mute", "no full stop", "count")
