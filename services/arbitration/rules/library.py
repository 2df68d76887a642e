"""All rulebooks, loaded once and checked, and which of them judge a network's waybills."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from services.arbitration.rules.localtime import day_number
from services.arbitration.rules.register import GENERAL, REGISTERS, Adjuster, Finisher
from services.arbitration.rules.rulebook import (
    FOREVER,
    Book,
    Rule,
    RulebookError,
    compile_rules,
    informs,
    plain,
)
from shared.events.outputs import Finding, RulebookRef

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

NATIONAL: Final = "national"
_BEGINNING: Final = -1
_KINDS_KEPT_MAX: Final = 4_096
Overrides = Mapping[str, Mapping[str, int]]
"""Rule id → parameter → value: for a dry run or a replay under other terms."""
OVERRIDE_MAX: Final = {"fen": 1_000_000_000, "years": 100}
"""The largest value of an overridden parameter, by the last part of its name: no sum or date may run out of range."""
_OVERRIDE_MAX_ELSE: Final = 10_000


class OverrideError(RulebookError):
    """Overrides that name nothing there is, or a value nobody can judge by. `pointer`: the place in them (RFC 6901)."""

    def __init__(self, message: str, *named: str) -> None:
        # What no UTF-8 can carry (lone surrogates) must not stop the answer that refuses it.
        place = [name.encode(errors="replace").decode() for name in named]
        super().__init__(f"{'.'.join(('rulebook', *place))}: {message}")
        self.pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in place)


class NetworkRules:
    """Everything that judges one network's waybills, in the order in which it is asked."""

    def __init__(self, book_id: str, rules: list[Rule], own: set[str], general: Rule) -> None:
        self.book_id = book_id
        self.rules = tuple(rules)
        self.by_id = {rule.id: rule for rule in rules}
        self.general = general
        self._asked: dict[frozenset[type], tuple[Rule, ...]] = {}
        self.adjusters: tuple[Adjuster, ...] = ()
        self.finishers: tuple[Finisher, ...] = ()
        self._own = own
        self._refs: dict[int, RulebookRef] = {}
        days = {day for rule in rules for terms in rule.blocks for day in (terms.from_day, terms.until_day)}
        self._changes = sorted(days - {FOREVER})

    def asked(self, kinds: Iterable[type]) -> tuple[Rule, ...]:
        """The rules to ask about a waybill with events of these classes: those without needs, then those whose needs are met."""
        key = frozenset(kinds)
        found = self._asked.get(key)
        if found is None:
            deciding = [rule for rule in self.rules if rule.decide is not informs]
            always = [rule for rule in deciding if not rule.needs]
            found = (*always, *(rule for rule in deciding if rule.needs and not rule.needs.isdisjoint(key)))
            if len(self._asked) < _KINDS_KEPT_MAX:
                self._asked[key] = found
        return found

    def place(self, finding: Finding) -> tuple[int, str]:
        """Where a finding stands in a verdict: by the register, then by its id. An officer's other rules come last."""
        rule = self.by_id.get(finding.rule)
        return (rule.order if rule is not None else self.rules[-1].order + 1, finding.finding_id)

    def ref(self, day: int) -> RulebookRef:
        """Which book judges on a local day, since when it says what it says, and the digest of all that is in force."""
        index = bisect_right(self._changes, day) - 1
        start = self._changes[index] if index >= 0 else _BEGINNING
        found = self._refs.get(start)
        if found is None:
            found = self._refs[start] = self._ref(start)
        return found

    def _ref(self, start: int) -> RulebookRef:
        in_force = {
            rule.id: plain(terms)
            for rule in (self.general, *self.rules)
            if (terms := rule.on(start)) is not None
        }
        own = [terms.in_force_from for name in self._own if (terms := self.by_id[name].on(start)) is not None]
        every = [terms.in_force_from for rule in self.rules if (terms := rule.on(start)) is not None]
        return RulebookRef(
            id=self.book_id if own else NATIONAL,
            in_force_from=max(own or every, default=date(1970, 1, 1)).isoformat(),
            digest=f"sha256:{hashlib.sha256(msgspec.json.encode(in_force, order='sorted')).hexdigest()}",
        )


