"""`faultline explain` of a file, without a stack."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from faultline.cli.commands.explain import judge, read_case_file
from faultline.explain import case_tree, local, yuan
from shared.errors import FaultlineError

CASE = Path(__file__).resolve().parents[3] / "docs" / "tutorial" / "first-case.json"


def shown(case: dict[str, Any], events: list[dict[str, Any]], **more: Any) -> str:
    text = StringIO()
    Console(file=text, width=200).print(case_tree(case, events, **more))
    return text.getvalue()


def test_a_case_shows_custody_reasons_clause_money_calculation_and_evidence() -> None:
    request = read_case_file(CASE)
    text = shown(judge(request), request["events"], clauses_en={"TT-01": "The clause in English."})
    for words in (
        "tiantian/560400000001",
        "HWH1 · transit · no arrival scan",
        "TT-04 fine · HGZ1 · transit · 100.00 yuan · active",
        "clause (002)",
        "The clause in English.",
        "money  100.00 yuan to WH01",
        "rate_fen: 5000 (50.00 yuan)",
        "assumed values (not in the source)  ",
        "report.filed 2026-03-07 09:00 by /sites/WH01 first-08",
    ):
        assert words in text
    assert sum("中文" in line for line in text.splitlines()) == 2


def test_a_parcel_without_fault_says_so() -> None:
    request = read_case_file(CASE)
    request["events"] = request["events"][:3]
    request["now"] = "2026-03-03T09:00:00+08:00"
    assert "nobody is at fault" in shown(judge(request), request["events"])


def test_markup_in_what_others_wrote_is_shown_as_it_is() -> None:
    request = read_case_file(CASE)
    case = judge(request)
    case["verdict"]["findings"][0]["reason"]["en"] = "[bold]not ours[/]"
    assert "[bold]not ours[/]" in shown(case, request["events"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read as a case"),
        ("{", "cannot be read as a case"),
        ("[]", "lacks network, now, events"),
        ('{"network": "tiantian", "events": []}', "lacks now"),
    ],
)
def test_what_is_no_case_is_refused_in_one_line(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "case.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FaultlineError, match=says) as caught:
        read_case_file(file)
    assert "\n" not in str(caught.value)


def test_a_wrong_event_is_pointed_at() -> None:
    request = json.loads(CASE.read_text(encoding="utf-8"))
    request["events"][2]["data"]["site"] = "HSH1"
    with pytest.raises(FaultlineError, match="/events/2/data/site"):
        judge(request)


def test_money_and_moments_are_local() -> None:
    assert yuan(123_456) == "1,234.56 yuan"
    assert local("2026-03-04T01:00:00Z") == "2026-03-04 09:00"
    assert local(None) == "–"
