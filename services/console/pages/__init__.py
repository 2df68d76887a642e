"""The pages that need a session, one module a page family. Their order here is their order in the navigation."""

from __future__ import annotations

from services.console.kit import Item, Room
from services.console.pages import (
    acts,
    appeals,
    case,
    complaint_acts,
    complaints,
    daybooks,
    desk,
    lists,
    operations,
    outlet,
    periods,
    registers,
    rulings,
    scorecards,
    start,
    whatif,
)

ROOMS: tuple[Room, ...] = (
    start.ROOM,
    desk.ROOM,
    complaints.ROOM,
    complaint_acts.ROOM,
    outlet.ROOM,
    lists.ROOM,
    case.ROOM,
    appeals.ROOM,
    rulings.ROOM,
    acts.ROOM,
    periods.ROOM,
    registers.ROOM,
    daybooks.ROOM,
    scorecards.ROOM,
    whatif.ROOM,
    operations.ROOM,
)
ITEMS: tuple[Item, ...] = tuple(item for room in ROOMS for item in room.items)
