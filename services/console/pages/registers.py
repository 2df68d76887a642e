"""placeholder"""
from __future__ import annotations
from fastapi import APIRouter
from services.console.kit import Kit, Room, routes
def router(kit: Kit) -> APIRouter:
    """x"""
    return routes()
ROOM = Room(router)
