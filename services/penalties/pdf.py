"""A statement as PDF, in Chinese and English. Chinese text is drawn by the reader's own font: none is embedded."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Final

from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from services.penalties.domain import ZONE
from services.penalties.queries import Balance
from services.penalties.statements import Line, Statement, clause_of

_CHINESE: Final = "STSong-Light"
_LATIN: Final = "Helvetica"
_SIZE_PT: Final = 7
_LINE_PT: Final = 11
_MARGIN_PT: Final = 30
_WIDTH_PT, _HEIGHT_PT = landscape(A4)
_COLUMNS: Final = (
    ("时间 Time", 30, 14),
    ("运单 Waybill", 92, 24),
    ("规则 Rule", 182, 10),
    ("条款 Clause", 222, 46),
    ("类型 Kind", 412, 14),
    ("申诉 Appeal", 470, 14),
    ("所属月 Of month", 530, 10),
)
"""Title, place from the left in points, longest text in half-width characters."""
_AMOUNTS: Final = (
    ("变动 Change", 645),
    ("冻结变动 Frozen", 705),
    ("余额 Balance", 760),
    ("冻结 Frozen", 812),
)
"""Title and right edge in points."""
_WIDE: Final = "\u2e80"
"""From this character on, a glyph takes the place of two Latin ones."""
_APPEALS: Final = {"none": "", "pending": "申诉中 pending", "decided": "已裁 decided"}


def as_pdf(shown: Statement, name: str) -> bytes:
    """The statement of a site called `name` (empty where it is not registered); amounts in yuan."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(_WIDTH_PT, _HEIGHT_PT), pageCompression=1, invariant=1)
    canvas.setTitle(f"{shown.network} {shown.site} {shown.period}")
    rows = list(_rows(shown))
    per_page = int((_HEIGHT_PT - 2 * _MARGIN_PT - 3 * _LINE_PT) // _LINE_PT)
    pages = -(-len(rows) // per_page)
    for page in range(pages):
        _page(canvas, shown, name, rows[page * per_page : (page + 1) * per_page], f"{page + 1} / {pages}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


Row = tuple[Sequence[str], Sequence[str]]
"""The texts of the columns, and the amounts at the right."""


def _rows(shown: Statement) -> Iterator[Row]:
    yield _balance_row("期初 Opening", shown.opening)
    for line in shown.lines:
        yield _line_row(line)
    yield _balance_row("期末 Closing", shown.closing)


def _balance_row(title: str, balance: Balance) -> Row:
    return (title,), _balance(balance)


def _balance(balance: Balance) -> tuple[str, str]:
    return yuan(balance.open_fen) or "0.00", yuan(balance.frozen_fen)


def _line_row(line: Line) -> Row:
    entry = line.entry
    texts = (
        f"{entry.posted_at.astimezone(ZONE):%m-%d %H:%M}",
        entry.waybill,
        entry.rule,
        entry.note or clause_of(entry),
        entry.kind,
        _APPEALS[line.appeal],
        entry.belongs_to or "",
    )
    return texts, (yuan(line.change_fen), yuan(line.frozen_change_fen), *_balance(line.after))


def _page(canvas: Canvas, shown: Statement, name: str, rows: Sequence[Row], number: str) -> None:
    state = "已结账 closed" if shown.closed else "未结账 open"
    y = _HEIGHT_PT - _MARGIN_PT
    # One text object a page: one for each cell would take twice the time.
    page = canvas.beginText()

    drawn_in: tuple[str, int] | None = None

    def put(x: float, text: str, size_pt: int = _SIZE_PT) -> None:
        nonlocal drawn_in
        font = (_LATIN if text.isascii() else _CHINESE, size_pt)
        if font != drawn_in:
            page.setFont(*font)
            drawn_in = font
        page.setTextOrigin(x, y)
        page.textOut(text)

    title = (
        f"月结单 Statement  {shown.network} {shown.site} {name}  {shown.period}  {state}  元 CNY  {number}"
    )
    put(_MARGIN_PT, title, _SIZE_PT + 3)
    y -= 2 * _LINE_PT
    for heading, x, _ in _COLUMNS:
        put(x, heading)
    for heading, right in _AMOUNTS:
        put(right - _width_pt(heading), heading)
    for texts, amounts in rows:
        y -= _LINE_PT
        for text, (_, x, width) in zip(texts, _COLUMNS, strict=False):
            if text:
                put(x, _cut(text, width))
        for amount, (_, right) in zip(amounts, _AMOUNTS[-len(amounts) :], strict=True):
            if amount:
                put(right - _width_pt(amount), amount)
    canvas.drawText(page)


def _width_pt(text: str) -> float:
    """How wide a heading or an amount is, nearly: digits are the same width, Chinese characters that of the font's height."""
    if text.isascii():
        return sum(0.556 if character.isdigit() else 0.278 for character in text) * _SIZE_PT
    return sum(0.5 if character < _WIDE else 1 for character in text) * _SIZE_PT


def _cut(text: str, width: int) -> str:
    """`text` up to `width` half-width characters; a Chinese one takes two."""
    used = 0
    for place, character in enumerate(text):
        used += 1 if character < _WIDE else 2
        if used > width:
            return text[: place - 1] + "…"
    return text


def yuan(amount_fen: int) -> str:
    """An amount in yuan with two places; nothing for 0."""
    if not amount_fen:
        return ""
    whole, fen = divmod(abs(amount_fen), 100)
    return f"{'-' if amount_fen < 0 else ''}{whole:,}.{fen:02d}"
