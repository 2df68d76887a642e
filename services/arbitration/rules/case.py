"""One waybill under judgement: what every rule looks at, and how it states a finding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from services.arbitration.rules.custody import Custody, Link, walk
from services.arbitration.rules.facts import Exempt, Facts
from services.arbitration.rules.localtime import HOUR_S, day_of, moment_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import Event, ScanCollectedData, SignatureVoided
from shared.events.outputs import (
    Award,
    EvidenceRef,
    Finding,
    FindingKind,
    FindingRole,
    FindingState,
    Text,
)

if TYPE_CHECKING:
    from services.arbitration.rules.library import NetworkRules

E = TypeVar("E", bound=Event)
T = TypeVar("T")
EXEMPT_DAYS_MAX = 1_000
"""So many days are left out of a term at most: an exemption without end must not make a decision endless."""
Value = str | int | tuple[str, str]
"""A value of a reason's placeholder; a pair is (Chinese, English)."""


class Case:
    """The events of one waybill, its custody chain, the facts and the moment of judgement."""

    __slots__ = (
        "by_type",
        "custody",
        "events",
        "exempt",
        "exemptions",
        "facts",
        "fixed",
        "found",
        "general_rule",
        "memo",
        "next_review",
        "now",
        "overturned",
        "rules",
        "today",
    )

    def __init__(self, events: Sequence[Known[Event]], facts: Facts, rules: NetworkRules, now: int) -> None:
        self.events = events
        self.facts = facts
        self.rules = rules
        self.now = now
        self.today = day_of(now)
        self.by_type = _by_type(events)
        self.custody: Custody = walk(events, self.by_type)
        self.exempt = Exempt(facts) if facts.exemptions else None
        self.exemptions: set[str] = set()
        """Exemptions of many that touched some term, whether or not a finding was left."""
        self.general_rule: Rule = rules.general
        self.found: list[Finding] = []
        """What the rules asked so far have found."""
        self.overturned: Collection[str] = ()
        """Findings that a decision took away: what they replaced stands again."""
        self.fixed: Mapping[str, int] = {}
        """When a decision first took a finding away or fixed its amount, by its id."""
        self.memo: dict[str, Any] = {}
        """What one rule worked out and others of its book use, by a name."""
        self.next_review: int | None = None

    def of(self, kind: type[E]) -> list[Known[E]]:
        """All events of one class, in order."""
        return self.by_type.get(kind) or []

    def custody_until(self, at: int) -> Custody:
        """The chain as the events up to a moment show it; a signature voided later counts as never recorded."""
        events = [
            known for known in self.events if known.at <= at or known.event.__class__ is SignatureVoided
        ]
        return walk(events, _by_type(events))

    def general(self, day: int) -> Terms:
        """The terms of custody, liability, value and appeals on a local day."""
        return self.general_rule.at(day)

    @property
    def parcel(self) -> ScanCollectedData | None:
        """What was agreed at collection, None where no collection is known."""
        origin = self.custody.origin
        return origin.collected.event.data if origin is not None and origin.collected is not None else None

    def review(self, at: int) -> bool:
        """Note that the verdict could differ from the moment `at` on; True where that moment has come."""
        if at <= self.now:
            return True
        if self.next_review is None or at < self.next_review:
            self.next_review = at
        return False

    def finding(
        self,
        rule: Rule,
        terms: Terms,
        *,
        kind: FindingKind,
        site: str | None,
        role: FindingRole,
        trigger: int,
        amount_fen: int = 0,
        awards: Iterable[Award] = (),
        evidence: Iterable[Known[Any] | None] = (),
        text: str = "main",
        values: Mapping[str, Value] | None = None,
        uses: Iterable[str] = (),
        assumed: Iterable[str] = (),
        calculation: Mapping[str, Any] | None = None,
        suffix: str | None = None,
        state: FindingState = "active",
        person: str | None = None,
        exemptions: Iterable[str] = (),
    ) -> Finding:
        """State a finding of `rule`.

        `trigger`: the event's or duty's moment in seconds. `uses`: names of the rule's parameters that it rests on;
        the assumed ones among them are shown, and `assumed` adds names from elsewhere. `text` names the rule's sentence,
        `values` fill it. `suffix`: the complaint's, report's or notice's id for rules judged for each.
        """
        placeholders = {"site": site or "-", **(values or {})}
        sentence = terms.texts[text]
        finding_id = f"{rule.id}/{site or '-'}"
        return Finding(
            finding_id=finding_id if suffix is None else f"{finding_id}/{suffix}",
            rule=rule.id,
            kind=kind,
            site=site,
            person=person,
            role=role,
            amount_fen=amount_fen,
            awards=list(awards),
            state=state,
            evidence=self.evidence(evidence),
            assumed=sorted({*(name for name in uses if name in terms.assumed), *assumed}),
            calculation=dict(calculation or {}),
            reason=Text(zh=_fill(sentence.zh, placeholders, 0), en=_fill(sentence.en, placeholders, 1)),
            clause=terms.clause,
            exemptions=sorted(set(exemptions)),
            triggered_at=moment_of(trigger),
        )

    def evidence(self, events: Iterable[Known[Any] | None]) -> list[EvidenceRef]:
        """References to events, in the order of the walk, each once; records made long after the fact are marked."""
        wanted = {id(known.event): known for known in events if known is not None}
        places = {id(known.event): place for place, known in enumerate(self.events)}
        ordered = sorted(wanted.values(), key=lambda known: places.get(id(known.event), -1))
        return [
            EvidenceRef(
                source=known.event.source,
                id=known.event.id,
                late_recorded=known.recorded - known.at
                > self.general(known.day)["late_record_hours"] * HOUR_S,
            )
            for known in ordered
        ]

    def role_of(self, site: str | None) -> FindingRole:
        """The part that a site plays in the chain; `other` where it plays none."""
        link = self.custody.of_site(site) if site is not None else None
        return link.role if link is not None else "other"

    # Days and terms, with the days that exemptions of many take out

    def due_day(self, start: int, days: int, site: str, touched: set[str]) -> int:
        """The last day of a term of `days` after the day `start`, days exempt at `site` left out.

        With 0 days it is `start` itself, or the first day after it that counts. Exemptions met are added to `touched`.
        """
        if self.exempt is None:
            return start + days
        day, limit = start, start + days + EXEMPT_DAYS_MAX
        met: set[str] = set()
        if not days:
            while day < limit and self._is_exempt(day, site, met):
                day += 1
        while days and day < limit:
            day += 1
            if not self._is_exempt(day, site, met):
                days -= 1
        self.touch(met, touched)
        return day

    def days_late(self, due: int, until: int, site: str, touched: set[str]) -> int:
        """How many days after `due`, up to `until`, count at `site`."""
        if self.exempt is None:
            return max(0, until - due)
        last = min(until, due + EXEMPT_DAYS_MAX)
        met: set[str] = set()
        days = sum(not self._is_exempt(day, site, met) for day in range(due + 1, last + 1))
        self.touch(met, touched)
        return days

    def touch(self, met: set[str], touched: set[str]) -> None:
        """Note exemptions that changed a term: for its finding, and for the verdict as a whole."""
        touched |= met
        self.exemptions |= met

    def growing_until(self, finding_id: str) -> int:
        """The day up to which the days of a finding count: today, or the one on which a decision fixed it."""
        fixed = self.fixed.get(finding_id)
        return self.today if fixed is None else min(self.today, day_of(fixed))

    def next_capped_day(self, due: int, cap_days: int, site: str) -> int:
        """The day on which so many days after `due` have counted at `site`; touches nothing."""
        if self.exempt is None:
            return due + cap_days
        known = set(self.exemptions)
        day = self.due_day(due, cap_days, site, set())
        self.exemptions = known
        return day

    def last_counting_day(self, due: int, until: int, site: str) -> int:
        """The last day after `due`, up to `until`, that counts at `site`; `due` where none does."""
        while self.exempt is not None and until > due and self.exempt.on(until, site):
            until -= 1
        return until

    def next_telling_day(self, after: int, site: str, shown: set[str]) -> int:
        """The first day after `after` that counts at `site`, or is exempt by what is not among `shown` yet."""
        day = after + 1
        if self.exempt is not None:
            while day < after + EXEMPT_DAYS_MAX:
                ids = self.exempt.on(day, site)
                if not ids or not shown.issuperset(ids):
                    break
                day += 1
        return day

    def _is_exempt(self, day: int, site: str, touched: set[str]) -> bool:
        assert self.exempt is not None
        ids = self.exempt.on(day, site)
        touched.update(ids)
        return bool(ids)


def _by_type(events: Sequence[Known[Event]]) -> dict[type, list[Known[Any]]]:
    found: dict[type, list[Known[Any]]] = {}
    for known in events:
        kind = known.event.__class__
        if kind in found:
            found[kind].append(known)
        else:
            found[kind] = [known]
    return found


def _fill(sentence: str, values: Mapping[str, Value], language: int) -> str:
    return sentence.format_map(
        {name: v[language] if isinstance(v, tuple) else v for name, v in values.items()}
    )


def yuan(amount_fen: int) -> str:
    """An amount as it stands in reasons: 150 or 12.50."""
    whole, cents = divmod(amount_fen, 100)
    return f"{whole}.{cents:02d}" if cents else str(whole)


ROLE_NAMES: dict[str, tuple[str, str]] = {
    "origin": ("揽收站", "origin"),
    "transit": ("中转环节", "transit link"),
    "delivery": ("派件站", "delivery link"),
    "other": ("站点", "site"),
    "reporter": ("上报站", "reporter"),
}
"""Roles as they stand in reasons."""


def known_link(case: Case, site: str | None) -> Link | None:
    """The last link of a site that may not be named."""
    return case.custody.of_site(site) if site is not None else None
