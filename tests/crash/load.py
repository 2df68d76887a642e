"""Steady load through the real HTTP intake: several publishers that never give up and never change an id."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import httpx

from tests.crash.parcels import Parcel, contradicted, parcels
from tests.crash.sent import Content, Sent
from tests.support.stack import Stack

_TAKEN: Final = frozenset({202, 207, 409, 422})
_AGAIN: Final = frozenset({429, 503})
_SINGLE, _BATCH, _STREAM = (
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-ndjson",
)
_OPEN_PARCELS: Final = 6
"""Waybills that one publisher has under way at once."""
_ANSWER_TIMEOUT_S: Final = 6.0
_RETRY_PAUSE_S: Final = 0.1


class Misbehaved(AssertionError):
    """Intake answered something that its contract does not know."""


@dataclass(frozen=True)
class Mix:
    """How often a publisher does what, after a request was taken; shares of 1."""

    copy: float = 0.15
    contradiction: float = 0.06
    unfit: float = 0.05


class Progress:
    """Counts acknowledged events, so that others can wait for more of them."""

    def __init__(self) -> None:
        self.events = 0
        self._moved = asyncio.Event()

    def add(self, events: int) -> None:
        """So many more events are acknowledged."""
        self.events += events
        self._moved.set()

    async def more(self, events: int, timeout_s: float) -> None:
        """Return when `events` more are acknowledged than now. AssertionError if that takes too long."""
        wanted = self.events + events
        try:
            async with asyncio.timeout(timeout_s):
                while self.events < wanted:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise AssertionError(
                f"The load stands still: {self.events} of {wanted} events acknowledged after {timeout_s:g} s more. "
                "Likely cause: intake or the broker does not come back; look at their logs."
            ) from None


class Publisher:
    """One sender over HTTP. Sends whole requests, again and again until they are answered."""

    def __init__(self, name: str, stack: Stack, sent: Sent, progress: Progress, random: Random) -> None:
        self._name = name
        self._stack = stack
        self._sent = sent
        self._progress = progress
        self._random = random
        self._client = httpx.AsyncClient(
            headers=stack.headers, timeout=httpx.Timeout(_ANSWER_TIMEOUT_S, connect=2), trust_env=False
        )
        self._urls = [url for name, url in stack.urls.items() if name.startswith("intake")]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def deliver(
        self, parcel_source: Iterator[Parcel], stopping: asyncio.Event, events_per_s: float, mix: Mix
    ) -> None:
        """Send parcels, several interleaved, until `stopping`; then the rest of those begun."""
        open_parcels: list[tuple[Parcel, int]] = []
        while not stopping.is_set() or open_parcels:
            while len(open_parcels) < _OPEN_PARCELS and not stopping.is_set():
                fresh = next(parcel_source)
                self._sent.kinds[fresh.subject] = fresh.kind
                open_parcels.append((fresh, 0))
            began_s = time.monotonic()
            place = self._random.randrange(len(open_parcels))
            one, step = open_parcels[place]
            values = one.steps[step]
            await self.send(values)
            await self._afterwards(values, mix)
            if step + 1 < len(one.steps):
                open_parcels[place] = (one, step + 1)
            else:
                del open_parcels[place]
            pause_s = len(values) / events_per_s - (time.monotonic() - began_s)
            if pause_s > 0 and not stopping.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), pause_s)

    async def send(self, values: Sequence[bytes]) -> None:
        """Send good events that nobody has sent before, or copies of them."""
        contents = self._sent.sending(values)
        answer, _ = await self._post(values)
        if answer["refused"]:
            raise Misbehaved(f"Good events were refused: {answer['refused'][:3]}")
        self._sent.took(contents)
        self._progress.add(len(values))

    async def _afterwards(self, values: Sequence[bytes], mix: Mix) -> None:
        """Now and then what careless senders do: a copy, a contradiction, something unfit."""
        dice = self._random.random()
        if dice < mix.copy:
            self._sent.copies += 1
            await self.send(self._random.sample(values, self._random.randint(1, len(values))))
        elif dice < mix.copy + mix.contradiction:
            await self.contradict(self._random.choice(values))
        elif dice < mix.copy + mix.contradiction + mix.unfit:
            await self._send_unfit(self._random.choice(values))

    async def contradict(self, value: bytes) -> None:
        """Say something else under an id that is taken: refused where intake remembers it, else for arbitration to find."""
        copy = contradicted(value)
        contents = self._sent.sending([copy])
        self._sent.contradictions += 1
        # The first recorded counts, to the millisecond: be later than the original beyond doubt.
        await asyncio.sleep(0.003)
        answer, attempts = await self._post([copy])
        if not answer["refused"]:
            self._sent.took(contents)
        elif answer["refused"][0]["status"] != 409:
            raise Misbehaved(f"A contradiction was refused otherwise than by 409: {answer['refused']}")
        elif attempts == 1:
            self._sent.refused.update(contents)

    async def _send_unfit(self, value: bytes) -> None:
        members = json.loads(value)
        members["id"] = f"{members['id']}-unfit"
        members["type"] = "scan.teleported"
        unfit = json.dumps(members).encode()
        contents: list[Content] = self._sent.sending([unfit])
        self._sent.originals.pop(contents[0].key)
        answer, _ = await self._post([unfit])
        if [refusal["status"] for refusal in answer["refused"]] != [422]:
            raise Misbehaved(f"An unknown event type was not refused by 422: {answer}")
        self._sent.refused.update(contents)

    async def _post(self, values: Sequence[bytes]) -> tuple[dict[str, Any], int]:
        """The answer to these events, and how many attempts it took."""
        body, media_type = self._body(values)
        self._sent.requests += 1
        attempts = 0
        while True:
            attempts += 1
            url = self._urls[self._random.randrange(len(self._urls))]
            try:
                response = await self._client.post(
                    f"{url}/v1/events", content=body, headers={"content-type": media_type}
                )
            except httpx.TransportError:
                self._sent.retries += 1
                await asyncio.sleep(_RETRY_PAUSE_S)
                continue
            if response.status_code in _AGAIN:
                self._sent.retries += 1
                await asyncio.sleep(_RETRY_PAUSE_S)
                continue
            if response.status_code not in _TAKEN:
                raise Misbehaved(
                    f"{self._name}: intake answered {response.status_code}: {response.text[:300]}"
                )
            answer = response.json()
            total = answer["accepted"] + answer["duplicates"] + len(answer["refused"])
            if total != len(values):
                raise Misbehaved(
                    f"Intake accounts for {total} of {len(values)} events: {response.text[:300]}"
                )
            return answer, attempts

    def _body(self, values: Sequence[bytes]) -> tuple[bytes, str]:
        forms = [_BATCH, _STREAM] if len(values) > 1 else [_SINGLE, _BATCH, _STREAM]
        media_type = self._random.choice(forms)
        if media_type == _SINGLE:
            return values[0], media_type
        if media_type == _BATCH:
            return b"[" + b",".join(values) + b"]", media_type
        return b"\n".join(values) + b"\n", media_type


class Load:
    """All publishers of a run. `async with`; `finish` sends what was begun and waits for every acknowledgement."""

    def __init__(
        self,
        stack: Stack,
        seed: str,
        *,
        publishers: int = 4,
        events_per_s: float = 240,
        mix: Mix | None = None,
    ) -> None:
        self.sent = Sent()
        self.progress = Progress()
        self._stack = stack
        self._seed = seed
        self._events_per_s = events_per_s / publishers
        self._mix = mix or Mix()
        self._stopping = asyncio.Event()
        self._publishers = [
            Publisher(f"publisher {i}", stack, self.sent, self.progress, Random(f"{seed}/publisher/{i}"))
            for i in range(publishers)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        for number, publisher in enumerate(self._publishers):
            source = parcels(self._seed, f"P{number}", self._stack.now())
            task = publisher.deliver(source, self._stopping, self._events_per_s, self._mix)
            self._tasks.append(asyncio.create_task(task))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(publisher.close() for publisher in self._publishers))

    def add(self, task: asyncio.Task[None]) -> None:
        """Have another sender finished and watched together with the publishers."""
        self._tasks.append(task)

    @property
    def stopping(self) -> asyncio.Event:
        """Set once no new parcels are to be begun."""
        return self._stopping

    def check(self) -> None:
        """Raise what a sender has failed with."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def finish(self, timeout_s: float = 60) -> None:
        """Send the rest of what was begun. AssertionError where that does not end."""
        self._stopping.set()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._tasks)
        except TimeoutError:
            raise AssertionError(
                f"Some events were not acknowledged within {timeout_s:g} s after the last fault. "
                "Likely cause: intake or the broker did not recover; look at their logs."
            ) from None
