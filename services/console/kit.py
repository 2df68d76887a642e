"""What every page is given, and what it says of itself to stand in the navigation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from services.console.peers import Services
from services.console.settings import ConsoleSettings
from services.console.view import View
from services.console.viewer import Viewer
from shared.clock import Clock


@dataclass(frozen=True, slots=True)
class Kit:
    """The console's parts as a page uses them."""

    settings: ConsoleSettings
    view: View
    services: Services
    clock: Clock

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which moments are shown and entered."""
        return self.view.zone

    def now(self) -> datetime:
        """The moment, in the networks' zone."""
        return self.clock.now().astimezone(self.zone)


Group = Literal["work", "insight", "registers"]


class Item(NamedTuple):
    """A place in the navigation: its word is `nav.<name>`, and it is shown to whom `shown` lets see it."""

    group: Group
    name: str
    path: str
    shown: Callable[[Viewer], bool] = lambda viewer: viewer.may("read")


class Room(NamedTuple):
    """A page family: its routes, and its places in the navigation."""

    router: Callable[[Kit], APIRouter]
    items: tuple[Item, ...] = ()


def routes() -> APIRouter:
    """An empty router for pages: HTML, and no part of the OpenAPI document."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def not_a_site(viewer: Viewer) -> bool:
    """Whether the viewer reads more than one site's own: a desk, a regulator, an operator."""
    return viewer.may("read") and viewer.site is None


def is_site(viewer: Viewer) -> bool:
    """Whether the viewer is an outlet or a hub."""
    return viewer.may("read") and viewer.site is not None


def may_decide(viewer: Viewer) -> bool:
    """Whether the viewer takes decisions."""
    return viewer.may("decide")


def may_administer(viewer: Viewer) -> bool:
    """Whether the viewer runs the system."""
    return viewer.may("admin")
