"""Whom a notice can reach and in which language: the site registry, and headquarters' desks as entries of it."""

from __future__ import annotations

from typing import Literal

from services.notify.settings import NotifySettings
from services.notify.texts import Language
from shared.registry import Registry, SiteRecord, is_site

Channel = Literal["in_app", "webhook", "email"]


class Directory:
    """Answers from the site registry as it is at the moment of asking. Desks stand in it under the codes of settings."""

    def __init__(self, sites: Registry[SiteRecord], settings: NotifySettings) -> None:
        self._sites = sites
        self._language: Language = settings.notice_language
        self.manager = settings.desk_manager
        self.operations = settings.desk_operations
        self.deputy = settings.desk_deputy
        self.insurer = settings.desk_insurer
        self.statistics = settings.desk_statistics

    def language_of(self, network: str, site: str) -> Language:
        """The site's language; the setting's where it is not registered."""
        record = self._sites.get(f"{network}/{site}")
        return record.language if record else self._language

    def channels_of(self, network: str, site: str) -> list[Channel]:
        """The application's list always; what else the site has an address for."""
        record = self._sites.get(f"{network}/{site}")
        channels: list[Channel] = ["in_app"]
        if record and record.webhook:
            channels.append("webhook")
        if record and record.email:
            channels.append("email")
        return channels

    def parent_of(self, network: str, site: str) -> str | None:
        """The site above it, None where none is registered."""
        record = self._sites.get(f"{network}/{site}")
        return record.parent if record else None

    def desk_site(self, code: str) -> str:
        """The entry of the complaint desk `code`: of that name in upper case where that can be one, else operations."""
        name = code.upper()
        return name if is_site(name) else self.operations
