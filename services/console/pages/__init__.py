"""The pages that need a session, one module a page family. Their order here is their order in the navigation."""

from __future__ import annotations

from services.console.kit import Item, Room
from services.console.pages import case, daybooks, lists, operations, scorecards, start, whatif

ROOMS: tuple[Room, ...] = (
    start.ROOM,
    lists.ROOM,
    case.ROOM,
    whatif.ROOM,
    operations.ROOM,
    scorecards.ROOM,
    daybooks.ROOM,
)
ITEMS: tuple[Item, ...] = tuple(item for room in ROOMS for item in room.items)
