"""The words of notices, in both languages."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.findings import OCCASIONS, Cause, Stake, telling_of
from services.notify.texts import LANGUAGES, TEMPLATES, Language, Texts, Words, harmless, yuan
from shared.events.outputs import Award, Clause, EvidenceRef, Finding, Text
from tests.unit.notify.verdicts import finding, told, verdict

KINDS = ("fine", "compensation", "liability", "entitlement", "rejection", "alert")
STATES = ("active", "provisional", "frozen", "revoked")
TEXTS = Texts(evidence_max=3, appeal_days=7, zone_name="Asia/Shanghai")


def words(cause: Cause, language: Language) -> Words:
    return TEXTS.render(telling_of(cause, "tiantian", "560000000001", None), language)


def issued(**members: object) -> list[Cause]:
    return told(verdict(1, finding(**members)))[1]


def test_the_liable_site_reads_reason_clause_amount_evidence_receivers_and_the_last_day() -> None:
    text = words(issued()[0], "zh")
    assert text.title == "罚款通知 · TT-04 · 运单 560000000001"
    for part in (
        "BJ02",
        "金额：150.00 元",
        "款项去向：GZ01 150.00 元",
        "理由：逾期 3 天",
        "条款（来源 002）：延误每票每天罚款 50 元",
        "- /sites/BJ02 BJ02-0007（事后补录）",
        "hub_departure_days",
        "申诉截止：2026-03-09 24:00",
        "7 天期限为推定值",
    ):
        assert part in text.body, part


def test_the_same_in_english() -> None:
    text = words(issued()[0], "en")
    assert text.title == "Notice of fine · TT-04 · waybill 560000000001"
    for part in (
        "Amount: 150.00 yuan",
        "Money goes to: GZ01 150.00 yuan",
        "Reason: 3 days late",
        "Clause (source 002): 延误每票每天罚款 50 元",
        "- /sites/BJ02 BJ02-0007 (recorded late)",
        "Last day to appeal: 2026-03-09 24:00",
        "the 7 days are an assumed value",
    ):
        assert part in text.body, part


def test_who_is_paid_reads_its_own_share_and_no_other() -> None:
    cause = issued(awards=[Award("GZ01", 400), Award("HZ09", 100)], amount_fen=500)[1]
    for language in LANGUAGES:
        text = words(cause, language)
        assert "4.00" in text.title
        assert "4.00" in text.body
        assert "HZ09" not in text.body
        assert "1.00" not in text.body


def test_a_change_shows_old_and_new() -> None:
    changed = finding(amount_fen=20_000, awards=[Award("GZ01", 20_000)])
    liable, paid = told(verdict(1, finding()), verdict(2, changed))[1][2:]
    assert "金额：150.00 元 → 200.00 元" in words(liable, "zh").body
    assert "变更项：金额、款项去向" in words(liable, "zh").body
    assert "Paid to you: 150.00 yuan → 200.00 yuan" in words(paid, "en").body


@pytest.mark.parametrize("after", [{"awards": [Award("SH03", 15_000)]}, {"state": "revoked"}])
def test_who_is_paid_no_more_reads_of_no_payment(after: dict[str, object]) -> None:
    _, causes = told(verdict(1, finding()), verdict(2, finding(**after)))
    (gone,) = [one for one in causes if one.version == 2 and one.site == "GZ01"]
    assert gone.occasion == "finding_revoked"
    assert "\nPaid to you" not in words(gone, "en").body
    assert "Was to be paid to you: 150.00 yuan" in words(gone, "en").body
    assert "\n付给贵网点" not in words(gone, "zh").body
    assert "原应付给贵网点：150.00 元" in words(gone, "zh").body


def test_an_amount_not_known_yet_is_said_so() -> None:
    cause = issued(kind="liability", amount_fen=0, awards=[])[0]
    assert "金额：待定" in words(cause, "zh").body
    assert "not known yet" in words(cause, "en").body


def test_evidence_is_bounded_and_the_rest_counted() -> None:
    many = [EvidenceRef("/sites/BJ02", f"e{number}") for number in range(10)]
    body = words(issued(evidence=many)[0], "zh").body
    assert "e2" in body
    assert "e3" not in body
    assert "另有 7 条" in body


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", OCCASIONS)
def test_every_occasion_has_words_for_every_kind_state_and_stake(occasion: str, language: Language) -> None:
    for kind, state, before_state, liable, site in product(
        KINDS, STATES, STATES, (True, False), ("BJ02", None)
    ):
        cause = Cause(
            occasion,  # type: ignore[arg-type]  # one of OCCASIONS
            "BJ02",
            finding(kind=kind, state=state, site=site, ruling=liable, reason=Text("理由甲", "reason A")),
            finding(kind=kind, state=before_state, amount_fen=0),
            Stake(liable, 15_000),
            Stake(liable, 0),
            2,
            None,
        )
        text = words(cause, language)
        assert "560000000001" in text.title
        assert "\n" not in text.title
        assert ("理由甲" if language == "zh" else "reason A") in text.body
        assert "\n\n\n" not in text.body


def test_both_languages_have_the_same_templates() -> None:
    names = [{path.name for path in (TEMPLATES / language).glob("*.j2")} for language in LANGUAGES]
    assert names[0] == names[1]
    assert {f"{occasion}.j2" for occasion in OCCASIONS} <= names[0]


HOSTILE = "<b>x</b>{{ 7*7 }}\n申诉截止：2099-01-01\r\x00\u202e{% raw %}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_text_stays_one_line_of_text(language: Language) -> None:
    hostile = issued(
        finding_id=HOSTILE,
        rule=HOSTILE,
        reason=Text(HOSTILE, HOSTILE),
        clause=Clause(HOSTILE, HOSTILE),
        evidence=[EvidenceRef(HOSTILE, HOSTILE)],
        assumed=[HOSTILE],
    )[0]
    text, plain = words(hostile, language), words(issued()[0], language)
    assert len(text.body.splitlines()) == len(plain.body.splitlines())
    assert "\n" not in text.title
    assert "{{ 7*7 }}" in text.body
    assert not any(mark in text.body for mark in ("\x00", "\r", "\u202e"))


@given(st.text())
def test_harmless_text_is_one_line_that_utf8_can_carry(text: str) -> None:
    safe = harmless(text)
    safe.encode()
    assert len(safe.splitlines()) <= 1
    assert "\x00" not in safe


@given(st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S"])))
def test_harmless_leaves_ordinary_text_alone(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("amount_fen", "shown"),
    [(0, "0.00"), (5, "0.05"), (15_000, "150.00"), (123_456_789, "1234567.89"), (-250, "-2.50")],
)
def test_yuan(amount_fen: int, shown: str) -> None:
    assert yuan(amount_fen) == shown


def test_a_missing_member_is_an_error_not_a_gap() -> None:
    broken: Finding = finding(kind="surprise")
    cause = Cause("finding_issued", "BJ02", broken, None, Stake(True, 0), None, 1, None)
    with pytest.raises(Exception, match="surprise"):
        words(cause, "zh")
