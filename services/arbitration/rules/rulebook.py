"""Rulebooks: dated parameters and texts, read from YAML and joined with the functions that decide.

A rule's block is in force from its first date to the next block's (or its own `until`). What a file gets wrong is
refused when it is loaded, with the place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from services.arbitration.rules.localtime import day_number
from shared.events.outputs import Clause, Finding

if TYPE_CHECKING:
    from services.arbitration.rules.case import Case

RuleFunction = Callable[["Case", "Rule"], Iterable[Finding]]
FOREVER: Final = 2**31


class RulebookError(ValueError):
    """A rulebook that cannot be used. The text says which file, where in it, what is wrong and what to do."""


class Text(NamedTuple):
    """A sentence with `{placeholders}`, in Chinese and English."""

    zh: str
    en: str


class Terms(msgspec.Struct, frozen=True):
    """What one rule says between two dates."""

    from_day: int
    until_day: int
    """First local day on which it is no longer in force."""
    in_force_from: date
    values: Mapping[str, int]
    assumed: frozenset[str]
    """Names of the parameters that the sources do not give."""
    clause: Clause
    clause_en: str
    texts: Mapping[str, Text]
    from_assumed: bool = False
    """Whether the sources do not say since when."""

    def __getitem__(self, name: str) -> int:
        """A parameter: fen, hours, days or a count, as its name says."""
        return self.values[name]


class RuleDef(NamedTuple):
    """A rule's entry in the register: its id, its function, and what must have happened for it to be asked.

    `needs`: event classes of which at least one event must be known; empty: the rule is asked for every waybill.
    """

    id: str
    decide: RuleFunction
    needs: tuple[type, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """A rule: how it decides and its terms by date."""

    id: str
    decide: RuleFunction
    needs: frozenset[type]
    blocks: tuple[Terms, ...]
    order: int
    """Place in the register: verdicts list their findings by it."""

    def on(self, day: int) -> Terms | None:
        """The terms in force on a local day, None where the rule is not in force."""
        for terms in self.blocks:
            if terms.from_day <= day < terms.until_day:
                return terms
        return None

    def at(self, day: int) -> Terms:
        """The terms in force on a local day. Raises LookupError where there are none."""
        terms = self.on(day)
        if terms is None:
            raise LookupError(f"{self.id} has no terms for local day number {day}.")
        return terms


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dated block of a rule as it stands in YAML."""

    from_: date = msgspec.field(name="from")
    until: date | None = None
    from_assumed: bool = False
    note: str | None = None
    clause: dict[str, str]
    parameters: dict[str, int | dict[str, Any]] = {}
    texts: dict[str, dict[str, str]] = {}


class SharedBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Dated parameters that several rules of one book read."""

    from_: date = msgspec.field(name="from")
    until: date | None = None
    parameters: dict[str, int | dict[str, Any]]


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rulebook's file."""

    id: str
    networks: list[str] | None = None
    """The networks it judges; absent: every network."""
    title: dict[str, str]
    shared: list[SharedBlock] = []
    rules: dict[str, list[Block]]


def compile_rules(book: Book, register: Sequence[RuleDef], where: str, first_order: int) -> list[Rule]:
    """Join a book's blocks with the functions of its register, checked. Raises RulebookError."""
    known = {definition.id for definition in register}
    if unknown := sorted(set(book.rules) - known):
        raise RulebookError(
            f"{where}: rules.{unknown[0]}: no such rule is registered; register its function first."
        )
    compiled = []
    for order, definition in enumerate(register, first_order):
        if definition.id not in book.rules:
            raise RulebookError(f"{where}: rules: {definition.id} is registered but has no block; add one.")
        blocks = _dated(book.rules[definition.id], book, f"{where}: rules.{definition.id}")
        compiled.append(Rule(definition.id, definition.decide, frozenset(definition.needs), blocks, order))
    return compiled


