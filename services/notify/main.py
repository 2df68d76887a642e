"""Wiring of notify: `python -m services.notify.main`."""

from __future__ import annotations

from fastapi import FastAPI

from services.notify.api.notices import router
from services.notify.feed import NoticeFeed
from services.notify.handlers.verdicts import VERDICTS_TOPIC, VerdictHandler
from services.notify.settings import NotifySettings
from services.notify.texts import Language, Texts
from shared import log
from shared.bus.assignment import RunnerLimits
from shared.bus.runner import ConsumerRunner
from shared.http.app import serve
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

    def language_of(network: str, site: str) -> Language:
        record = service.registries.sites.get(f"{network}/{site}")
        return record.language if record else settings.notice_language

    runner = ConsumerRunner(
        settings,
        service.engine,
        topics=(VERDICTS_TOPIC,),
        group=settings.consumer_group,
        handler=VerdictHandler(settings, service.clock, texts, language_of, wake=service.relay.wake),
        limits=RunnerLimits(
            batch_records_max=settings.batch_records_max, session_timeout_ms=settings.session_timeout_ms
        ),
    )
    service.consume(runner, beside=[feed.run])
    return service.app([router(service.engine, service.relay, feed, service.clock, settings)])


def main() -> None:
    """Run the service until SIGTERM."""
    settings = NotifySettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    serve(application(settings), settings)


if __name__ == "__main__":
    main()
