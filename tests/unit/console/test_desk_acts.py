"""The complaint desk's forms: they send what the contract knows, offer what fits the complaint, to whom may say it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.console.desk_acts import ACTS, OPEN, Act, Field, Offer, next_offer, offers, said
from services.console.forms import Form
from services.console.viewer import Viewer
from services.console.vocabulary import Words
from shared.events import EventRefused, decode
from shared.registry import Scope
from tests.unit.console.test_complaint_pages import complaint

ALL = {"open": OPEN, **ACTS}
OWNERS = {"desk": "/desks/cs", "site": "/sites/BJ02", "regulator": "/regulators/BJ"}
WORDS = Words().groups


def viewer(role: str = "desk", *scopes: Scope) -> Viewer:
    owner = OWNERS.get(role, "/operators/ops")
    return Viewer("k", owner, "tiantian", frozenset(scopes or ("read", "publish")), key="secret")


def options(field: Field) -> list[str]:
    return list(field.options or WORDS[field.group])


def filled(act: Act, choice: int = 0) -> Form:
    """Every field filled in; of choices the one at `choice`, or the last."""
    values = {field.name: "bj02" for field in act.fields}
    for field in act.fields:
        if field.group:
            values[field.name] = options(field)[: choice + 1][-1]
    return Form(values)


def send(act: Act, form: Form, source: str) -> Any:
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": source,
        "type": act.type,
        "subject": "tiantian/560000000001",
        "time": datetime(2026, 3, 1, tzinfo=UTC),
        "data": {"complaint_id": "C1"}
        | {name: one for name, one in said(act, form).items() if one is not None},
    }
    return decode(msgspec.json.encode(event))


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
def test_every_form_sends_what_the_contract_knows(act: Act) -> None:
    most = max((len(options(field)) for field in act.fields if field.group), default=1)
    for choice in range(most):
        event = send(act, filled(act, choice), "/desks/cs")
        for name, value in said(act, filled(act, choice)).items():
            assert getattr(event.data, "class_" if name == "class" else name) == value
    required = Form({field.name: filled(act)[field.name] for field in act.fields if field.required})
    assert send(act, required, "/desks/cs").type == act.type


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
def test_a_form_is_for_whom_the_contract_lets_say_it(act: Act) -> None:
    for role in ("site", "regulator"):
        if role in act.roles:
            send(act, filled(act), OWNERS[role])
        elif act.type != "reply.registered":
            with pytest.raises(EventRefused):
                send(act, filled(act), OWNERS[role])


def standing(state: str, **changed: Any) -> dict[str, Any]:
    one = complaint(contacted=(None, 9), settled=(None, 20))
    one["clocks"]["received_at"] = None
    return one | {"state": state, "reopened": 0} | changed


def test_what_is_offered_fits_the_complaint() -> None:
    assert offers(viewer(), standing("open")) == [
        "receive",
        "reply",
        "audit",
        "settle",
        "close",
        "flag",
        "escalate",
    ]
    assert offers(viewer(), standing("closed")) == ["audit", "classify", "reopen", "escalate"]
    received = standing("open")
    received["clocks"]["received_at"] = "2026-03-01T01:00:00Z"
    assert "receive" not in offers(viewer(), received)


def test_what_is_offered_fits_the_viewer() -> None:
    assert offers(viewer("site"), standing("open")) == ["receive", "reply"]
    assert offers(viewer("regulator"), standing("open")) == ["escalate"]
    assert offers(viewer("desk", "read"), standing("open")) == []
    assert "settle" in offers(viewer("operator"), standing("open"))


def test_the_next_duty_has_its_form() -> None:
    one = standing("open")
    assert next_offer(viewer(), one) == Offer("reply", "contacted")
    one = standing("contacted") | {"clocks": complaint(contacted=(3, 9), settled=(None, 20))["clocks"]}
    assert next_offer(viewer(), one) == Offer("settle", "")
    assert next_offer(viewer("site"), one) is None
    clocks = complaint(contacted=(3, 9), settled=(4, 10), followed_up=(None, 20))["clocks"]
    assert next_offer(viewer(), standing("settled") | {"clocks": clocks}) == Offer("close", "")


def test_what_came_back_is_settled_again_and_what_is_closed_waits_for_nothing() -> None:
    clocks = complaint(contacted=(3, 9), settled=(None, 10))["clocks"] | {
        "first_settled_at": "2026-03-01T05:00:00Z"
    }
    assert next_offer(viewer(), standing("open") | {"clocks": clocks, "reopened": 1}) == Offer("settle", "")
    assert next_offer(viewer(), standing("closed") | {"clocks": clocks}) is None


def test_boxes_and_answers_are_booleans() -> None:
    assert said(OPEN, Form({"major": "yes", "against_site": "bj02"})) | {"text": "x"} == {
        "channel": None,
        "category": None,
        "claimant": None,
        "against_site": "BJ02",
        "text": "x",
        "major": True,
        "major_ground": None,
    }
    assert said(ACTS["close"], Form({"satisfied": "no"}))["satisfied"] is False