def _dated(blocks: Sequence[Block], book: Book, where: str) -> tuple[Terms, ...]:
    ordered = sorted(blocks, key=lambda block: block.from_)
    if not ordered:
        raise RulebookError(f"{where}: has no block; give it one with `from`, `clause` and `texts`.")
    found: list[Terms] = []
    for index, block in enumerate(ordered):
        following = ordered[index + 1].from_ if index + 1 < len(ordered) else None
        until = block.until or following
        spot = f"{where}[{block.from_.isoformat()}]"
        if until is not None and until <= block.from_:
            raise RulebookError(
                f"{spot}: ends or is followed on {until}, not after it starts; keep one block."
            )
        if until is not None and following is not None and until > following:
            raise RulebookError(
                f"{spot}: its dates overlap those of the block from {following}; end it earlier."
            )
        for start, end in _cut(block.from_, until, book.shared):
            shared = _shared_on(book, start, where)
            found.append(_terms(block, start, end, shared, spot))
    return tuple(found)


def _cut(start: date, end: date | None, shared: Sequence[SharedBlock]) -> list[tuple[date, date | None]]:
    """A block's time, cut where shared parameters change within it."""
    dates = {day for block in shared for day in (block.from_, block.until) if day is not None}
    inner = sorted(day for day in dates if start < day and (end is None or day < end))
    edges: list[date | None] = [start, *inner, end]
    return [(edge, after) for edge, after in pairwise(edges) if edge is not None]


def _shared_on(book: Book, day: date, where: str) -> dict[str, int | dict[str, Any]]:
    merged: dict[str, int | dict[str, Any]] = {}
    for block in book.shared:
        if block.from_ <= day and (block.until is None or day < block.until):
            if twice := sorted(merged.keys() & block.parameters.keys()):
                raise RulebookError(f"{where}: shared.{twice[0]} has two values on {day}; end one earlier.")
            merged.update(block.parameters)
    return merged


def _terms(
    block: Block, start: date, end: date | None, shared: dict[str, int | dict[str, Any]], where: str
) -> Terms:
    values: dict[str, int] = {}
    assumed: set[str] = set()
    for name, given in {**shared, **block.parameters}.items():
        value = given if isinstance(given, int) else given.get("value")
        if not isinstance(value, int) or isinstance(value, bool):
            raise RulebookError(
                f"{where}.parameters.{name}: must be a whole number, or {{value: …}} with one."
            )
        values[name] = value
        if isinstance(given, dict):
            if strange := sorted(set(given) - {"value", "assumed", "source", "note"}):
                raise RulebookError(f"{where}.parameters.{name}: knows no member {strange[0]!r}.")
            if given.get("assumed"):
                assumed.add(name)
    for member in ("source", "zh", "en"):
        if not block.clause.get(member):
            raise RulebookError(f"{where}.clause: text missing: {member}; quote the source and translate it.")
    return Terms(
        day_number(start),
        day_number(end) if end is not None else FOREVER,
        start,
        values,
        frozenset(assumed),
        Clause(block.clause["source"], block.clause["zh"]),
        block.clause["en"],
        {name: _text(text, f"{where}.texts.{name}") for name, text in block.texts.items()},
        block.from_assumed,
    )


def _text(text: dict[str, str], where: str) -> Text:
    for language in ("zh", "en"):
        if not text.get(language):
            raise RulebookError(f"{where}: text missing: {language}.")
    if placeholders(text["zh"]) != placeholders(text["en"]):
        raise RulebookError(f"{where}: the two languages use different placeholders.")
    return Text(text["zh"], text["en"])


def placeholders(text: str) -> set[str]:
    """The names in braces of a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def plain(terms: Terms) -> dict[str, Any]:
    """Terms as JSON: what a digest is taken of, and what a page shows."""
    return {
        "from": terms.in_force_from,
        "from_assumed": terms.from_assumed,
        "values": dict(terms.values),
        "assumed": sorted(terms.assumed),
        "clause": terms.clause,
        "texts": {name: list(text) for name, text in terms.texts.items()},
    }


def informs(_case: Case, _rule: Rule) -> Iterable[Finding]:
    """The function of a rule that other rules carry out: its terms and texts are data, it finds nothing itself."""
    return ()
