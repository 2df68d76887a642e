"""The generated reference pages are what the types say, and they hang together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from faultline import asyncapi, reference
from shared.events import EVENT_TYPES, json_schema, topic_of

REPOSITORY = Path(__file__).parents[2]

ARRIVAL: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/sites/GZ01",
    "type": "scan.arrived",
    "subject": "tiantian/560000000001",
    "time": "2011-08-01T08:00:00+08:00",
    "data": {"site": "GZ01", "previous_site": "HUB1"},
}


def test_the_pages_are_not_stale() -> None:
    # In a process of its own: the metrics that other tests declare must not be on the page.
    done = subprocess.run(
        [sys.executable, "-m", "faultline.reference", "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_page_that_differs_or_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "pages", lambda: {"a/one.json": "1\n", "two.md": "2\n"})
    assert reference.stale(tmp_path) == ["a/one.json", "two.md"]
    assert reference.write(tmp_path) == ["a/one.json", "two.md"]
    assert reference.stale(tmp_path) == []
    (tmp_path / "two.md").write_text("changed by hand\n")
    assert reference.stale(tmp_path) == ["two.md"]
    assert reference.write(tmp_path) == ["two.md"]


def test_asyncapi_has_every_input_event_on_its_topic_and_no_loose_ends() -> None:
    document = asyncapi.document()
    for kind in EVENT_TYPES:
        assert kind in document["channels"][topic_of(kind)]["messages"]
    for target in references(document):
        node: Any = document
        for part in target.removeprefix("#/").split("/"):
            assert part in node, target
            node = node[part]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def test_the_schema_of_input_events_takes_what_the_contract_shows() -> None:
    assert jsonschema_rs.validator_for(json_schema()).is_valid(ARRIVAL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "scan.unheard_of"},
        {"specversion": "2.0"},
        {"id": ""},
        {"subject": "560000000001"},
        {"data": {}},
        {"data": {"site": "gz"}},
        {"data": None},
    ],
)
def test_the_schema_of_input_events_refuses_what_breaks_the_contract(wrong: dict[str, Any]) -> None:
    assert not jsonschema_rs.validator_for(json_schema()).is_valid(ARRIVAL | wrong)
