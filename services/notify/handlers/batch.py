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
        self.planned: dict[str, Saying] = {}
        self.dropped: set[tuple[str, str]] = set()

    def take(self, network: str, waybill: str, void: Iterable[str], planned: Iterable[Saying]) -> None:
        """Drop what was planned or is queued about `void`, then plan `planned`: one revision of one waybill."""
        subject = f"{network}/{waybill}"
        gone = {(subject, about) for about in void}
        if gone:
            self.dropped |= gone
            self.tellings += [Void(network, waybill, about) for _, about in sorted(gone)]
            self.planned = {
                key: saying
                for key, saying in self.planned.items()
                if (saying.subject, saying.about) not in gone
            }
        self.planned |= {saying.saying_id: saying for saying in planned}
