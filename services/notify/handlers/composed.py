"""The notices of one batch before they are stored: each once, and withdrawn where what follows makes them void."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from services.notify.domain.telling import Void
from services.notify.store.notices import NewNotice


class Composed:
    """Notices by their ids, in the order in which they were first told of."""

    def __init__(self) -> None:
        self.partitions: dict[str, int | None] = {}
        """Of the records that tell of each notice."""
        self._notices: dict[str, NewNotice] = {}
        self._about: dict[tuple[str, str | None, str | None], list[str]] = {}

    @property
    def notices(self) -> list[NewNotice]:
        """What is to be stored."""
        return list(self._notices.values())

    def add(self, new: NewNotice, partition: int | None) -> None:
        """Take a notice in, unless the same one is there already and still stands."""
        notice = new.notice
        held = self._notices.get(notice.notice_id)
        if held is None:
            key = (notice.network, notice.waybill, new.about)
            self._about.setdefault(key, []).append(notice.notice_id)
        elif held.notice.state != "withdrawn":
            return
        self._notices[notice.notice_id] = new
        self.partitions[notice.notice_id] = partition

    def withdraw(self, void: Void) -> None:
        """Withdraw what `void` makes void and could not leave yet."""
        for notice_id in self._about.get((void.network, void.waybill, void.about), ()):
            held = self._notices[notice_id]
            if held.notice.state == "queued" and void.site in (None, held.notice.site):
                withdrawn = msgspec.structs.replace(held.notice, state="withdrawn")
                self._notices[notice_id] = replace(held, notice=withdrawn)
