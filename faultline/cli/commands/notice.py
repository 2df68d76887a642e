"""`faultline notice`: what sites are told, as they read it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from faultline.cli.app import app, say
from services.notify.samples import sample_of
from services.notify.settings import NotifySettings
from services.notify.texts import Shown, Texts

notice = typer.Typer(help="What sites are told.", no_args_is_help=True)
app.add_typer(notice, name="notice")


class Language(StrEnum):
    """A language of notices."""

    ZH = "zh"
    EN = "en"


@notice.command()
def preview(
    occasion: Annotated[str, typer.Argument(help="An occasion, as complaint_opened.")],
    language: Annotated[Language, typer.Option(help="The language it is written in.")] = Language.ZH,
    html: Annotated[bool, typer.Option("--html", help="As the HTML of an e-mail.")] = False,
) -> None:
    """Show the notice of an occasion, filled with its sample values; needs no stack."""
    settings = NotifySettings()
    texts = Texts(
        evidence_max=settings.notice_evidence_max,
        appeal_days=settings.appeal_days,
        zone_name=settings.time_zone,
    )
    telling = sample_of(occasion)
    words = texts.render(telling, language.value)
    if html:
        shown = [Shown(words.title, words.body, telling.due_at)]
        say(texts.mail(shown, site=telling.site, subject=words.title, language=language.value))
    else:
        say(f"{words.title}\n\n{words.body}")
