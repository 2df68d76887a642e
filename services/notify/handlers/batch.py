"""What the records of one batch add up to."""

from __future__ import annotations

from collections.abc import Iterable

from services.notify.domain.sayings import Saying
from services.notify.domain.telling import Telling, Void


class Batch:
    """Tellings in their order, what is planned and dropped, and the subjects that have moved on."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self.tellings: list[Telling | Void] = []
        self._planned: dict[tuple[str, str], dict[str, Saying]] = {}
        self.dropped: set[tuple[str, str]] = set()

    def take(self, network: str, waybill: str, void: Iterable[str], planned: Iterable[Saying]) -> None:
        """Drop what was planned or is queued about `void`, then plan `planned`: one revision of one waybill."""
        subject = f"{network}/{waybill}"
        for about in sorted(set(void)):
            self.dropped.add((subject, about))
            self.tellings.append(Void(network, waybill, about))
            self._planned.pop((subject, about), None)
        for saying in planned:
            self._planned.setdefault((saying.subject, saying.about), {})[saying.saying_id] = saying

    @property
    def planned(self) -> dict[str, Saying]:
        """What is to be said later by its ids, as the last revision of each waybill has it."""
        return {key: saying for sayings in self._planned.values() for key, saying in sayings.items()}
