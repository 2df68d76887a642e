"""Whom a notice can reach and in which language: the site registry, and headquarters' desks as entries of it."""

from __future__ import annotations

from services.notify.domain.preferences import Channel
from services.notify.domain.sayings import Role, Saying
from services.notify.settings import NotifySettings
from services.notify.texts import Language
from shared.registry import Registry, SiteRecord, is_site


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

    def address_of(self, network: str, site: str, channel: str) -> str | None:
        """The site's URL for the channel `webhook`, its address for `email`; None where it has none."""
        record = self._sites.get(f"{network}/{site}")
        if record is None:
            return None
        return record.webhook if channel == "webhook" else record.email

    def knows(self, network: str, site: str) -> bool:
        """Whether the site is registered."""
        return self._sites.get(f"{network}/{site}") is not None

    def hearers(self, saying: Saying) -> list[str]:
        """The sites and desks that `saying` is for, each once. Whose duty nobody's site is, operations are told."""
        found = (self._hearer(role, saying) for role in saying.to)
        return list(dict.fromkeys(site for site in found if site))

    def _hearer(self, role: Role, saying: Saying) -> str | None:
        match role:
            case "manager":
                return self.manager
            case "operations":
                return self.operations
            case "deputy":
                return self.deputy
            case "parent":
                record = self._sites.get(f"{saying.network}/{saying.site}")
                return record.parent if record else None
            case "site":
                return saying.site or self.operations
            case "doer":
                return saying.site or self.desk_site(saying.desk or "")

    def desk_site(self, code: str) -> str:
        """The entry of the complaint desk `code`: of that name in upper case where that can be one, else operations."""
        name = code.upper()
        return name if is_site(name) else self.operations
