"""What stands in the reports, from given figures, and their words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import reports
from services.notify.domain.reports import Score, ranks, site_weeks
from services.notify.domain.telling import Telling
from services.notify.samples import sample_of
from services.notify.texts import LANGUAGES, Language, Texts, Words
from tests.unit.notify.report_figures import COMPLAINTS, MONTH, RULES, THIS_WEEK, VALUES, WEEK_BEFORE, score

TEXTS = Texts(evidence_max=3, appeal_days=7, zone_name="Asia/Shanghai")
CHINESE = re.compile("[\u4e00-\u9fff]")


def words(occasion: str, language: Language, values: dict[str, object] | None = None) -> Words:
    telling = Telling(
        occasion=occasion,
        network="tiantian",
        site="BJ02",
        identity=("x",),
        values=VALUES[occasion] if values is None else values,
    )
    return TEXTS.render(telling, language)


def test_a_week_stands_beside_the_week_before_and_in_the_networks_order() -> None:
    weeks = site_weeks(THIS_WEEK, WEEK_BEFORE, ["BJ02", "GZ01", "NJ05", "SH03", "WH06", "XA04"])
    # Late rates: GZ01 0, BJ02 and SH03 0.02. Complaints per million: GZ01 0, BJ02 5000, SH03 20000. XA04 handled nothing.
    places = {site: (week.late_rank, week.complaints_rank) for site, week in weeks.items()}
    assert places == {
        "BJ02": (2, 2),
        "GZ01": (1, 1),
        "NJ05": (None, None),
        "SH03": (2, 3),
        "XA04": (None, None),
    }
    assert {week.ranked_sites for week in weeks.values()} == {3}
    assert (weeks["BJ02"].score, weeks["BJ02"].week_before) == (THIS_WEEK[0], WEEK_BEFORE[0])
    assert (weeks["NJ05"].score, weeks["NJ05"].week_before) == (Score(), WEEK_BEFORE[1])


def test_sites_that_are_not_registered_are_ranked_but_have_no_bulletin() -> None:
    assert list(site_weeks(THIS_WEEK, [], ["SH03"])) == ["SH03"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=12))
def test_places_follow_the_rates(rows: list[tuple[int, int]]) -> None:
    scores = [score(f"S{number}", parcels, min(late, parcels)) for number, (parcels, late) in enumerate(rows)]
    placed = ranks(scores, lambda one: one.late_rate)
    rate_of = {one.site: one.late_rate for one in scores}
    assert set(placed) == {one.site for one in scores if one.parcels}
    for site, place in placed.items():
        better = [other for other in placed if rate_of[other] < rate_of[site]]  # type: ignore[operator]
        assert place == len(better) + 1


def test_a_bulletin_lists_the_dearest_rules_and_counts_the_rest() -> None:
    values = VALUES["weekly_bulletin"]
    assert [one["rule"] for one in values["rules"]] == ["TT-04", "TT-02"]  # type: ignore[attr-defined]
    assert (values["more_rules"], values["first_day"], values["last_day"]) == (1, "2026-11-16", "2026-11-22")
    everything = reports.bulletin("2026-W47", site_weeks(THIS_WEEK, [], ["BJ02"])["BJ02"], RULES, 20)
    assert (len(everything["rules"]), everything["more_rules"]) == (3, 0)  # type: ignore[arg-type]


def test_the_monthly_report_begins_with_the_most_complaints_per_million() -> None:
    values = VALUES["monthly_report"]
    assert [one["site"] for one in values["sites"]] == ["SH03", "BJ02"]  # type: ignore[attr-defined]
    assert (values["more_sites"], values["handled"]) == (2, 700)
    assert (values["findings"], values["amount_fen"]) == (6, 26_000)
    assert values["complaints"]["by_class"] == COMPLAINTS.by_class  # type: ignore[index]


def test_a_closed_month_adds_up_what_sites_owe_and_are_owed() -> None:
    other = reports.SiteMonth(
        site="GZ01",
        opening_fen=0,
        opening_frozen_fen=0,
        debits_fen=0,
        credits_fen=400,
        closing_fen=-400,
        closing_frozen_fen=-5_000,
        entries=1,
    )
    values = reports.month_closed("2026-10", 1, 1, [MONTH, other])
    assert (values["sites"], values["owing_fen"], values["owed_fen"], values["frozen_fen"]) == (
        2,
        21_000,
        400,
        0,
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", VALUES)
def test_every_report_has_words(occasion: str, language: Language) -> None:
    made = words(occasion, language)
    assert made.title
    assert made.body
    assert "{" not in made.body
    assert bool(CHINESE.search(made.title + made.body)) == (language == "zh")


def shape(value: object) -> object:
    """What `value` is made of, whatever its figures and however many there are."""
    if isinstance(value, dict):
        free = value.keys() <= {
            *COMPLAINTS.by_class,
            *COMPLAINTS.by_category,
            "attitude",
            "damage",
            "not_ours",
        }
        return "counts" if free else {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


@pytest.mark.parametrize("occasion", VALUES)
def test_the_sample_is_what_the_template_is_given(occasion: str) -> None:
    given, sample = shape(VALUES[occasion]), shape(dict(sample_of(occasion).values))
    assert covers(given, sample), (given, sample)


def covers(given: object, sample: object) -> bool:
    """Whether a sample has nothing that is not given: it may leave out what no text says."""
    if isinstance(sample, dict) and isinstance(given, dict):
        return all(name in given and covers(given[name], inner) for name, inner in sample.items())
    if isinstance(sample, list) and isinstance(given, list):
        return all(covers(given[0], inner) for inner in sample)
    return given == sample


@pytest.mark.parametrize(
    ("occasion", "zh", "en"),
    [
        (
            "statement_ready",
            [
                "期初余额：10.00 元（应收）",
                "本期借方（应付增加）：250.00 元",
                "期末余额：210.00 元（应付）",
                "随电子邮件附上",
            ],
            [
                "Opening balance: 10.00 yuan payable to you",
                "Closing balance: 210.00 yuan payable by you",
                "attached",
            ],
        ),
        ("month_closed", ["期末网点应付合计：210.00 元"], ["Owed by sites at the end: 210.00 yuan"]),
        (
            "weekly_bulletin",
            [
                "处理票数：400 票（500 票）",
                "延误率 2.00%（1.00%），全网 3 个网点中由低到高第 2 名",
                "- TT-04：3 项，150.00 元",
            ],
            [
                "Parcels handled: 400 (500)",
                "late rate 2.00% (1.00%); 2 of 3 sites",
                "- TT-04: 3, 150.00 yuan",
            ],
        ),
        (
            "monthly_report",
            [
                "- 业务操作：4 件",
                "3 个工作日内处理完毕：按时 3 件，超时 2 件",
                "- SH03：处理 200 票，投诉 4 件，百万件投诉率 20000.00",
            ],
            [
                "- operations: 4",
                "settled within 3 working days: 3 in time, 2 late",
                "- SH03: 200 parcels, 4 complaints",
            ],
        ),
        (
            "silent_parcels",
            ["- 560000000001：已 31 小时，已发往 GZ01", "其余从略"],
            ["- 560000000002: 25 hours", "and others"],
        ),
    ],
)
def test_the_figures_stand_in_the_words(occasion: str, zh: list[str], en: list[str]) -> None:
    for language, phrases in (("zh", zh), ("en", en)):
        body = words(occasion, language).body  # type: ignore[arg-type]
        assert all(phrase in body for phrase in phrases), body


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_statement_that_is_not_attached_says_where_it_is(language: Language) -> None:
    values = reports.statement_ready("2026-10", MONTH, attached=False)
    assert words("statement_ready", language, values).body != words("statement_ready", language).body
    assert "PDF" not in words("statement_ready", language, values).body


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_month_without_anything_has_words_too(language: Language) -> None:
    nothing = reports.ComplaintFigures(
        complaints=0,
        by_category={},
        by_class={},
        by_channel={},
        major=0,
        escalated=0,
        reopened=0,
        **dict.fromkeys(("forwarded", "contacted", "settled", "followed_up"), reports.Kept(0, 0, 0)),
        hours_to_settlement=reports.Hours(0, None, None),
    )
    values = reports.monthly_report("2026-10", nothing, [], [], sites_max=2, rules_max=2)
    assert words("monthly_report", language, values).body
