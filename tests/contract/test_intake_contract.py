"""What a program that sends events may rely on: members that only grow, schemas that agree with the decoder, answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from services.intake.main import application
from services.intake.settings import IntakeSettings
from shared import events
from tests.support.events import ONE_OF_EACH, event, raw
from tests.support.intake import BATCH, STREAM, IntakeProcess, arrival
from tests.support.parts import Parts

RECEIPT = "site transfers? loss_fen? abnormal? returnable? payment_delayed? person?"
MEMBERS = {
    "scan.collected": "site scope destination_site? destination_mark? product? freight_fen? declared_value_fen? insured? "
    "fragile? goods? label_site? packaging? cod_fen? cod_due_on? premium_fen? order_placed_at? pickup_agreed_at? "
    "inspected? urgent? label_version? operator?",
    "scan.departed": "site next_site bag? vehicle? operator?",
    "scan.arrived": "site previous_site? via? bag? vehicle? part? parts? operator?",
    "scan.out_for_delivery": "site courier?",
    "scan.problem": "site reason note?",
    "scan.returned": "site next_site bag?",
    "signature.recorded": "site signed_at? signer signer_name? proxy_identity? consent? photo? outer_damage_noted? "
    "inner_issue_noted? struck_out? id_checks? handler? operator?",
    "signature.voided": "site signature_id reason",
    "complaint.opened": "complaint_id channel category claimant against_site? major? major_ground? text?",
    "complaint.reopened": "complaint_id text?",
    "complaint.escalated": "complaint_id? escalation_id body category against_site?",
    "complaint.received": "complaint_id site",
    "complaint.flagged": "complaint_id ground text?",
    "complaint.handled": "complaint_id site",
    "complaint.closed": "complaint_id satisfied? class? subclass?",
    "reply.registered": "complaint_id site outcome special_reason? text",
    "reply.audited": "complaint_id site result",
    "report.filed": "report_id site kind against_site? bag? goods? label_moved? one_face? text?",
    "notice.posted": "notice_id site to_site kind channel? filed_with_hq? names_waybill? packaging? shape? size? "
    "photo_published_at? text?",
    "notice.forwarded": "notice_id site to_site plan?",
    "notice.answered": "notice_id site to_site plan?",
    "goods.found": "site notice_id?",
    "goods.disposed": "site approved_by? photos?",
    "return.requested": "site written? reason?",
    "return.answered": "site answer",
    "return.fee_notified": "site to_site fee_fen round by_phone?",
    "return.fee_paid": "site to_site fee_fen",
    "redirect.requested": "by? new_address? new_recipient? fee_fen?",
    "evidence.submitted": "evidence_id site? kind delivered_on? contacted_at? party? purpose? amount_fen? ground? "
    "has_signature? has_contact? has_identity_copy? shows_name? shows_identity? legible? sha256? audited?",
    "compensation.offered": "site amount_fen basis accepted",
    "compensation.paid": "site amount_fen method to",
    "compensation.settled_privately": "site with_site? amount_fen?",
    "cod.settled": "site amount_fen",
    "receipt.required": RECEIPT,
    "receipt.returned": RECEIPT,
    "receipt.lost": RECEIPT,
    "receipt.audited": RECEIPT,
    "appeal.filed": "appeal_id site finding_id text?",
    "appeal.decided": "appeal_id outcome amount_fen? site? officer reason",
    "ruling.made": "ruling_id action finding_id? rule site amount_fen? to? officer reason",
}
"""Contract v1, `?` = optional. It only grows: an optional member may be added here, nothing else may change."""

Json = dict[str, Any]


def members_of(event_type: str) -> str:
    data = next(f for f in msgspec.structs.fields(events.EVENT_TYPES[event_type]) if f.name == "data")
    return " ".join(f.encode_name + ("" if f.required else "?") for f in msgspec.structs.fields(data.type))


def test_the_members_are_those_of_version_1() -> None:
    assert {event_type: members_of(event_type) for event_type in events.EVENT_TYPES} == MEMBERS


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft202012Validator:
    """The generated JSON Schema of an event."""
    return jsonschema_rs.Draft202012Validator(events.json_schema())


@pytest.mark.parametrize("event_type", ONE_OF_EACH)
def test_schema_and_decoder_agree(schema: jsonschema_rs.Draft202012Validator, event_type: str) -> None:
    good = event(event_type)
    for right in (good, event(event_type, unknown=1, data__unknown={"x": None})):
        events.decode(raw(right))
        assert schema.is_valid(right)
    data = good["data"]
    required = [name for name in MEMBERS[event_type].split() if not name.endswith("?")]
    broken = [without(good, name) for name in good]
    broken += [good | {name: "?"} for name in ("specversion", "type", "source", "subject", "data")]
    broken += [good | {"data": without(data, name)} for name in required]
    broken += [good | {"data": data | {name: []}} for name in data]
    for wrong in broken:
        assert not schema.is_valid(wrong), wrong
        with pytest.raises(events.EventRefused):
            events.decode(raw(wrong))


def without(members: Json, name: str) -> Json:
    return {member: value for member, value in members.items() if member != name}


@pytest.fixture(scope="module")
def openapi() -> Json:
    """The OpenAPI document of intake; nothing needs to run for it."""
    return application(IntakeSettings()).openapi()


def test_openapi_names_every_media_type_and_answer(openapi: Json) -> None:
    operation = openapi["paths"]["/v1/events"]["post"]
    assert set(operation["requestBody"]["content"]) == {
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/x-ndjson",
    }
    assert {"202", "207", "409", "413", "415", "422", "429", "503"} <= set(operation["responses"])
    assert operation["security"] == [{"bearer": []}]


@pytest.fixture(scope="module")
async def intake(parts: Parts) -> AsyncIterator[IntakeProcess]:
    """An intake to be asked."""
    process = IntakeProcess(parts.bootstrap_servers)
    await process.start()
    yield process
    await process.close()


def answers_model(openapi: Json, name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
    )


@pytest.mark.stack
async def test_answers_have_the_documented_shape(intake: IntakeProcess, openapi: Json) -> None:
    known, bad = arrival(), arrival(data={})
    taken = await intake.post([known, known, bad], BATCH)
    assert taken.status_code == 207
    assert taken.headers["content-type"] == "application/json"
    body = taken.json()
    assert list(body) == ["accepted", "duplicates", "refused"]
    assert [list(item) for item in body["refused"]] == [["index", "id", "status", "errors"]]
    assert [list(error) for error in body["refused"][0]["errors"]] == [["pointer", "message"]]
    assert answers_model(openapi, "TakenBody").is_valid(body)
    conflict = await intake.post(known | {"time": "2026-03-05T09:00:00+08:00"})
    none_taken = await intake.post(json.dumps(bad).encode(), STREAM)
    for answer, status in ((conflict, 409), (none_taken, 422)):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        problem = answer.json()
        assert (problem["status"], problem["accepted"], problem["duplicates"]) == (status, 0, 0)
        assert {"type", "title", "detail", "errors"} <= set(problem)
        assert answers_model(openapi, "NoneTakenBody").is_valid(problem)
    assert none_taken.json()["errors"] == [{"pointer": "/0/data/site", "message": "is required"}]
    for name in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert (await intake.client.get(name)).status_code == 200
