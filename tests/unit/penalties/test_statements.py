"""A site's month on paper: what each line changes, and a CSV that spreadsheets read rightly."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from services.penalties.api.bodies import EntryBody
from services.penalties.api.reports import accepted
from services.penalties.pdf import as_pdf, yuan
from services.penalties.queries import Balance
from services.penalties.statements import as_csv, as_members, statement
from shared.events.outputs import Account, Entry
from shared.http.problems import Problem


def entry(debit: Account, credit: Account, amount_fen: int, finding_id: str = "TT-04/BJ02") -> Entry:
    return Entry(
        entry_id="6f0d7a52-5c0e-5b7e-9d7c-3a1f6c1e4b90",
        kind="fine",
        posted_at=datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC),
        period="2026-03",
        network="tiantian",
        waybill="560000000001",
        finding_id=finding_id,
        version=1,
        rule="TT-04",
        debit=debit,
        credit=credit,
        amount_fen=amount_fen,
    )


ENTRIES = [
    entry(Account("receivable", "BJ02"), Account("headquarters"), 1_000),
    entry(Account("receivable", "GZ01"), Account("payable", "BJ02"), 300),
    entry(Account("frozen", "BJ02"), Account("frozen", "GZ01"), 5_000),
    entry(Account("receivable", "BJ02"), Account("payable", "BJ02"), 70),
]
SHOWN = statement(
    "tiantian", "BJ02", "2026-03", closed=False, opening=Balance(10, -20), entries=ENTRIES, appeals={}
)


def test_each_line_says_what_it_changed_and_what_stands_after_it() -> None:
    assert [(line.change_fen, line.frozen_change_fen) for line in SHOWN.lines] == [
        (1_000, 0),
        (-300, 0),
        (0, 5_000),
        (0, 0),
    ]
    assert SHOWN.lines[1].after == Balance(710, -20)
    assert SHOWN.closing == Balance(710, 4_980)
    members = as_members(SHOWN)
    assert (members["state"], members["opening"]) == ("open", {"balance_fen": 10, "frozen_fen": -20})


def test_the_csv_opens_in_a_spreadsheet() -> None:
    raw = as_csv(SHOWN)
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    assert [row["line"] for row in rows] == ["opening", "1", "2", "3", "4", "closing"]
    assert rows[1]["posted_at"] == "2026-03-31T23:59:59+08:00"
    assert (rows[1]["credit_account"], rows[1]["credit_site"]) == ("headquarters", "")
    assert (rows[-1]["balance_fen"], rows[-1]["frozen_fen"]) == ("710", "4980")


def test_the_pdf_has_every_line_on_numbered_pages() -> None:
    long = [entry(Account("receivable", "BJ02"), Account("headquarters"), 10_050)] * 200
    shown = statement(
        "tiantian", "BJ02", "2026-03", closed=True, opening=Balance(0, 0), entries=long, appeals={}
    )
    document = as_pdf(shown, "北京二部")
    assert document.startswith(b"%PDF-")
    assert document == as_pdf(shown, "北京二部"), "the same statement is the same file"
    assert document.count(b"/Type /Page\n") == 5
    assert b"/STSong-Light" in document


@pytest.mark.parametrize(
    ("fen", "text"), [(0, ""), (5, "0.05"), (-5, "-0.05"), (-123_456_789, "-1,234,567.89")]
)
def test_amounts_are_shown_in_yuan(fen: int, text: str) -> None:
    assert yuan(fen) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
def test_no_cell_is_taken_for_a_formula(start: str) -> None:
    risky = entry(Account("receivable", "BJ02"), Account("headquarters"), 1, f"{start}1+1")
    shown = statement(
        "tiantian", "BJ02", "2026-03", closed=True, opening=Balance(0, 0), entries=[risky], appeals={}
    )
    (row,) = list(csv.DictReader(io.StringIO(as_csv(shown).decode("utf-8-sig"))))[1:-1]
    assert row["finding_id"] == f"'{start}1+1"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/csv", "csv"),
        ("text/html, text/csv;q=0.9, */*;q=0.1", "csv"),
        ("text/csv;q=0.2, application/json;q=0.8", "json"),
        ("text/csv;q=nonsense, */*", "json"),
        ("application/pdf", "pdf"),
    ],
)
def test_the_form_is_what_accept_prefers(accept: str, form: str) -> None:
    assert accepted(accept) == form


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", ""])
def test_another_form_is_not_acceptable(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        accepted(accept)
    assert refused.value.status == 406


def test_the_documented_entry_has_the_members_of_the_published_one() -> None:
    assert set(EntryBody.model_fields) == set(Entry.__struct_fields__)
