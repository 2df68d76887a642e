"""Wiring of arbitration: `python -m services.arbitration.main`."""

from __future__ import annotations

import gc
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from services.arbitration.api import (
    adjudications,
    cases,
    complaints,
    operations,
    projections,
    registers,
    replays,
    rulebooks,
    scorecards,
)
from services.arbitration.api.reader import CaseReader
from services.arbitration.domain import load_rulebooks
from services.arbitration.duties import Duties
from services.arbitration.facts import FactBook
from services.arbitration.handlers.completing import Completing
from services.arbitration.handlers.deciding import Deciding
from services.arbitration.handlers.projecting import Upkeep
from services.arbitration.handlers.rates import RateFixing
from services.arbitration.handlers.replay_processes import ReplayProcesses
from services.arbitration.handlers.replaying import judged_by
from services.arbitration.judging import Judging
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import reviews
from services.arbitration.watch import Watch
from shared import log
from shared.bus.assignment import RunnerLimits
from shared.bus.runner import ConsumerRunner
from shared.events import TOPIC_COMPLAINTS, TOPIC_SCANS, TOPIC_SIGNATURES
from shared.http.app import serve
from shared.service import ConsumingService

SERVICE = "arbitration"
CODE_VERSION = version("faultline")


def application(settings: ArbitrationSettings) -> FastAPI:
    """The application with everything it runs."""
    service = ConsumingService(SERVICE, settings, sites=True, exemptions=True)
    books = load_rulebooks()
    facts = FactBook(service.engine, service.registries)
    watch = Watch(Duties(books, settings.ahead), settings.watch_waybills_max, settings.partitions)
    judging = Judging(books, CODE_VERSION, settings.ahead)
    deciding = Deciding(settings, service.engine, service.clock, watch, facts, judging, service.relay)
    runner = ConsumerRunner(
        settings,
        service.engine,
        topics=(TOPIC_SCANS, TOPIC_SIGNATURES, TOPIC_COMPLAINTS),
        group=SERVICE,
        handler=deciding.ingest,
        limits=RunnerLimits(
            lanes=settings.lanes,
            batch_records_max=settings.batch_records_max,
            session_timeout_ms=settings.session_timeout_ms,
        ),
    )
    completing = Completing(settings, service.engine, service.clock, service.relay)
    processes = ReplayProcesses(settings, service.engine)
    service.consume(
        runner,
        prepare=[facts.load],
        beside=[
            facts.keep,
            Upkeep(settings, service.engine, service.clock).run,
            RateFixing(settings, service.engine, service.clock, facts, books).run,
            *(
                partial(deciding.run, runner, lane, asked=asked)
                for lane in range(settings.lanes)
                for asked in (True, False)
            ),
            *(partial(completing.run, runner, lane) for lane in range(settings.lanes)),
            *(partial(processes.run, place) for place in range(settings.replay_workers)),
        ],
    )
    reader = CaseReader(service.engine, service.clock, facts, books, CODE_VERSION, settings.stream_events_max)
    return service.app(
        [
            cases.router(reader),
            complaints.router(service.engine, service.clock),
            adjudications.router(books),
            rulebooks.router(books),
            replays.router(settings, service.engine, service.clock, books, judged_by(books), processes.wake),
            operations.router(service.engine, service.clock, deciding, settings.partitions),
            scorecards.router(reader, settings.silence_look_hours),
            registers.router(reader),
            projections.router(service.engine, service.clock),
        ],
        figures=lambda connection: reviews.waiting(connection, service.clock.now()),
    )


def collect_garbage_rarely() -> None:
    """A batch makes tens of thousands of objects that live until its commit: looking through them often frees nothing.

    Measured on the backlog of `make bench`: a fifth to a third of the worker's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def main() -> None:
    """Run the service until SIGTERM."""
    settings = ArbitrationSettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    collect_garbage_rarely()
    serve(application(settings), settings)


if __name__ == "__main__":
    main()
