"""Loading rulebooks: what is wrong is refused, with its place; terms change on their dates."""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.arbitration.domain import Facts, RulebookError, decide, distinct, load_rulebooks
from services.arbitration.rules.localtime import day_number
from services.arbitration.rules.register import REGISTERS
from services.arbitration.rules.rulebook import placeholders
from tests.unit.arbitration.build import BOOKS, Waybill, at

SHIPPED = files("services.arbitration.rules") / "rulebooks"


def changed(tmp_path: Path, book: str, change: Any) -> Path:
    """The shipped rulebooks, one of them changed."""
    for entry in SHIPPED.iterdir():
        if entry.name.endswith(".yaml"):
            content = yaml.safe_load(entry.read_text(encoding="utf-8"))
            if content["id"] == book:
                change(content)
            (tmp_path / entry.name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return tmp_path


def refusal(tmp_path: Path, change: Any) -> str:
    with pytest.raises(RulebookError) as error:
        load_rulebooks(changed(tmp_path, "tiantian", change))
    return str(error.value)


def test_unknown_rule(tmp_path: Path) -> None:
    def change(book: dict[str, Any]) -> None:
        book["rules"]["TT-99"] = book["rules"]["TT-01"]

    assert "tiantian.yaml: rules.TT-99" in refusal(tmp_path, change)


def test_rule_without_a_block(tmp_path: Path) -> None:
    assert "TT-01" in refusal(tmp_path, lambda book: book["rules"].pop("TT-01"))


def test_overlapping_dates(tmp_path: Path) -> None:
    def change(book: dict[str, Any]) -> None:
        first = book["rules"]["TT-01"][0]
        book["rules"]["TT-01"] = [first | {"until": date(2020, 1, 1)}, first | {"from": date(2019, 1, 1)}]

    message = refusal(tmp_path, change)
    assert "tiantian.yaml: rules.TT-01[2011-08-01]" in message
    assert "overlap" in message


@pytest.mark.parametrize("language", ["zh", "en"])
def test_missing_text(tmp_path: Path, language: str) -> None:
    def change(book: dict[str, Any]) -> None:
        book["rules"]["TT-02"][0]["texts"]["main"].pop(language)

    assert f"rules.TT-02[2011-08-01].texts.main: text missing: {language}" in refusal(tmp_path, change)


def test_missing_clause(tmp_path: Path) -> None:
    assert "clause" in refusal(tmp_path, lambda book: book["rules"]["TT-02"][0]["clause"].pop("zh"))


def test_languages_must_fill_the_same_places(tmp_path: Path) -> None:
    def change(book: dict[str, Any]) -> None:
        book["rules"]["TT-02"][0]["texts"]["main"]["en"] = "{site} did nothing."

    assert "different placeholders" in refusal(tmp_path, change)


def test_parameter_that_is_no_number(tmp_path: Path) -> None:
    def change(book: dict[str, Any]) -> None:
        book["rules"]["TT-02"][0]["parameters"]["fine_fen"] = {"value": "fifty"}

    assert "parameters.fine_fen" in refusal(tmp_path, change)


def test_a_new_block_changes_the_amount_from_its_date_on(tmp_path: Path) -> None:
    def change(book: dict[str, Any]) -> None:
        first = book["rules"]["TT-01"][0]
        dearer = first | {"from": date(2026, 3, 3), "parameters": {"fine_fen": 1100}}
        book["rules"]["TT-01"] = [first, dearer]

    books = load_rulebooks(changed(tmp_path, "tiantian", change))
    rule = books.of("tiantian").by_id["TT-01"]
    amounts = [rule.at(day_number(date(2026, 3, day)))["fine_fen"] for day in (2, 3)]
    assert amounts == [1000, 1100]
    before, after = (books.for_network("tiantian", date(2026, 3, day)) for day in (2, 3))
    assert (before.in_force_from, after.in_force_from) == ("2011-08-01", "2026-03-03")
    assert before.digest != after.digest
    assert before.digest == BOOKS.for_network("tiantian", date(2026, 3, 2)).digest


def test_a_shared_parameter_changes_for_every_rule_that_reads_it(tmp_path: Path) -> None:
    def change(book: dict[str, Any]) -> None:
        first = book["shared"][0]
        book["shared"] = [
            first | {"until": date(2026, 3, 3)},
            first
            | {"from": date(2026, 3, 3), "parameters": first["parameters"] | {"fine_per_day_fen": 6000}},
        ]

    rule = load_rulebooks(changed(tmp_path, "tiantian", change)).of("tiantian").by_id["TT-04"]
    assert [rule.at(day_number(date(2026, 3, day)))["fine_per_day_fen"] for day in (2, 3)] == [5000, 6000]


def test_overrides_judge_under_other_terms_and_leave_the_books_alone() -> None:
    other = BOOKS.overridden({"TT-01": {"fine_fen": 2000}})
    assert other.digest != BOOKS.digest
    waybill = Waybill().way(until="departed")
    waybill.departed("HGZ1", "HBJ1", at(1, "23:30"))
    assert waybill.findings(at(2))["TT-01/HGZ1"].amount_fen == 1000
    known, _ = distinct(waybill.events)
    for amount_fen in (2_000, 0):
        books = BOOKS.overridden({"TT-01": {"fine_fen": amount_fen}})
        (found,) = decide(known, Facts(), books, at(2), "tiantian").findings
        assert (found.finding_id, found.amount_fen) == ("TT-01/HGZ1", amount_fen)
    wrongs: tuple[dict[str, dict[str, int]], ...] = (
        {"TT-99": {}},
        {"TT-01": {"fine": 1}},
        {"TT-01": {"fine_fen": -1}},
    )
    for wrong in wrongs:
        with pytest.raises(RulebookError):
            BOOKS.overridden(wrong)


def test_every_assumed_parameter_is_shown_in_the_description() -> None:
    described = BOOKS.describe("tiantian", date(2026, 3, 2))
    assert "hub_departure_days" in described["rules"]["TT-04"]["assumed"]
    assert BOOKS.describe("tiantian", date(2011, 7, 31))["rules"] == {}
    assert described.keys() == {"id", "title", "networks", "on", "rules"}
    assert (described["id"], described["networks"], described["on"]) == (
        "tiantian",
        ["tiantian"],
        date(2026, 3, 2),
    )


@pytest.mark.parametrize(
    ("network", "on", "book_id", "in_force_from"),
    [
        ("tiantian", date(2011, 7, 31), "national", "2000-01-01"),
        ("tiantian", date(2011, 8, 1), "tiantian", "2011-08-01"),
        ("zto", date(2015, 3, 31), "national", "2000-01-01"),
        ("zto", date(2015, 5, 31), "zto", "2015-04-01"),
        ("zto", date(2015, 9, 30), "zto", "2015-06-01"),
        ("zto", date(2026, 3, 2), "zto", "2015-10-01"),
        ("unheard-of", date(2026, 3, 2), "national", "2000-01-01"),
    ],
)
def test_a_verdict_names_its_rulebook_and_since_when_it_says_so(
    network: str, on: date, book_id: str, in_force_from: str
) -> None:
    ref = BOOKS.for_network(network, on)
    assert (ref.id, ref.in_force_from) == (book_id, in_force_from)
    others = {BOOKS.for_network(other, on).digest for other in ("yunda", "freight")}
    assert ref.digest.startswith("sha256:")
    assert ref.digest not in others


def test_ids_are_registered_once() -> None:
    ids = [definition.id for registered in REGISTERS.values() for definition in registered.rules]
    assert len(ids) == len(set(ids))


def test_placeholders() -> None:
    assert placeholders("{a} and {b}") == {"a", "b"}
