"""The what-if box: a verdict on events that are stored nowhere."""

from __future__ import annotations

from fastapi import APIRouter

from services.console.kit import Kit, Room, routes


def router(kit: Kit) -> APIRouter:
    """`/what-if`."""
    return routes()


ROOM = Room(router)
