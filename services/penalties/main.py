"""Wiring of penalties: `python -m services.penalties.main`."""

from __future__ import annotations

from fastapi import FastAPI

from services.penalties.api import router
from services.penalties.handlers import VERDICTS_TOPIC, VerdictHandler
from services.penalties.settings import PenaltiesSettings
from shared import log
from shared.bus.assignment import RunnerLimits
from shared.bus.runner import ConsumerRunner
from shared.http.app import serve
from shared.service import ConsumingService

SERVICE = "penalties"


def application(settings: PenaltiesSettings) -> FastAPI:
    """The service's application; its lifespan migrates, consumes and publishes."""
    service = ConsumingService(SERVICE, settings, sites=True, outbox_poll_ms=settings.outbox_poll_ms)
    runner = ConsumerRunner(
        settings,
        service.engine,
        topics=(VERDICTS_TOPIC,),
        group=SERVICE,
        handler=VerdictHandler(service.clock, service.relay.wake),
        limits=RunnerLimits(
            batch_records_max=settings.batch_records_max, session_timeout_ms=settings.session_timeout_ms
        ),
    )
    service.consume(runner)
    return service.app([router(service.engine, service.clock, settings, SERVICE, service.registries.sites)])


def main() -> None:
    """Run the service until SIGTERM."""
    settings = PenaltiesSettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    serve(application(settings), settings)


if __name__ == "__main__":
    main()
