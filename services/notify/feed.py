"""News for the open streams: one reader for each process, whatever copy of the service made the notices."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.settings import NotifySettings
from services.notify.store import notices as store
from services.notify.store.notices import Filter, Listed
from shared import metrics
from shared.events.outputs import NoticeData

log = structlog.get_logger(__name__)

MARK_PATTERN = re.compile(r"\d{1,20}:\d{1,20}:(\d{1,20}(,\d{1,20}){0,255})?")
"""A mark is PostgreSQL's snapshot as text: which notices a stream has been shown."""

_open = metrics.gauge("notice_streams_open", "Streams of notices that are open.", "count")


@dataclass(frozen=True, slots=True)
class News:
    """A notice that was made or has changed. `mark` resumes a stream after it; it may repeat, never skip."""

    mark: str
    listed: Listed


@dataclass(slots=True, eq=False)
class Subscription:
    """One stream: news of what `asked` names since `start`. `overflowed`: it was too slow and must begin again."""

    asked: Filter
    start: str
    queue: asyncio.Queue[News]
    overflowed: bool = field(default=False)

    def put(self, news: News) -> None:
        """Queue `news`; once the queue was full, nothing more."""
        if not self.overflowed:
            try:
                self.queue.put_nowait(news)
            except asyncio.QueueFull:
                self.overflowed = True

    @property
    def ended(self) -> bool:
        """Whether all that was queued before the overflow has been taken."""
        return self.overflowed and self.queue.empty()

    def concerns(self, notice: NoticeData) -> bool:
        """Whether this stream shows `notice`."""
        return self.asked.network in (None, notice.network) and self.asked.site in (None, notice.site)


class NoticeFeed:
    """Looks for news while somebody listens, and hands them out."""

    def __init__(self, engine: AsyncEngine, settings: NotifySettings) -> None:
        self._engine = engine
        self._settings = settings
        self._subscriptions: set[Subscription] = set()
        self._seen = ""
        self._lock = asyncio.Lock()
        self._listened = asyncio.Event()

    async def run(self) -> None:
        """Hand out news until cancelled. While the database is away the streams are silent; they miss nothing."""
        while True:
            await self._listened.wait()
            try:
                async with self._lock:
                    await self._look()
            except (DBAPIError, PoolTimeoutError, OSError) as error:
                log.warning("streams_wait", error=repr(error))
            # The machine's time: how often the database is asked has nothing to do with the product's clock.
            await asyncio.sleep(self._settings.stream_poll_ms / 1000)

    @property
    def full(self) -> bool:
        """Whether the limit of open streams is reached."""
        return len(self._subscriptions) >= self._settings.stream_subscribers_max

    @asynccontextmanager
    async def subscribed(self, asked: Filter) -> AsyncIterator[Subscription]:
        """Listen to what `asked` names while the context is open."""
        async with self._lock:
            if not self._subscriptions:
                async with self._engine.connect() as connection:
                    self._seen = await store.snapshot(connection)
            queue: asyncio.Queue[News] = asyncio.Queue(self._settings.stream_queue_max)
            subscription = Subscription(asked, self._seen, queue)
            self._subscriptions.add(subscription)
        self._listened.set()
        _open.set(len(self._subscriptions))
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            _open.set(len(self._subscriptions))
            if not self._subscriptions:
                self._listened.clear()

    async def missed(self, asked: Filter, since: str, until: str) -> AsyncIterator[News]:
        """What happened between two marks, for a stream that comes back."""
        after = None
        while True:
            async with self._engine.connect() as connection:
                notices, after = await store.changed_between(
                    connection, since, until, asked, after=after, limit=self._settings.stream_page_rows
                )
            for number, listed in enumerate(notices, 1):
                yield News(until if after is None and number == len(notices) else since, listed)
            if after is None:
                return

    async def _look(self) -> None:
        async with self._engine.connect() as connection:
            until = await store.snapshot(connection)
            if until == self._seen:
                return
            after, more = None, True
            while more:
                notices, after = await store.changed_between(
                    connection,
                    self._seen,
                    until,
                    Filter(),
                    after=after,
                    limit=self._settings.stream_page_rows,
                )
                more = after is not None
                for subscription in self._subscriptions:
                    shown = [listed for listed in notices if subscription.concerns(listed.notice)]
                    for number, listed in enumerate(shown, 1):
                        last = not more and number == len(shown)
                        subscription.put(News(until if last else self._seen, listed))
        self._seen = until