class Rulebooks:
    """The rulebooks by id, ready to judge any network."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        self._books = dict(books)
        self._networks: dict[str, NetworkRules] = {}
        self._rules: dict[str, list[Rule]] = {}
        order = 0
        for book_id, registered in REGISTERS.items():
            if book_id not in books:
                raise RulebookError(f"{book_id}.yaml: missing, though its rules are registered.")
            self._rules[book_id] = compile_rules(books[book_id], registered.rules, f"{book_id}.yaml", order)
            order += len(registered.rules)
        self._general = self._rules[GENERAL][0]

    def ids(self) -> list[str]:
        """The ids of all rulebooks that decide something."""
        return [book_id for book_id in self._books if book_id != GENERAL]

    @property
    def digest(self) -> str:
        """One digest of the data of all rulebooks."""
        data = {
            rule.id: [plain(terms) for terms in rule.blocks] for book in self._rules.values() for rule in book
        }
        return f"sha256:{hashlib.sha256(msgspec.json.encode(data, order='sorted')).hexdigest()}"

    def of(self, network: str) -> NetworkRules:
        """The rules of a network; one without a rulebook of its own has those that apply everywhere."""
        found = self._networks.get(network)
        if found is None:
            found = self._assemble(network)
            if len(self._networks) < 1_024:
                self._networks[network] = found
        return found

    def for_network(self, network: str, on: date) -> RulebookRef:
        """Which rulebook judges the network's waybills on a local date."""
        return self.of(network).ref(day_number(on))

    def overridden(self, overrides: Overrides) -> Rulebooks:
        """The same rulebooks with other values, in force whenever the rule is.

        Raises OverrideError for a rule or a parameter that does not exist, or a value that is no whole number in range.
        """
        changed = Rulebooks(self._books)
        for rule_id, values in overrides.items():
            book_id = next(
                (name for name, rules in changed._rules.items() for r in rules if r.id == rule_id), None
            )
            if book_id is None:
                raise OverrideError("there is no such rule; look at the list of rulebooks.", rule_id)
            changed._rules[book_id] = [
                _with_values(rule, values) if rule.id == rule_id else rule for rule in changed._rules[book_id]
            ]
        changed._general = changed._rules[GENERAL][0]
        return changed

    def describe(self, book_id: str, on: date) -> dict[str, Any]:
        """A rulebook as JSON: its title and, of each rule, what is in force on that date. Raises KeyError."""
        book = self._books[book_id]
        day = day_number(on)
        in_force = {
            rule.id: plain(terms) | {"clause_en": terms.clause_en}
            for rule in self._rules[book_id]
            if (terms := rule.on(day)) is not None
        }
        return {"id": book_id, "title": book.title, "networks": book.networks, "on": on, "rules": in_force}

    def _assemble(self, network: str) -> NetworkRules:
        own_id = next((name for name, book in self._books.items() if network in (book.networks or ())), None)
        everywhere = [name for name, book in self._books.items() if book.networks is None and name != GENERAL]
        names = [name for name in REGISTERS if name == own_id or name in everywhere]
        rules = [rule for name in names for rule in self._rules[name]]
        own = {rule.id for rule in self._rules[own_id]} if own_id is not None else set()
        found = NetworkRules(own_id or NATIONAL, rules, own, self._general)
        # What applies everywhere first: it may take findings away over which the network's book divides the money.
        names.sort(key=lambda name: name == own_id)
        found.adjusters = tuple(adjuster for name in names for adjuster in REGISTERS[name].adjusters)
        found.finishers = tuple(finisher for name in names for finisher in REGISTERS[name].finishers)
        return found


def load_rulebooks(folder: Traversable | None = None) -> Rulebooks:
    """Read and check every `*.yaml` of the folder (default: the ones that come with the product).

    Raises RulebookError with the file, the place in it, what is wrong and what to do.
    """
    return Rulebooks(read_books(folder))


def read_books(folder: Traversable | None = None) -> dict[str, Book]:
    """The rulebooks' files as they stand, by id. Raises RulebookError as `load_rulebooks`, of which it is the first half."""
    folder = folder if folder is not None else files("services.arbitration.rules") / "rulebooks"
    books: dict[str, Book] = {}
    entries = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name
    )
    for entry in entries:
        book = _read(entry)
        if book.id != entry.name.removesuffix(".yaml") or book.id not in REGISTERS:
            raise RulebookError(
                f"{entry.name}: id: is {book.id!r}; it must be the file's name, and its rules must be registered."
            )
        books[book.id] = book
    return books


def _read(entry: Traversable) -> Book:
    try:
        return msgspec.convert(yaml.safe_load(entry.read_text(encoding="utf-8")), Book)
    except yaml.YAMLError as error:
        raise RulebookError(f"{entry.name}: is not YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise RulebookError(f"{entry.name}: {error}") from error


def _with_values(rule: Rule, values: Mapping[str, int]) -> Rule:
    blocks = []
    for terms in rule.blocks:
        for name, value in values.items():
            if name not in terms.values:
                raise OverrideError(f"no such parameter; it has {sorted(terms.values)}.", rule.id, name)
            most = OVERRIDE_MAX.get(name.rpartition("_")[2], _OVERRIDE_MAX_ELSE)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
                raise OverrideError(f"must be a whole number from 0 to {most}.", rule.id, name)
        blocks.append(msgspec.structs.replace(terms, values={**terms.values, **values}))
    return msgspec.structs.replace(rule, blocks=tuple(blocks))
