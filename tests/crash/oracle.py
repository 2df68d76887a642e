"""What must have come of what was sent, recomputed offline and compared with what is there.

Nothing here uses the services' storage, consumers or ledger: only the pure decision function, the wire contract and
arithmetic. Every check returns sentences; no sentence means that nothing is wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from services.arbitration.domain import Decision, Facts, Rulebooks, decide, distinct, load_rulebooks
from shared.events import decode
from tests.crash.ledger_oracle import ledger_violations
from tests.crash.notice_oracle import notice_violations
from tests.crash.period_oracle import period_violations
from tests.crash.sent import Key, Sent, content_of
from tests.crash.snapshot import INPUT_TOPICS, VERDICTS, Snapshot
from tests.crash.webhook_oracle import webhook_violations

SHOWN_MAX: Final = 5
"""Violations of one kind that a report names; the rest is counted."""
_SCANS_AND_SIGNATURES: Final = ("scan.", "signature.")


class Expected:
    """The decision on every waybill that was sent, by the events that count."""

    def __init__(self, sent: Sent, now: datetime, rulebooks: Rulebooks | None = None) -> None:
        self._now = now
        self._rulebooks = rulebooks or load_rulebooks()
        self.streams = sent.streams()
        self.decisions = {subject: self._decide(subject, events) for subject, events in self.streams.items()}

    def _decide(self, subject: str, values: Iterable[bytes]) -> Decision:
        # Nothing in force looks at the moment of recording of what happened months ago.
        events = [msgspec.structs.replace(decode(value), recordedtime=self._now) for value in values]
        known, _ = distinct(events)
        return decide(known, Facts(), self._rulebooks, self._now, subject.partition("/")[0])

    def findings(self, subject: str) -> dict[str, dict[str, Any]]:
        """What must stand on a waybill, by finding id, in the contract's JSON."""
        return {f.finding_id: json.loads(msgspec.json.encode(f)) for f in self.decisions[subject].findings}

    def by_rule(self) -> Counter[str]:
        """How many findings of each rule there are: a run without any would prove little."""
        return Counter(f.rule for decision in self.decisions.values() for f in decision.findings)


def examine(sent: Sent, snapshot: Snapshot, expected: Expected) -> list[str]:
    """Every violation found, the earliest stage first."""
    verdicts = {row["subject"]: json.loads(row["verdict"]) for row in snapshot.cases}
    checks: tuple[Callable[[], Iterable[str]], ...] = (
        lambda: _durability(snapshot),
        lambda: _journal(sent, snapshot),
        lambda: _topics_and_journal(sent, snapshot),
        lambda: _dead_letters(sent, snapshot),
        lambda: _verdicts(sent, snapshot, expected, verdicts),
        lambda: _versions(snapshot),
        lambda: ledger_violations(snapshot, {s: expected.findings(s) for s in expected.decisions}),
        lambda: notice_violations(snapshot, verdicts),
        lambda: period_violations(snapshot),
        lambda: webhook_violations(snapshot),
    )
    return [sentence for check in checks for sentence in _bounded(check())]


def _bounded(sentences: Iterable[str]) -> Iterator[str]:
    left_out = 0
    for number, sentence in enumerate(sentences):
        if number < SHOWN_MAX:
            yield sentence
        else:
            left_out += 1
    if left_out:
        yield f"… and {left_out} more of this kind"


def _durability(snapshot: Snapshot) -> Iterator[str]:
    """An acknowledged commit must survive: the server's settings say so."""
    for setting, value in snapshot.durability.items():
        if value != "on":
            yield f"durability: PostgreSQL runs with {setting} = {value}"


def _journal(sent: Sent, snapshot: Snapshot) -> Iterator[str]:
    """acknowledged ⊆ journal ⊆ sent, and nothing that was refused."""
    journalled = {content_of(value) for _, value in snapshot.journal}
    for content in sorted(sent.acknowledged - journalled):
        yield f"lost: {_named(sent, content.key)} was acknowledged and is not in the journal"
    for content in sorted(journalled - sent.contents):
        yield f"invented: {_named(sent, content.key)} is in the journal and was never sent as a good event"
    for content in sorted(journalled & sent.refused):
        yield f"refused yet kept: {_named(sent, content.key)} was refused and is in the journal"
    for subject, value in snapshot.journal:
        if content_of(value).key.subject != subject:
            yield f"misfiled: {_named(sent, content_of(value).key)} is in the journal under {subject}"


def _topics_and_journal(sent: Sent, snapshot: Snapshot) -> Iterator[str]:
    """Every good record of the input topics is journalled exactly once, bytes unchanged."""
    on_topics = Counter(
        read.value for topic in INPUT_TOPICS for read in snapshot.topics[topic] if read.value not in sent.bad
    )
    in_journal = Counter(value for _, value in snapshot.journal)
    for value, count in sorted((on_topics - in_journal).items()):
        yield f"skipped: {_named(sent, content_of(value).key)} is {count} times more often on the topic than in the journal"
    for value, count in sorted((in_journal - on_topics).items()):
        yield f"doubled: {_named(sent, content_of(value).key)} is {count} times more often in the journal than on the topic"


