"""The sender: takes what is queued, tries it, and records what became of it.

Three loops share a process: one claims destinations with their next notices, each claimed destination is worked on by a
task of its own, one records what the tasks bring back. Any number of copies may run. What a copy had in hand when it was
killed is sent by another once the lease has run out, under the same ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.delivery import measures
from services.notify.delivery.channel import Channel, Sent
from services.notify.delivery.events import publish
from services.notify.delivery.policy import Answer, Health
from services.notify.delivery.settings import DeliverySettings
from services.notify.store import deliveries as store
from services.notify.store.deliveries import Attempted, Claim, Outcome, Places, Queued
from services.notify.texts import harmless
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most
from shared.clock import Clock

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_OUTCOMES_MAX = 500
"""Outcomes that one transaction records at most."""
_DETAIL_CHARS_MAX = 500
_GRACE_S = 2.0
"""A stop waits so long for what is under way."""

AddressOf = Callable[[str, str, str], str | None]
"""The address of (network, site, channel), None where the site has none."""


class Sender:
    """Sends through `channels`; `published` is called when notices were told of in the outbox."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        settings: DeliverySettings,
        channels: Sequence[Channel],
        address_of: AddressOf,
        *,
        published: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._settings = settings
        self._policy = settings.policy
        self._channels = {channel.name: channel for channel in channels}
        self._address_of = address_of
        self._published = published
        self._holder: UUID = uuid4()
        self._wanted = asyncio.Event()
        self._finished = asyncio.Event()
        self._under_way: Counter[tuple[str, bool]] = Counter()
        """Destinations in hand, recorded ones no more, by channel and whether they were slow."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome] = []

    def wake(self) -> None:
        """Look now: notices were queued."""
        self._wanted.set()

    async def run(self) -> None:
        """Send until cancelled; then wait a moment for what is under way, and record it."""
        recording = asyncio.create_task(self._record_for_ever())
        try:
            claiming = asyncio.create_task(self._claim_for_ever())
            try:
                await asyncio.wait({claiming, recording}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                claiming.cancel()
                await asyncio.gather(claiming, return_exceptions=True)
            for ended in (claiming, recording):
                if ended.done() and not ended.cancelled():
                    ended.result()
        finally:
            await self._stop(recording)

    async def _stop(self, recording: asyncio.Task[None]) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        # What cannot be recorded now is sent again when the lease has run out.
        with contextlib.suppress(*TRANSIENT):
            while self._outcomes:
                await self._record_some()
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    # -- claiming ---------------------------------------------------------------------------------------------------

    async def _claim_for_ever(self) -> None:
        while True:
            self._wanted.clear()
            more = False
            try:
                for channel in self._channels.values():
                    more = await self._claim(channel) or more
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("sender_waits", error=repr(error))
                await asyncio.sleep(_RETRY_S)
            # The machine's time: how often the queue is looked at has nothing to do with the product's clock.
            await asyncio.sleep(self._settings.delivery_pace_ms / 1000)
            if not more:
                await wait_at_most(self._wanted, self._settings.delivery_poll_ms / 1000)

    async def _claim(self, channel: Channel) -> bool:
        """Begin to work on what is due in `channel`, as far as there is room; True where there is more to begin."""
        free = self._free(channel)
        if free.good <= 0 and free.slow <= 0:
            return False
        now = self._clock.now()
        async with self._engine.begin() as connection:
            claims, more = await store.claim(
                connection,
                channel.name,
                now,
                places=free,
                holder=self._holder,
                lease_ms=self._settings.delivery_lease_ms,
            )
        for claim in claims:
            self._under_way[_place(claim)] += 1
            task = asyncio.create_task(self._work(channel, claim))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return more

    def _free(self, channel: Channel) -> Places:
        """The room left: slow destinations have a share, so that those that hang leave room to the others."""
        places = channel.places
        slow = self._under_way[channel.name, True]
        free = places.good - self._under_way[channel.name, False] - slow
        return Places(
            good=max(0, free),
            slow=max(0, min(free, places.slow - slow)),
            notices=places.notices,
            trial_notices=places.trial_notices,
        )

    # -- sending ----------------------------------------------------------------------------------------------------

    async def _work(self, channel: Channel, claim: Claim) -> None:
        """Send the notices of a claim in their order, until one fails or it takes too long to go on under one lease."""
        address = self._address_of(claim.network, claim.site, claim.channel)
        done: list[tuple[Queued, Answer]] = []
        left = claim.notices
        slow = False
        slow_s = self._settings.delivery_slow_ms / 1000
        began_s = time.monotonic()
        try:
            while left and time.monotonic() - began_s < slow_s:
                attempt_began_s = time.monotonic()
                sent = await self._send(channel, claim, address, left)
                done += [(one, sent.answer) for one in left[: sent.notices]]
                left = left[sent.notices :]
                slow = time.monotonic() - attempt_began_s > slow_s
                if sent.answer.kind not in ("delivered", "undeliverable"):
                    break
        finally:
            self._outcomes.append(self._outcome(claim, address, done, left, slow))
            self._finished.set()

    async def _send(
        self, channel: Channel, claim: Claim, address: str | None, notices: Sequence[Queued]
    ) -> Sent:
        if address is None:
            gone = "The site has no address for this channel any more: register one, and resend the notice."
            return Sent(Answer("undeliverable", gone), len(notices))
        if claim.state == "ended" and claim.address == address:
            ended = (
                "The destination has ended: it answered HTTP 410. Register another URL, or have it reopened."
            )
            return Sent(Answer("undeliverable", ended), len(notices))
        try:
            return await channel.send(claim, address, notices)
        except TRANSIENT as error:
            unless_cancelled(error)
            return Sent(Answer("failed", f"The service could not prepare it: {type(error).__name__}."))
        except Exception as error:  # one notice that cannot be rendered must not stop all others
            log.error(
                "delivery_defect", channel=channel.name, occasion=notices[0].notice.occasion, exc_info=error
            )
            return Sent(
                Answer("failed", f"The service has a defect: {type(error).__name__}. Its log says more.")
            )

    def _outcome(
        self,
        claim: Claim,
        address: str | None,
        done: Sequence[tuple[Queued, Answer]],
        left: Sequence[Queued],
        slow: bool,
    ) -> Outcome:
        now = self._clock.now()
        # The failures of another address say nothing about this one.
        known = claim.address in (None, address)
        health = Health(claim.state, claim.failures) if known else Health()
        attempts: list[Attempted] = []
        error: str | None = None
        success = False
        for position, (one, answer) in enumerate(done):
            tries = one.tries + 1
            fate = self._policy.fate(answer, tries)
            attempts.append(Attempted(UUID(one.notice.notice_id), fate, now, _shown(answer)))
            measures.attempts.labels(claim.channel, answer.kind).inc()
            success = success or answer.kind == "delivered"
            error = _shown(answer) if answer.kind != "delivered" else error
            # Notices of one message are one attempt at the destination.
            if position == 0 or answer is not done[position - 1][1]:
                health = self._policy.after(health, answer, tries, now, random.random)
        return Outcome(
            claim=claim,
            attempts=attempts,
            untried=[UUID(one.notice.notice_id) for one in left],
            address=address,
            state=health.state,
            failures=health.failures,
            next_attempt_at=health.next_attempt_at,
            slow=slow,
            error=error,
            error_at=now if error is not None else None,
            success_at=now if success else None,
        )

    # -- recording --------------------------------------------------------------------------------------------------

    async def _record_for_ever(self) -> None:
        while True:
            await self._finished.wait()
            self._finished.clear()
            try:
                while self._outcomes:
                    await self._record_some()
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("sender_waits", error=repr(error))
                self._finished.set()
                await asyncio.sleep(_RETRY_S)

    async def _record_some(self) -> None:
        """Store what became of some claims, in one transaction with the events that tell of it."""
        some = self._outcomes[:_OUTCOMES_MAX]
        async with self._engine.begin() as connection:
            told = await store.record(
                connection,
                some,
                holder=self._holder,
                attempts_kept=self._settings.delivery_attempts_kept,
            )
            await publish(connection, told, self._clock.now())
        del self._outcomes[: len(some)]
        for outcome in some:
            self._under_way[_place(outcome.claim)] -= 1
        measures.told(told, self._clock.now())
        if told:
            self._published()
        self._wanted.set()


def _place(claim: Claim) -> tuple[str, bool]:
    return claim.channel, claim.failures > 0 or claim.slow


def _shown(answer: Answer) -> str | None:
    """An answer's detail as it can be stored and shown, whatever a server put into it."""
    return None if answer.detail is None else harmless(answer.detail)[:_DETAIL_CHARS_MAX]
