"""Appeals and officers' rulings (contract.md §3)."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Data, Envelope
from shared.events.values import Fen, FindingId, Payee, Personal, Reference, Site


class AppealFiledData(Data, frozen=True, kw_only=True, gc=False):
    """The finding that `site` appeals against."""

    appeal_id: Reference
    site: Site
    finding_id: FindingId
    text: Personal[str] | None = None


class AppealFiled(Envelope, frozen=True, kw_only=True, gc=False, tag="appeal.filed"):
    """A site appealed against a finding."""

    data: AppealFiledData


class AppealDecidedData(Data, frozen=True, kw_only=True, gc=False):
    """What became of an appeal, decided by `officer`."""

    appeal_id: Reference
    outcome: Literal["upheld", "changed", "dismissed"]
    amount_fen: Fen | None = None
    site: Site | None = None
    officer: Personal[str]
    reason: Personal[str]


class AppealDecided(Envelope, frozen=True, kw_only=True, gc=False, tag="appeal.decided"):
    """An officer decided an appeal."""

    data: AppealDecidedData


class RulingMadeData(Data, frozen=True, kw_only=True, gc=False):
    """A finding that an officer adds, changes or removes. `to` is a site, `hq` or a customer's role."""

    ruling_id: Reference
    action: Literal["add", "change", "remove"]
    finding_id: FindingId | None = None
    rule: Reference
    site: Site
    amount_fen: Fen | None = None
    to: Payee | None = None
    officer: Personal[str]
    reason: Personal[str]


class RulingMade(Envelope, frozen=True, kw_only=True, gc=False, tag="ruling.made"):
    """An officer ruled."""

    data: RulingMadeData


RulingEvent = AppealFiled | AppealDecided | RulingMade
