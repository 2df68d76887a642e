"""The demo: the stack up, the sample in through the real intake, and everything that came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from faultline import sample
from faultline.access import require_local_client
from faultline.client import ApiError, Client, Document, Taken
from faultline.settling import Settling, standing_findings
from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.state import Home, read_json, write_json
from faultline.summary import print_addresses, print_summary
from services.arbitration.domain import (
    Facts,
    Rulebooks,
    decide,
    distinct,
    facts_from_members,
    load_rulebooks,
)
from shared.clock import Clock
from shared.errors import FaultlineError
from shared.events import SignatureRecorded, decode

NETWORKS: Final = tuple(network.code for network in sample.networks())
_SETTLE_TIMEOUT_MS: Final = 300_000
_STEPS_SAID: Final = 5
"""How often progress is said where it cannot be drawn, as into a pipe."""


@dataclass(frozen=True)
class Loaded:
    """What the stack's directory remembers of the sample, so that an interrupted load goes on with the same events."""

    reference: str
    seed: int
    parcels: int
    sent: tuple[int, int] = (0, 0)
    """Parcels and events, once all of them and what follows from them is there."""

    @property
    def done(self) -> bool:
        """Whether the load was finished."""
        return self.sent != (0, 0)

    @classmethod
    def find(cls, home: Home) -> Loaded | None:
        """What was begun here; None where nothing was."""
        raw = read_json(home.sample_file)
        return cls(**{**raw, "sent": tuple(raw["sent"])}) if raw else None

    def save(self, home: Home) -> None:
        """Remember it."""
        write_json(home.sample_file, asdict(self))

    def generate(self) -> list[sample.SampleParcel]:
        """The very parcels again."""
        return list(sample.generate(self.moment, seed=self.seed, parcels=self.parcels))

    @property
    def moment(self) -> datetime:
        """The sample's reference time."""
        return datetime.fromisoformat(self.reference)


def run(home: Home, request: Request, console: Console, *, seed: int, parcels: int) -> None:
    """Bring the stack up, load the sample unless it is there, and print what came of it. Leaves everything running.

    Raises FaultlineError with one clear line.
    """
    began_s = time.monotonic()
    started = control.up(home, request, lambda line: console.print(line, highlight=False))
    if started.ran_already:
        console.print("The stack runs already.")
    with require_local_client(home) as client:
        loaded = Loaded.find(home)
        if loaded is not None and loaded.done and _is_there(client):
            console.print(
                f"The sample of {loaded.moment:%Y-%m-%d %H:%M} UTC is there already: nothing is sent twice."
                " (`make reset` starts over.)"
            )
            cases = [case for network in NETWORKS for case in client.cases(network=network)]
        else:
            loaded, cases = _load_anew(home, client, console, loaded, seed=seed, parcels=parcels)
        _print_figures(console, loaded, cases)
        print_summary(console, client, NETWORKS, cases)
    document = control.status(home)
    rows = [*document["services"], document["broker"], document["database"]]
    print_addresses(console, rows, started.secrets.operator_key)
    console.print(f"[dim]{time.monotonic() - began_s:.1f} s[/]")


def load(
    client: Client, console: Console, parcels: Sequence[sample.SampleParcel], reference: datetime
) -> list[Document]:
    """Send the sample through intake and return all cases once everything that follows from it is there.

    `reference`: the moment for which the parcels were generated. Raises FaultlineError.
    """
    with _Bars(console) as bars:
        events = [event for parcel in parcels for event in parcel.events]
        places = sample.sites()
        for place in bars.counted("registering sites", places):
            client.put_site(place.network, place.code, place.record())
        for exemption in sample.exemptions(reference):
            client.put_exemption(exemption.network, exemption.exemption_id, exemption.body)
        _publish(client, events, bars)
        expected = expected_cases(parcels, reference)
        return Settling(client, NETWORKS, expected, timeout_ms=_SETTLE_TIMEOUT_MS, watch=bars.reached).wait()


def expected_cases(parcels: Iterable[sample.SampleParcel], now: datetime) -> dict[str, int]:
    """`network/waybill` → number of events, of the parcels that must have a verdict: signed, or somebody at fault."""
    books = load_rulebooks()
    facts = {network: sample_facts(network, now) for network in NETWORKS}
    return {
        f"{parcel.network}/{parcel.waybill}": len(parcel.events)
        for parcel in parcels
        if _needs_verdict(parcel, books, facts, now)
    }


