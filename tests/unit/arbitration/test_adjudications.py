"""A dry run that cannot be made is refused with a pointer to what is wrong (contract.md §4, `POST /v1/adjudications`)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from services.arbitration.domain import AdjudicationRefused, adjudicate, load_rulebooks

_BOOKS = load_rulebooks()
_COLLECTED: dict[str, Any] = {
    "id": "01",
    "source": "/sites/GZ01",
    "type": "scan.collected",
    "subject": "tiantian/560000000001",
    "time": "2026-03-02T10:00:00+08:00",
    "data": {"site": "GZ01", "scope": "inter_province", "destination_site": "BJ02"},
}
_REQUEST: dict[str, Any] = {
    "network": "tiantian",
    "now": "2026-03-02T10:00:00+08:00",
    "events": [_COLLECTED],
}


def _of_event(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda request: request["events"][0].update(members)


def _of_request(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda request: request.update(members)


def test_an_event_at_the_moment_of_judgement_is_judged() -> None:
    document = adjudicate(_REQUEST, _BOOKS)
    assert (document["events"], document["waybill"]) == (1, "560000000001")


def test_an_event_without_recordedtime_was_recorded_when_it_happened() -> None:
    recorded = {**_COLLECTED, "recordedtime": _COLLECTED["time"]}
    assert adjudicate({**_REQUEST, "events": [recorded]}, _BOOKS) == adjudicate(_REQUEST, _BOOKS)


@pytest.mark.parametrize(
    ("spoil", "pointer"),
    [
        (_of_request(now=None), "/now"),
        (_of_request(now="2026-03-02T10:00:00"), "/now"),
        (_of_request(network=None), "/network"),
        (_of_request(network="zto"), "/events/0/subject"),
        (_of_request(events={}), "/events"),
        (_of_request(events=[7]), "/events/0"),
        (_of_request(now="2026-03-02T09:59:59+08:00"), "/events/0/time"),
        (_of_event(recordedtime="2026-03-02T10:00:01+08:00"), "/events/0/recordedtime"),
        (_of_event(type="scan.lost"), "/events/0/type"),
        (_of_event(source="/sites/HGZ1"), "/events/0/data/site"),
        (_of_event(time="2026-03-02T10:00:00"), "/events/0/time"),
        (
            _of_request(events=[_COLLECTED, {**_COLLECTED, "subject": "tiantian/560000000002"}]),
            "/events/1/subject",
        ),
        (_of_request(facts=7), "/facts"),
        (_of_request(facts={"exemptions": 7}), "/facts"),
        (_of_request(facts={"exemptions": [{"from": "2026-03-02T00:00:00", "to": "2026-03-03"}]}), "/facts"),
        (_of_request(facts={"rates": {"2026-03": {"GZ01": {"tickets": 1}}}}), "/facts"),
        (_of_request(rulebook={"TT-01": {"fine_yuan": 20}}), "/rulebook/TT-01/fine_yuan"),
        (_of_request(rulebook=7), "/rulebook"),
    ],
)
def test_what_is_wrong_is_pointed_at(spoil: Callable[[dict[str, Any]], None], pointer: str) -> None:
    request = copy.deepcopy(_REQUEST)
    spoil(request)
    with pytest.raises(AdjudicationRefused) as refused:
        adjudicate(request, _BOOKS)
    assert pointer in {error.pointer for error in refused.value.errors}
