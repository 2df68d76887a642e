"""What an operator looks at, worked out from what the services say of themselves: rates, what waits, alarms. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from services.console.formats import moment_of

COUNTERS: Final = {
    "faultline_intake_events_accepted_total": "accepted",
    "faultline_intake_events_refused_total": "refused",
    "faultline_intake_events_unacknowledged_total": "unacknowledged",
    "faultline_journalled_total": "journalled",
    "faultline_verdicts_issued_total": "verdicts",
    "faultline_ledger_entries_total": "entries",
    "faultline_notices_made_total": "notices",
    "faultline_ledger_digest_conflicts_total": "conflicts",
    "faultline_notify_verdict_conflicts_total": "conflicts",
    "faultline_registry_records_refused_total": "registry_refused",
}
"""The counters that are read, and what each counts here."""
RATES: Final = ("accepted", "journalled", "verdicts", "entries", "notices")

LAG_MAX: Final = 100_000
"""Records; more in all partitions of a service is an alarm, as in deploy/prometheus/alerts.yml."""
REVIEW_AGE_MAX: Final = timedelta(minutes=5)
OUTBOX_AGE_MAX: Final = timedelta(minutes=1)

State = Literal["ready", "not_ready", "away", "unseen"]


@dataclass(frozen=True, slots=True)
class Process:
    """One process: what its `/readyz` and `/metrics` say. `unseen`: only known as the holder of partitions."""

    name: str
    service: str
    url: str | None
    state: State
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """All services asked at one moment. `seconds`: a clock that only measures. `backlogs`: by service, None where not read.

    `at` is the services' time. `failed_notices`: those listed as failed, newest first; None where not read.
    """

    at: datetime
    seconds: float
    processes: Sequence[Process]
    backlogs: Mapping[str, Mapping[str, Any] | None]
    failed_notices: Sequence[Mapping[str, Any]] | None = None
    failed_notices_more: bool = False


class Alarm(NamedTuple):
    """Something that a person has to see to: the word says what it is and what to do. `page`: somebody acts now."""

    level: Literal["page", "ticket"]
    name: str
    values: Mapping[str, str | int]
    link: str | None = None


class Topic(NamedTuple):
    """The partitions of a topic as one service consumes it."""

    service: str
    topic: str
    partitions: list[Mapping[str, Any]]

    @property
    def lag(self) -> int | None:
        """Records behind in all of them; None where the broker did not say."""
        lags = [one["lag"] for one in self.partitions]
        return None if None in lags else sum(lags)


def counters_of(text: str) -> dict[str, float]:
    """The sums of those counters of a `/metrics` document that are read here."""
    wanted = [line for line in text.splitlines() if line.startswith(tuple(COUNTERS))]
    found: dict[str, float] = {}
    for family in text_string_to_metric_families("\n".join(wanted) + "\n"):
        for sample in family.samples:
            if (name := COUNTERS.get(sample.name)) is not None:
                found[name] = found.get(name, 0.0) + sample.value
    return found


def rates_between(earlier: Sample, later: Sample) -> dict[str, float]:
    """What went through per second, all processes together; one that has begun anew or was not there counts from now."""
    span_s = later.seconds - earlier.seconds
    if span_s <= 0:
        return {}
    before = {process.name: process.counters for process in earlier.processes}
    rates = dict.fromkeys(RATES, 0.0)
    for process in later.processes:
        known = before.get(process.name)
        for name in RATES:
            if known is not None and name in known and name in process.counters:
                rates[name] += max(0.0, process.counters[name] - known[name]) / span_s
    return rates


def topics_of(sample: Sample) -> list[Topic]:
    """The consumed topics of every service that said how far it is."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for service, backlog in sample.backlogs.items():
        for partition in (backlog or {}).get("partitions", ()):
            found.setdefault((service, partition["topic"]), []).append(partition)
    return [Topic(*key, partitions) for key, partitions in found.items()]