def _dead_letters(sent: Sent, snapshot: Snapshot) -> Iterator[str]:
    """Exactly the deliberately bad records, one each, with their reason; and the contradictions."""
    for service in ("penalties", "notify"):
        for row in snapshot.dead_letters[service]:
            yield f"dead letter: {service} could not take {row['key']!r}: {row['reason']}, {row['detail'][:200]}"
    wanted = {
        (topic, read.partition, read.offset): (read.value, sent.bad[read.value])
        for topic in INPUT_TOPICS
        for read in snapshot.topics[topic]
        if read.value in sent.bad
    }
    found = {
        (row["topic"], row["partition"], row["offset"]): (row["value"] or b"", row["reason"])
        for row in snapshot.dead_letters["arbitration"]
        if row["offset"] >= 0
    }
    yield from _differences("dead letter", wanted, found)
    yield from _contradictions(sent, snapshot)
    published = Counter(read.value for topic in INPUT_TOPICS for read in snapshot.topics[f"{topic}.dlq"])
    for row in snapshot.dead_letters["arbitration"]:
        if not published[row["value"] or b""]:
            yield f"dead letter: {row['reason']} of {row['key']!r} is stored and not on {row['topic']}.dlq"
    unknown = published.keys() - {row["value"] or b"" for row in snapshot.dead_letters["arbitration"]}
    for value in sorted(unknown):
        yield f"dead letter: {value[:120]!r} is on a dead-letter topic and not stored"


def _contradictions(sent: Sent, snapshot: Snapshot) -> Iterator[str]:
    """Each content in the journal that is not its key's original is one dead letter, and nothing else is."""
    copies = {content_of(value) for _, value in snapshot.journal}
    wanted = {c: 1 for c in copies if c.key in sent.originals and content_of(sent.originals[c.key]) != c}
    rows = [row for row in snapshot.dead_letters["arbitration"] if row["reason"] == "id_conflict"]
    found = dict(Counter(content_of(row["value"]) for row in rows))
    yield from _differences("contradiction", wanted, found)


def _verdicts(
    sent: Sent, snapshot: Snapshot, expected: Expected, verdicts: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    """The last version of every waybill says what the events that count give."""
    for row in snapshot.parked:
        yield f"parked: {row['subject']}: {row['error']}"
    counts = {row["subject"]: row["events"] for row in snapshot.cases}
    for subject, decision in sorted(expected.decisions.items()):
        verdict = verdicts.get(subject)
        name = f"{subject} ({sent.kinds.get(subject, 'unknown')})"
        if verdict is None:
            if decision.findings or decision.status != "open" or _asks(expected.streams[subject]):
                yield f"undecided: {name} has no verdict; it must find {sorted(expected.findings(subject)) or 'nothing'}"
            continue
        found = {f["finding_id"]: f for f in verdict["findings"] if f["state"] != "revoked"}
        wanted = expected.findings(subject)
        if found != wanted:
            yield f"wrong verdict: {name}, version {verdict['version']}: {_first_difference(wanted, found)}"
        elif verdict_events := counts[subject] - len(expected.streams[subject]):
            yield f"stale verdict: {name} was last decided with {verdict_events:+} events against those sent"
    for subject in sorted(verdicts.keys() - expected.decisions.keys()):
        yield f"invented: {subject} has a verdict and was never sent"


def _asks(values: Iterable[bytes]) -> bool:
    """Whether some event asks for a verdict at once, whatever it finds."""
    return any(not json.loads(value)["type"].startswith(_SCANS_AND_SIGNATURES) for value in values)


def _versions(snapshot: Snapshot) -> Iterator[str]:
    """Every version issued is on the topic, always with the same bytes; versions have no gaps."""
    issued: dict[tuple[str, int], Any] = {
        (row["subject"], row["version"]): json.loads(row["verdict"])
        for row in (*snapshot.cases, *snapshot.superseded)
    }
    published: dict[tuple[str, int], bytes] = {}
    by_id: dict[str, bytes] = {}
    for read in snapshot.topics[VERDICTS]:
        event = json.loads(read.value)
        version = (event["subject"], event["data"]["version"])
        if published.setdefault(version, read.value) != read.value:
            yield f"two verdicts: {version[0]} version {version[1]} is on the topic with different contents"
        if by_id.setdefault(event["id"], read.value) != read.value:
            yield f"two events: id {event['id']} is on the topic with different contents"
    for version in sorted(issued.keys() - published.keys()):
        yield f"unpublished: {version[0]} version {version[1]} was issued and is not on the topic"
    for version in sorted(published.keys() - issued.keys()):
        yield f"unissued: {version[0]} version {version[1]} is on the topic and was never issued"
    for version in sorted(issued.keys() & published.keys()):
        if json.loads(published[version])["data"] != issued[version]:
            yield f"two verdicts: {version[0]} version {version[1]} is stored and published differently"
    for row in snapshot.cases:
        for number in range(1, row["version"]):
            if (row["subject"], number) not in issued:
                yield f"gap: {row['subject']} has version {row['version']} and no version {number}"


def _differences(what: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    for key in sorted(wanted.keys() - found.keys()):
        yield f"{what} missing: {key}: {str(wanted[key])[:200]}"
    for key in sorted(found.keys() - wanted.keys()):
        yield f"{what} not expected: {key}: {str(found[key])[:200]}"
    for key in sorted(wanted.keys() & found.keys()):
        if wanted[key] != found[key]:
            yield f"{what} differs: {key}: must be {str(wanted[key])[:200]}, is {str(found[key])[:200]}"


def _first_difference(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """The first member in which two sets of findings differ, as a sentence."""
    for finding_id in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(finding_id), found.get(finding_id)
        if one is None or other is None:
            return f"{finding_id} {'must not stand' if one is None else 'is missing'}"
        for member in one:
            if one[member] != other.get(member):
                return f"{finding_id}: {member} must be {one[member]}, is {other.get(member)}"
    return "the findings' members differ"


def _named(sent: Sent, key: Key) -> str:
    return f"{key.subject} {key.source} {key.id} ({sent.kinds.get(key.subject, 'unknown')})"
