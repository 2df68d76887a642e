"""The long and the short crash test: under steady load everything is killed, one after the other, at seeded moments."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

import httpx

from tests.crash import rig
from tests.crash.destinations import Arrivals, Destinations
from tests.crash.direct import Hub
from tests.crash.load import Load
from tests.crash.oracle import Expected, examine
from tests.crash.parcels import NETWORK, PLAIN_NETWORK
from tests.crash.snapshot import at_rest, take
from tests.support.stack import Stack

COPIES: Final = {"intake": 2, "arbitration": 2, "penalties": 2, "notify": 2}
CONSUMERS: Final = ("arbitration", "penalties", "notify")
_STANDSTILL_S: Final = 180.0
_ZOMBIE_FACTOR: Final = 1.5
Say = Callable[[str], None]


@dataclass(frozen=True)
class Course:
    """What a campaign does. `between_events`: acknowledged events from a recovery to the next kill, at random."""

    seed: str
    kills: int
    zombie_rounds: int
    events_per_s: float = 200
    between_events: tuple[int, int] = (20, 300)


@dataclass
class Outcome:
    """What a campaign came to. `violations` is empty where everything is as it must be."""

    seed: str
    killed: dict[str, int] = field(default_factory=dict)
    zombies: int = 0
    violations: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)
    load: str = ""
    entries: int = 0
    notices: int = 0
    webhooks: int = 0
    versions: int = 0

    def report(self) -> str:
        """The outcome for people: figures, and each violation."""
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.killed.items()))
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(self.found.items()))
        lines = [
            f"seed {self.seed}: {sum(self.killed.values())} kills ({kills}), {self.zombies} zombies",
            f"load: {self.load}",
            f"came of it: {self.versions} verdict versions, {self.entries} entries, {self.notices} notices, "
            f"{self.webhooks} webhooks; findings: {rules}",
        ]
        if self.violations:
            lines.append(f"{len(self.violations)} violations; the first is the earliest stage:")
            lines += [f"  {violation}" for violation in self.violations]
            lines.append(
                f"again: python -m tests.crash --seed {self.seed} (the moments of kills follow the load)"
            )
        else:
            lines.append(
                "nothing lost, nothing double, verdicts, money and notices as recomputed, webhooks received"
            )
        return "\n".join(lines)


async def run(stack: Stack, course: Course, say: Say) -> Outcome:
    """Kill, freeze and compare. AssertionError where the stack does not come back."""
    outcome = Outcome(course.seed)
    random = Random(f"{course.seed}/kills")
    arrivals = Arrivals()
    async with (
        Destinations(stack, arrivals, course.seed),
        Load(stack, course.seed, events_per_s=course.events_per_s) as load,
    ):
        hub = Hub(stack, load.sent, load.progress, course.seed)
        load.add(asyncio.create_task(hub.publish(load.stopping, parcels_per_s=course.events_per_s / 80)))
        await load.progress.more(100, _STANDSTILL_S)
        for number, name in enumerate(_victims(stack, course, random), 1):
            await load.progress.more(random.randint(*course.between_events), _STANDSTILL_S)
            load.check()
            await _kill(stack, name, outcome, f"{number}/{course.kills}", say)
        for number in range(course.zombie_rounds):
            await load.progress.more(random.randint(*course.between_events), _STANDSTILL_S)
            load.check()
            await _zombies(stack, 1 + number % 2, outcome, say)
        await load.progress.more(100, _STANDSTILL_S)
        outcome.violations += await _closed_while_killed(stack, outcome, say)
        await load.finish(_STANDSTILL_S)
        say(f"load finished: {load.sent.summary()}")
        await at_rest(stack, timeout_s=_STANDSTILL_S)
        say("at rest; the oracle looks")
        snapshot = await take(stack, arrivals)
        expected = Expected(load.sent, stack.now())
        outcome.violations += examine(load.sent, snapshot, expected) + await _asked(stack)
        outcome.found = dict(expected.by_rule())
        outcome.load = load.sent.summary()
        outcome.entries, outcome.notices = len(snapshot.entries), len(snapshot.notices)
        outcome.webhooks = len({one.id for one in arrivals.requests if one.taken})
        outcome.versions = len(snapshot.cases) + len(snapshot.superseded)
        return outcome


async def _asked(stack: Stack) -> list[str]:
    """What the services themselves say at the end, over HTTP: all ready, books balanced."""
    wrong: list[str] = []
    async with httpx.AsyncClient(headers=stack.headers, trust_env=False, timeout=20) as client:
        limit_s = time.monotonic() + _STANDSTILL_S
        for name, url in stack.urls.items():
            while (answer := await client.get(f"{url}/readyz")).status_code != 200:
                if time.monotonic() > limit_s:
                    wrong.append(f"not ready: {name} answers {answer.status_code}: {answer.text[:300]}")
                    break
                await asyncio.sleep(0.2)
        for network in (NETWORK, PLAIN_NETWORK):
            answer = await client.get(f"{stack.urls['penalties']}/v1/trial-balance?network={network}")
            if answer.status_code != 200 or not answer.json()["balanced"]:
                wrong.append(f"trial balance of {network}: {answer.status_code}: {answer.text[:300]}")
            answer = await client.get(f"{stack.urls['penalties']}/v1/ledger/verification?network={network}")
            if answer.status_code != 200 or not json.loads(answer.text.splitlines()[-1])["summary"]["ok"]:
                wrong.append(f"proof of {network}: {answer.status_code}: {answer.text[-600:]}")
    return wrong


async def _closed_while_killed(stack: Stack, outcome: Outcome, say: Say) -> list[str]:
    """Two copies close the month before at once, and one is killed meanwhile: it is closed once, whoever asks again."""
    names = [name for name in stack.urls if name.partition("-")[0] == "penalties"]
    month = (stack.now().replace(day=1) - timedelta(days=2)).strftime("%Y-%m")
    path = f"/v1/periods/{NETWORK}/{month}/close"
    async with httpx.AsyncClient(headers=stack.headers, trust_env=False, timeout=30) as client:

        async def close(name: str) -> str:
            answer = await client.post(
                f"{stack.urls[name]}{path}", headers={"Idempotency-Key": "of-the-crash-test"}
            )
            return answer.text if answer.status_code == 200 else ""

        closers = [asyncio.create_task(close(name)) for name in names]
        # A moment for the commands to arrive; whether they are answered before the kill is left to chance.
        await asyncio.wait(closers, timeout=0.03)
        await _kill(stack, names[0], outcome, "while closing", say)
        answers = {*await asyncio.gather(*closers, return_exceptions=True), await close(names[0])}
    closed = {answer for answer in answers if isinstance(answer, str) and answer}
    return [] if len(closed) == 1 else [f"closing {month}: answered {closed or 'nothing'}"]


def _victims(stack: Stack, course: Course, random: Random) -> list[str]:
    """Every kind of process in turn, in an order of its own each round; of services with copies any copy."""
    copies: dict[str, list[str]] = {}
    for name in rig.all_parts(stack):
        copies.setdefault(name.partition("-")[0], []).append(name)
    victims: list[str] = []
    while len(victims) < course.kills:
        kinds = list(copies)
        random.shuffle(kinds)
        victims += [random.choice(copies[kind]) for kind in kinds]
    return victims[: course.kills]


async def _kill(stack: Stack, name: str, outcome: Outcome, number: str, say: Say) -> None:
    began_s = time.monotonic()
    pid = rig.kill(stack, name)
    kind = name.partition("-")[0]
    outcome.killed[kind] = outcome.killed.get(kind, 0) + 1
    await rig.wait_up(stack, name, other_than_pid=pid)
    say(f"{number} killed {name}, up again after {time.monotonic() - began_s:.1f} s")


async def _zombies(stack: Stack, copy: int, outcome: Outcome, say: Say) -> None:
    """Freeze one copy of each consuming service for longer than its session lasts, then let it go on."""
    names = [name if copy == 1 else f"{name}-{copy}" for name in CONSUMERS]
    pids = [rig.freeze(stack, name) for name in names]
    # The time itself is what is tested: longer than Kafka waits for a silent consumer.
    await asyncio.sleep(rig.SESSION_TIMEOUT_S * _ZOMBIE_FACTOR)
    for pid in pids:
        rig.thaw(pid)
    outcome.zombies += len(pids)
    say(f"froze {', '.join(names)} for {rig.SESSION_TIMEOUT_S * _ZOMBIE_FACTOR:g} s")