def stuck_between(old: Sample, new: Sample) -> list[tuple[str, str]]:
    """(service, topic) of which records wait in both, and no position has moved."""
    before = {(topic.service, topic.topic): topic for topic in topics_of(old)}
    return [
        (topic.service, topic.topic)
        for topic in topics_of(new)
        if topic.lag
        and (then := before.get((topic.service, topic.topic))) is not None
        and then.lag
        and [one["position"] for one in then.partitions] == [one["position"] for one in topic.partitions]
    ]


def with_holders(sample: Sample) -> list[Process]:
    """The processes, those included that hold partitions and were not asked themselves."""
    known = {process.name for process in sample.processes}
    held: dict[str, str] = {}
    for topic in topics_of(sample):
        for partition in topic.partitions:
            held.setdefault(partition["owner"], topic.service)
    unseen = [Process(name, service, None, "unseen") for name, service in held.items() if name not in known]
    return sorted([*sample.processes, *unseen], key=lambda one: (one.service, one.name))


def waits_since(moment: Any, at: datetime) -> timedelta:
    """How long something has waited by `at`; nothing where nothing waits."""
    since = moment_of(moment)
    return max(timedelta(0), at - since) if since is not None else timedelta(0)


def alarms(
    sample: Sample, stuck: Iterable[tuple[str, str]] = (), earlier: Sample | None = None
) -> list[Alarm]:
    """What a person has to see to, the most pressing first.

    `stuck`: (service, topic) that do not move although records wait. `earlier`: some minutes ago; what passes by itself is
    an alarm only where it has happened since.
    """
    found = [*_process_alarms(sample.processes), *_unacknowledged(sample, earlier or sample)]
    for service, backlog in sample.backlogs.items():
        if backlog is not None:
            found += _backlog_alarms(service, backlog, sample.at)
    found += [Alarm("page", "stuck", {"service": service, "topic": topic}) for service, topic in stuck]
    for topic in topics_of(sample):
        if topic.lag is not None and topic.lag > LAG_MAX:
            found.append(
                Alarm(
                    "ticket", "behind", {"service": topic.service, "topic": topic.topic, "count": topic.lag}
                )
            )
    if failed := len(sample.failed_notices or ()):
        more = "+" if sample.failed_notices_more else ""
        found.append(Alarm("ticket", "notices_failed", {"count": f"{failed}{more}"}))
    return sorted(found, key=lambda alarm: alarm.level)


def _process_alarms(processes: Iterable[Process]) -> Iterable[Alarm]:
    for process in processes:
        if process.state == "away":
            yield Alarm("page", "away", {"process": process.name})
        for name, check in process.checks.items():
            if not check.get("ok"):
                detail = str(check.get("detail", ""))
                yield Alarm("page", "dependency", {"process": process.name, "check": name, "detail": detail})
        if count := int(process.counters.get("conflicts", 0)):
            yield Alarm("page", "conflicts", {"process": process.name, "count": count})
        if count := int(process.counters.get("registry_refused", 0)):
            yield Alarm("ticket", "registry_refused", {"process": process.name, "count": count})


def _unacknowledged(sample: Sample, earlier: Sample) -> Iterable[Alarm]:
    """Events answered 503 since: senders repeat them, and nothing is left to do once it is over."""
    before = {process.name: process.counters.get("unacknowledged", 0) for process in earlier.processes}
    for process in sample.processes:
        now = process.counters.get("unacknowledged", 0)
        if (count := int(now - before.get(process.name, now))) > 0:
            yield Alarm("page", "unacknowledged", {"process": process.name, "count": count})


def _backlog_alarms(service: str, backlog: Mapping[str, Any], at: datetime) -> Iterable[Alarm]:
    if count := backlog["dead_letters"]:
        yield Alarm(
            "ticket",
            "dead_letters",
            {"service": service, "count": count},
            f"/operations/dead-letters?service={service}",
        )
    if waits_since(backlog["outbox_since"], at) > OUTBOX_AGE_MAX:
        yield Alarm("page", "outbox", {"service": service, "count": backlog["outbox_batches"]})
    figures = backlog["figures"]
    if count := figures.get("parked"):
        yield Alarm("ticket", "parked", {"count": count}, "/operations/parked")
    if waits_since(figures.get("due_reviews_since"), at) > REVIEW_AGE_MAX:
        yield Alarm("page", "reviews", {"count": figures["due_reviews"]})
