"""The routes of penalties (contract.md §4), a file for each kind of reader."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from services.penalties.api import accounts, adjustments, audit, periods, reports
from services.penalties.settings import PenaltiesSettings
from shared.clock import Clock
from shared.registry import Registry, SiteRecord


def router(
    engine: AsyncEngine, clock: Clock, settings: PenaltiesSettings, group: str, sites: Registry[SiteRecord]
) -> APIRouter:
    """All routes under `/v1`; `group` is the consumer group whose positions a close takes as its cut."""
    routes = APIRouter(tags=["ledger"])
    routes.include_router(accounts.router(engine, clock))
    routes.include_router(reports.router(engine, settings, sites))
    routes.include_router(audit.router(engine, settings))
    routes.include_router(periods.router(engine, clock, settings, group))
    routes.include_router(adjustments.router(engine, clock, settings, sites))
    return routes
