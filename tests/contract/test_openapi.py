"""A running intake keeps what its OpenAPI document promises, whatever is sent (schemathesis, bounded)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from services.intake.main import application
from services.intake.settings import IntakeSettings
from tests.support.intake import OPERATOR, IntakeProcess
from tests.support.line import wait
from tests.support.parts import Parts

pytestmark = pytest.mark.stack

EXAMPLES = 10
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.ignored_auth,
]


@pytest.fixture(scope="module")
async def intake(parts: Parts) -> AsyncIterator[str]:
    """The address of one intake for this file."""
    process = IntakeProcess(parts.bootstrap_servers)
    await process.start()
    yield str(process.client.base_url)
    await process.close()


@schemathesis.serializer("application/x-ndjson")
def lines(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """A stream: the items of a list one a line, anything else as one line."""
    items = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(item) for item in items).encode()


document = application(IntakeSettings()).openapi()
schema = schemathesis.openapi.from_dict(document)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, intake: str) -> None:
    case.call_and_validate(base_url=intake, headers=OPERATOR, checks=CHECKS)


def test_the_document_that_is_served_is_the_one_tested(intake: str) -> None:
    assert httpx.get(f"{intake}/openapi.json", trust_env=False).json() == document


def test_intake_is_still_ready_and_its_registries_still_readable(intake: str) -> None:
    with httpx.Client(base_url=intake, headers=OPERATOR, trust_env=False) as client:
        wait(lambda: client.get("/readyz").status_code == 200 or None, lambda: client.get("/readyz").text)
        for path in ("/v1/sites", "/v1/exemptions", "/v1/keys"):
            assert client.get(path).status_code == 200
