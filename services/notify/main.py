"""Wiring of notify: `python -m services.notify.main`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import FastAPI

from services.notify.api import deliveries, jobs, notices, preferences
from services.notify.delivery.housekeeping import Housekeeping
from services.notify.delivery.mail import MailChannel
from services.notify.delivery.sender import Sender
from services.notify.delivery.webhook import WebhookChannel, allow_files
from services.notify.feed import NoticeFeed
from services.notify.handlers.directory import Directory
from services.notify.handlers.dispatch import Dispatcher
from services.notify.handlers.duties import DUTIES_TOPIC, DutyHandler
from services.notify.handlers.jobs import JobWorker
from services.notify.handlers.periods import PERIODS_TOPIC, PeriodHandler
from services.notify.handlers.reminding import ReadUpTo, Reminding
from services.notify.handlers.reports import Reports
from services.notify.handlers.teller import Teller
from services.notify.handlers.verdicts import VERDICTS_TOPIC, VerdictHandler
from services.notify.settings import NotifySettings
from services.notify.store.attachments import Attachment, attachment_sizes, attachments_of
from services.notify.texts import Texts
from shared import log
from shared.bus.assignment import RunnerLimits
from shared.bus.runner import ConsumerRunner
from shared.http.app import serve
from shared.http.peers import Peer
from shared.service import ConsumingService

SERVICE = "notify"


def application(settings: NotifySettings) -> FastAPI:
    """The service's application; its lifespan migrates, consumes, publishes and feeds the streams."""
    service = ConsumingService(SERVICE, settings, sites=True, outbox_poll_ms=settings.outbox_poll_ms)
    feed = NoticeFeed(service.engine, settings)
    texts = Texts(
        evidence_max=settings.notice_evidence_max,
        appeal_days=settings.appeal_days,
        zone_name=settings.time_zone,
    )

    directory = Directory(service.registries.sites, settings)
    teller = Teller(settings, texts, directory)

    async def files_of(notice_ids: Sequence[UUID]) -> list[Attachment]:
        async with service.engine.connect() as connection:
            return await attachments_of(connection, notice_ids)

    async def sizes_of(notice_ids: Sequence[UUID]) -> dict[UUID, int]:
        async with service.engine.connect() as connection:
            return await attachment_sizes(connection, notice_ids)

    sender = Sender(
        service.engine,
        service.clock,
        settings,
        [WebhookChannel(settings), MailChannel(settings, texts, files_of, sizes_of)],
        directory.address_of,
        published=service.relay.wake,
    )
    housekeeping = Housekeeping(
        service.engine, service.clock, settings, directory.address_of, published=service.relay.wake
    )

    def stored() -> None:
        service.relay.wake()
        sender.wake()

    worker = JobWorker(
        settings,
        service.engine,
        service.clock,
        _reports(settings, service, directory),
        teller,
        service.registries.sites,
        wake=stored,
    )
    dispatcher = Dispatcher(
        {
            VERDICTS_TOPIC: VerdictHandler(
                settings, service.clock, teller, published=service.relay.wake, queued=sender.wake
            ),
            DUTIES_TOPIC: DutyHandler(
                settings,
                service.clock,
                teller,
                directory,
                published=service.relay.wake,
                queued=sender.wake,
            ),
            PERIODS_TOPIC: PeriodHandler(service.clock, wake=worker.wake),
        }
    )
    runner = ConsumerRunner(
        settings,
        service.engine,
        topics=dispatcher.topics,
        group=settings.consumer_group,
        handler=dispatcher,
        limits=RunnerLimits(
            batch_records_max=settings.batch_records_max, session_timeout_ms=settings.session_timeout_ms
        ),
    )
    reminding = Reminding(
        settings,
        service.engine,
        service.clock,
        teller,
        directory,
        ReadUpTo(settings, service.engine, service.clock, runner, dispatcher.topics),
        wake=stored,
    )
    service.consume(runner, beside=[feed.run, reminding.run, worker.run, sender.run, housekeeping.run])
    return service.app(
        [
            notices.router(service.engine, service.relay, feed, service.clock, settings),
            deliveries.router(service.engine, service.relay, service.clock, settings, wake=sender.wake),
            preferences.router(service.engine, directory, service.clock, settings),
            jobs.router(service.engine),
        ]
    )


def _reports(settings: NotifySettings, service: ConsumingService, directory: Directory) -> Reports:
    """The reports, with clients of the services that have the figures."""
    key = settings.peer_key or settings.operator_key
    return Reports(
        settings,
        service.engine,
        service.registries.sites,
        directory,
        arbitration=Peer("arbitration", settings.arbitration_url, key, settings),
        penalties=Peer("penalties", settings.penalties_url, key, settings),
    )


def main() -> None:
    """Run the service until SIGTERM."""
    settings = NotifySettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    allow_files(settings.webhook_connections_max)
    serve(application(settings), settings)


if __name__ == "__main__":
    main()