def sample_facts(network: str, now: datetime) -> Facts:
    """The facts that the sample declares for a network: its sites, and exemptions of many."""
    return facts_from_members(
        {
            "sites": [
                {"site": site.code, **{n: v for n, v in site.record().items() if n in _SITE_MEMBERS}}
                for site in sample.sites()
                if site.network == network
            ],
            "exemptions": [
                {name: value for name, value in exemption.body.items() if name in _EXEMPTION_MEMBERS}
                | {"exemption_id": exemption.exemption_id}
                for exemption in sample.exemptions(now)
                if exemption.network == network
            ],
        }
    )


_SITE_MEMBERS: Final = ("kind", "parent", "city", "province")
_EXEMPTION_MEMBERS: Final = ("sites", "province", "city", "from", "to")


def _needs_verdict(
    parcel: sample.SampleParcel, books: Rulebooks, facts: Mapping[str, Facts], now: datetime
) -> bool:
    events = [decode(event) for event in parcel.events]
    if any(isinstance(event, SignatureRecorded) or event.type.startswith("complaint.") for event in events):
        return True
    known, _ = distinct(events)
    return bool(decide(known, facts[parcel.network], books, now, parcel.network).findings)


def _load_anew(
    home: Home, client: Client, console: Console, begun: Loaded | None, *, seed: int, parcels: int
) -> tuple[Loaded, list[Document]]:
    if begun is not None and not begun.done:
        console.print(
            "An earlier load was interrupted: the same events are sent again, copies are recognised."
        )
        loading = begun
    else:
        reference = Clock(home.clock_file).now().astimezone(UTC).replace(microsecond=0)
        loading = Loaded(reference.isoformat(), seed, parcels)
        loading.save(home)
    generated = loading.generate()
    cases = load(client, console, generated, loading.moment)
    loaded = replace(loading, sent=(len(generated), sum(len(parcel.events) for parcel in generated)))
    loaded.save(home)
    return loaded, cases


def _publish(client: Client, events: list[bytes], bars: _Bars) -> None:
    """Send all events with a key made for it, which is revoked afterwards."""
    key = client.create_key("/operators/sample", ["publish", "backfill"])
    try:
        with client.with_key(key["key"]) as sender:
            bars.reached("sending events", 0, len(events))
            taken = sender.publish(
                events,
                on_chunk=lambda taken: bars.reached("sending events", _seen(taken), len(events)),
            )
    finally:
        client.revoke_key(key["key_id"])
    if taken.refused or taken.refused_omitted:
        first = taken.refused[0]
        raise FaultlineError(
            f"Intake refused {len(taken.refused) + taken.refused_omitted} of {len(events)} events.",
            cause=f"event {first['id']}: {first['errors']}.",
            remedy="this is a defect of the sample or of intake: report it with this line.",
        )


def _seen(taken: Taken) -> int:
    return taken.accepted + taken.duplicates + len(taken.refused) + taken.refused_omitted


def _is_there(client: Client) -> bool:
    """Whether the stack still has the sample: its database may have been wiped by other means."""
    try:
        return next(client.cases(network=NETWORKS[0]), None) is not None
    except ApiError as error:
        if error.status == 404:
            return False
        raise


def _print_figures(console: Console, loaded: Loaded, cases: list[Document]) -> None:
    findings = list(standing_findings(cases))
    at_fault = {(case["network"], case["waybill"]) for case, _ in findings}
    versions = sum(case["verdict"]["version"] for case in cases)
    parcels, events = loaded.sent
    console.print(
        f"\n[bold]{parcels:,} parcels, {events:,} events[/]: {len(cases):,} parcels judged in {versions:,} versions,"
        f" the others are on their way.\n{len(findings):,} findings stand on {len(at_fault):,} parcels.\n"
    )


class _Bars:
    """Progress: drawn on a terminal, said now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, int] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def reached(self, what: str, there: int, wanted: int) -> None:
        """So many of so many are there."""
        if self._console.is_terminal:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what, total=wanted)
            self._progress.update(self._tasks[what], completed=there, total=wanted)
            return
        step = _STEPS_SAID * there // wanted if wanted else _STEPS_SAID
        if step > self._said.get(what, -1):
            self._said[what] = step
            self._console.print(f"{what}: {there:,} of {wanted:,}", highlight=False)

    def counted(self, what: str, items: list[sample.Site]) -> Iterable[sample.Site]:
        """The items, one after the other, each counted when it is done."""
        for number, item in enumerate(items, 1):
            yield item
            self.reached(what, number, len(items))
