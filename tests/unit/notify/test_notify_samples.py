"""Every occasion has words in both languages, a sample to preview, and a layout that shows nothing unescaped."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from typer.testing import CliRunner

from faultline.cli.app import app
from faultline.cli.commands import notice
from services.notify.domain.occasions import OCCASIONS
from services.notify.samples import sample_of, sample_tellings
from services.notify.texts import LANGUAGES, TEMPLATES, Language, Shown, Texts, deadline, moment
from shared.errors import FaultlineError
from tests.unit.notify.verdicts import ZONE

TEXTS = Texts(evidence_max=20, appeal_days=7, zone_name="Asia/Shanghai")
SAMPLES = sample_tellings()


def test_occasions_samples_and_templates_are_the_same() -> None:
    assert set(SAMPLES) == set(OCCASIONS)
    for language in LANGUAGES:
        files = {path.stem for path in (TEMPLATES / language).glob("[!_]*.j2")}
        assert files == set(OCCASIONS), language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", sorted(OCCASIONS))
def test_every_occasion_reads_well(occasion: str, language: Language) -> None:
    telling = SAMPLES[occasion]
    words = TEXTS.render(telling, language)
    assert words.title
    assert "\n" not in words.title
    assert not words.title.startswith(("·", "-"))
    text = f"{words.title}\n{words.body}"
    for left_over in ("None", "{", "}", "Undefined", "[]", "\n\n\n"):
        assert left_over not in text
    if OCCASIONS[occasion].group not in ("books", "bulletins"):
        assert "560000000001" in text
    if telling.due_at and occasion not in ("finding_issued", "finding_changed"):
        assert deadline(telling.due_at, zone=ZONE) in text
    if language == "zh":
        assert re.search("[\u4e00-\u9fff]", words.title)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_complaint_says_when_it_was_opened_and_by_when_what_is_to_be_done(language: Language) -> None:
    body = TEXTS.render(SAMPLES["complaint_opened"], language).body
    for moment_ in ("2026-03-02 09:12", "2026-03-03 09:12", "2026-03-05 24:00"):
        assert moment_ in body


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_told_again_for_another_reason_says_so(language: Language) -> None:
    for occasion, members in (
        ("complaint_opened", {"duty_id": "complaint/C1/1"}),
        ("complaint_opened", {"site": None}),
        ("return_answer_wanted", {"rule": "TT-11"}),
        ("return_answer_due", {"rule": "TT-11"}),
    ):
        usual = SAMPLES[occasion]
        other = msgspec.structs.replace(usual.values["duty"], **members)  # type: ignore[type-var]
        telling = replace(usual, values={**usual.values, "duty": other})
        words, again = TEXTS.render(usual, language), TEXTS.render(telling, language)
        assert words.title != again.title
        assert words.body.splitlines()[0] != again.body.splitlines()[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mail_shows_each_notice_escaped(language: Language) -> None:
    shown = [
        Shown("<b>title</b>", "line & line\nnext", datetime(2026, 3, 9, 15, 59, 59, tzinfo=UTC)),
        Shown("second", "body", None),
    ]
    html = TEXTS.mail(shown, site="<BJ02>", subject="<script>", language=language)
    assert "<b>title" not in html
    assert "<script>" not in html
    assert "<BJ02>" not in html
    assert "&lt;b&gt;title" in html
    assert "line &amp; line\nnext" in html
    assert "2026-03-09 24:00" in html
    assert html.count("<section") == 2


def test_a_value_cannot_bring_a_second_line_into_a_notice() -> None:
    telling = replace(SAMPLES["complaint_opened"], waybill="5600\r\n\r\nBcc: x\u202e")
    assert "Bcc: x" in TEXTS.render(telling, "en").title


def test_terms_are_shown_as_the_rules_say_them() -> None:
    assert deadline(datetime(2026, 3, 9, 15, 59, 59, tzinfo=UTC), zone=ZONE) == "2026-03-09 24:00"
    assert deadline(datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC), zone=ZONE) == "2026-03-09 12:00"
    assert deadline(datetime(2026, 3, 9, 3, 12, tzinfo=UTC), zone=ZONE) == "2026-03-09 11:12"
    assert moment(datetime(2026, 3, 9, 3, 12, 40, tzinfo=UTC), zone=ZONE) == "2026-03-09 11:12"


def test_the_command_previews_text_and_html() -> None:
    assert notice.notice is not None
    runner = CliRunner()
    text = runner.invoke(app, ["notice", "preview", "contact_due", "--language", "en"])
    assert text.exit_code == 0
    assert text.output.startswith("Reminder: contact the customer")
    html = runner.invoke(app, ["notice", "preview", "contact_due", "--html"])
    assert html.output.startswith("<!DOCTYPE html>")


def test_an_occasion_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(FaultlineError, match="complaint_opened"):
        sample_of("nonsense")
