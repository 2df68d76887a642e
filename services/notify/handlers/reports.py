"""What each kind of job does: it reads figures of other services, and says what is to be told and planned because of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, Self

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.domain import reports
from services.notify.domain.preferences import USUAL
from services.notify.domain.reports import ComplaintFigures, Score, SilentParcel, SiteMonth, SiteWeek
from services.notify.domain.telling import Telling
from services.notify.domain.timetable import days_of
from services.notify.handlers.directory import Directory
from services.notify.settings import NotifySettings
from services.notify.store import preferences
from services.notify.store.jobs import Job, NewJob
from shared.db import reader
from shared.events.outputs import PeriodData
from shared.http.peers import Peer
from shared.registry import Registry, SiteRecord

MONTH_CLOSED = "month_closed"
STATEMENT_READY = "statement_ready"
_PDF = "application/pdf"
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a notice by e-mail."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to: what is to be told, with what file, and what is to be done next."""

    tellings: Sequence[Telling] = ()
    attachment: Attachment | None = None
    jobs: Sequence[NewJob] = ()


class Reports:
    """Carries jobs out. A job of a network plans one for each of its sites that there is something to tell."""

    def __init__(
        self,
        settings: NotifySettings,
        engine: AsyncEngine,
        sites: Registry[SiteRecord],
        directory: Directory,
        *,
        arbitration: Peer,
        penalties: Peer,
    ) -> None:
        """`arbitration` and `penalties` are closed with it."""
        self._settings = settings
        self._engine = engine
        self._sites = sites
        self._directory = directory
        self._arbitration = arbitration
        self._penalties = penalties
        self._of_networks: dict[str, Callable[[Job], Awaitable[Outcome]]] = {
            MONTH_CLOSED: self._month_closed,
            "weekly_bulletin": self._plan_bulletins,
            "monthly_report": self._monthly_report,
            "silent_parcels": self._plan_silences,
        }
        self._of_sites: dict[str, Callable[[Job, str], Awaitable[Outcome]]] = {
            STATEMENT_READY: self._statement,
            "weekly_bulletin": self._bulletin,
            "silent_parcels": self._silences,
        }

    async def carry_out(self, job: Job) -> Outcome:
        """Do what `job` asks for; stores nothing. Raises PeerError where a service is away or refuses."""
        if job.site is None:
            return await self._of_networks[job.kind](job)
        return await self._of_sites[job.kind](job, job.site)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._arbitration.close()
        await self._penalties.close()

    # -- months -------------------------------------------------------------------------------------------------

    async def _month_closed(self, job: Job) -> Outcome:
        closed = msgspec.json.decode(job.content, type=PeriodData)
        items = await self._penalties.items(f"/v1/periods/{job.network}/{job.period}/sites")
        months = msgspec.convert(items, list[SiteMonth])
        values = reports.month_closed(job.period, closed.debits_fen, closed.credits_fen, months)
        return Outcome(
            [_telling(job, self._directory.statistics, values)],
            jobs=[_job_of_site(job, month.site, month, kind=STATEMENT_READY) for month in months],
        )

    async def _statement(self, job: Job, site: str) -> Outcome:
        month = msgspec.json.decode(job.content, type=SiteMonth)
        file = await self._pdf(job, month) if await self._by_email(job.network, site) else None
        values = reports.statement_ready(job.period, month, attached=file is not None)
        return Outcome([_telling(job, site, values)], file)

    async def _by_email(self, network: str, site: str) -> bool:
        """Whether the site reads of its books by e-mail."""
        if "email" not in self._directory.channels_of(network, site):
            return False
        async with reader(self._engine) as connection:
            wishes = await preferences.of(connection, [(network, site)])
        return "email" in wishes.get((network, site), USUAL).channels_for(STATEMENT_READY)

    async def _pdf(self, job: Job, month: SiteMonth) -> Attachment | None:
        """The statement; None where it is too long to be sent."""
        if month.entries > self._settings.statement_lines_attached_max:
            return None
        content = await self._penalties.download(
            f"/v1/statements/{job.network}/{month.site}/{job.period}",
            media_type=_PDF,
            bytes_max=self._settings.statement_bytes_max,
        )
        name = f"statement-{job.network}-{month.site}-{job.period}.pdf"
        return Attachment(name, _PDF, content) if content is not None else None

    async def _monthly_report(self, job: Job) -> Outcome:
        first, last = days_of(job.period)
        figures, sites, rules = await asyncio.gather(
            self._arbitration.get("/v1/complaints/report", {"network": job.network, "month": job.period}),
            self._scores(job.network, "site", first, last),
            self._scores(job.network, "rule", first, last),
        )
        values = reports.monthly_report(
            job.period,
            msgspec.convert(figures, ComplaintFigures),
            sites,
            rules,
            sites_max=self._settings.report_sites_max,
            rules_max=self._settings.report_rules_max,
        )
        return Outcome([_telling(job, self._directory.statistics, values)])

    # -- weeks --------------------------------------------------------------------------------------------------

    async def _plan_bulletins(self, job: Job) -> Outcome:
        first, last = days_of(job.period)
        scores, before = await asyncio.gather(
            self._scores(job.network, "site", first, last),
            self._scores(job.network, "site", first - _WEEK, last - _WEEK),
        )
        registered = [record.site for record in self._sites if record.network == job.network]
        weeks = reports.site_weeks(scores, before, registered)
        return Outcome(jobs=[_job_of_site(job, site, week) for site, week in weeks.items()])

    async def _bulletin(self, job: Job, site: str) -> Outcome:
        week = msgspec.json.decode(job.content, type=SiteWeek)
        rules = await self._scores(job.network, "rule", *days_of(job.period), site=site)
        values = reports.bulletin(job.period, week, rules, self._settings.report_rules_max)
        return Outcome([_telling(job, site, values)])

    # -- days ---------------------------------------------------------------------------------------------------

    async def _plan_silences(self, job: Job) -> Outcome:
        day, _ = days_of(job.period)
        scores = await self._scores(job.network, "site", day, day, hours=self._settings.silent_hours)
        holding = [one for one in scores if one.site and one.silent_parcels]
        return Outcome(jobs=[_job_of_site(job, one.site or "", one) for one in holding])

    async def _silences(self, job: Job, site: str) -> Outcome:
        hours, parcels_max = self._settings.silent_hours, self._settings.silent_listed_max
        asked = {"network": job.network, "site": site, "hours": hours, "limit": parcels_max}
        page = await self._arbitration.get("/v1/silences", asked)
        parcels = msgspec.convert(page["items"], list[SilentParcel])
        if not parcels:
            return Outcome()
        more = page["next"] is not None
        values = reports.silent_parcels(job.period, hours, parcels, more=more)
        return Outcome([_telling(job, site, values)])

    async def _scores(
        self, network: str, group: Literal["site", "rule"], first: date, last: date, **more: Any
    ) -> list[Score]:
        asked = {
            "network": network,
            "group": group,
            "from": first.isoformat(),
            "to": last.isoformat(),
            **more,
        }
        return msgspec.convert(await self._arbitration.items("/v1/scorecards", asked), list[Score])


def _telling(job: Job, site: str, values: dict[str, object]) -> Telling:
    return Telling(occasion=job.kind, network=job.network, site=site, identity=(job.period,), values=values)


def _job_of_site(job: Job, site: str, content: msgspec.Struct, *, kind: str | None = None) -> NewJob:
    return NewJob(
        kind=kind or job.kind,
        network=job.network,
        site=site,
        period=job.period,
        due_at=job.due_at,
        content=msgspec.json.encode(content),
    )
