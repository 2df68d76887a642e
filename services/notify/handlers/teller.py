"""Tellings in, notices out: their words, their channels, their rows and the records that tell of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.preferences import USUAL, Channel, Digest, Wishes, ways
from services.notify.domain.telling import Telling, Void, storable
from services.notify.handlers.composed import Composed
from services.notify.handlers.directory import Directory
from services.notify.settings import NotifySettings
from services.notify.store import notices, preferences
from services.notify.store.notices import NewNotice
from services.notify.texts import Language, Texts, Words
from shared import metrics
from shared.bus.outbox import Outgoing, enqueue_all
from shared.events.outputs import NoticeData, OutputEvent
from shared.ids import stable_id

NOTICES_TOPIC = "notify.notices"
SOURCE = "/services/notify"

_made = metrics.counter("notices_made", "Notices made, by occasion.", "notices", ["occasion"])


class Teller:
    """Makes the notices of tellings: one for each channel by which a site can be reached and wants to be."""

    def __init__(self, settings: NotifySettings, texts: Texts, directory: Directory) -> None:
        self._texts = texts
        self._directory = directory
        self._slice = settings.notice_slice
        self._zone = ZoneInfo(settings.time_zone)
        self._usual = Digest(minutes=settings.digest_minutes)

    async def tell(
        self, connection: AsyncConnection, tellings: Sequence[Telling | Void], now: datetime
    ) -> list[NoticeData]:
        """Store the notices of `tellings` and the records that tell of them; returns those that are new.

        In the application a notice is delivered with the commit, by being readable. By other channels it is queued,
        and withdrawn by a `Void` that follows before it has left. A telling that was told before makes nothing, but
        what was withdrawn of it is queued again: it holds again.
        """
        wishes = await self._wishes(connection, tellings)
        composed = Composed()
        voids: set[Void] = set()
        for number, telling in enumerate(tellings):
            if isinstance(telling, Void):
                voids.add(telling)
                composed.withdraw(telling)
                continue
            # A microsecond apart, so that lists show the notices of one batch in their order.
            for new in self._compose(telling, wishes, now, now + timedelta(microseconds=number)):
                composed.add(new, telling.partition)
            # Rendering is the only work here that takes long: heartbeats share this event loop.
            if number % self._slice == self._slice - 1:
                await asyncio.sleep(0)
        await notices.withdraw(connection, voids)
        added = [one for one in await notices.add(connection, composed.notices) if one.state != "withdrawn"]
        await _publish(connection, added, composed.partitions)
        return added

    async def _wishes(
        self, connection: AsyncConnection, tellings: Sequence[Telling | Void]
    ) -> dict[tuple[str, str], Wishes]:
        """What the sites have chosen; not asked for those that can only be told in the application."""
        sites = {(one.network, one.site) for one in tellings if isinstance(one, Telling)}
        reachable = [pair for pair in sites if len(self._directory.channels_of(*pair)) > 1]
        return await preferences.of(connection, reachable)

    def _compose(
        self,
        telling: Telling,
        wishes: Mapping[tuple[str, str], Wishes],
        now: datetime,
        created_at: datetime,
    ) -> list[NewNotice]:
        language = self._directory.language_of(telling.network, telling.site)
        words = self._texts.render(telling, language)
        chosen = ways(
            telling.occasion,
            wishes.get((telling.network, telling.site), USUAL),
            self._directory.channels_of(telling.network, telling.site),
            now=now,
            due_at=telling.due_at,
            usual=self._usual,
            zone=self._zone,
        )
        return [
            NewNotice(_notice(telling, channel, language, words, created_at), send_after, telling.about)
            for channel, send_after in chosen
        ]


def is_queued(notices: Iterable[NoticeData]) -> bool:
    """Whether any of these waits to be sent; those in the application are delivered with the commit."""
    return any(notice.state == "queued" for notice in notices)


def _notice(
    telling: Telling, channel: Channel, language: Language, words: Words, created_at: datetime
) -> NoticeData:
    return NoticeData(
        notice_id=telling.notice_id(channel),
        occasion=telling.occasion,
        network=telling.network,
        site=telling.site,
        waybill=telling.waybill,
        finding_id=telling.finding_id and storable(telling.finding_id),
        version=telling.version,
        channel=channel,
        state="delivered" if channel == "in_app" else "queued",
        language=language,
        title=words.title,
        body=words.body,
        due_at=telling.due_at,
        created_at=created_at,
    )


async def _publish(
    connection: AsyncConnection, added: Sequence[NoticeData], partitions: dict[str, int | None]
) -> None:
    outgoing: dict[int | None, list[tuple[bytes, bytes]]] = {}
    for notice in added:
        _made.labels(notice.occasion).inc()
        events = outgoing.setdefault(partitions[notice.notice_id], [])
        queued = msgspec.structs.replace(notice, state="queued")
        events.append(event_of("notice.queued", queued, notice.created_at))
        if notice.state == "delivered":
            events.append(event_of("notice.delivered", notice, notice.created_at))
    await enqueue_all(
        connection, [Outgoing(NOTICES_TOPIC, partition, events) for partition, events in outgoing.items()]
    )


def event_of(
    event_type: Literal["notice.queued", "notice.delivered", "notice.failed", "notice.acknowledged"],
    notice: NoticeData,
    time: datetime,
    *,
    rounds: int = 1,
) -> tuple[bytes, bytes]:
    """Key and value of the record that tells of a notice; keyed by the waybill, else by the site.

    `rounds` is how often the notice was queued: what is resent is queued, and delivered or failed, again.
    """
    subject = f"{notice.network}/{notice.waybill or notice.site}"
    event = OutputEvent(
        id=str(stable_id("notice-event", event_type, notice.notice_id, *([rounds] if rounds > 1 else []))),
        source=SOURCE,
        type=event_type,
        subject=subject,
        time=time,
        data=msgspec.Raw(_encode(notice)),
    )
    return subject.encode(), _encode(event)


_encode = msgspec.json.Encoder().encode
