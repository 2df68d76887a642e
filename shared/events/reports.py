"""Reports and notices between sites, and what became of the goods (contract.md §3)."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Data, Envelope
from shared.events.values import Count, Moment, Personal, Reference, Site


class ReportFiledData(Data, frozen=True, kw_only=True, gc=False):
    """What `site`, the reporter, says is wrong."""

    report_id: Reference
    site: Site
    kind: Literal[
        "delay",
        "loss",
        "outer_damage",
        "inner_damage",
        "shortage",
        "false_notice",
        "mistransit",
        "mark_miswritten",
        "foreign_packaging",
        "other",
    ]
    against_site: Site | None = None
    bag: Reference | None = None
    goods: str | None = None
    label_moved: bool | None = None
    one_face: bool | None = None
    text: Personal[str] | None = None


class ReportFiled(Envelope, frozen=True, kw_only=True, gc=False, tag="report.filed"):
    """A site asks for arbitration against another."""

    data: ReportFiledData


class NoticePostedData(Data, frozen=True, kw_only=True, gc=False):
    """What `site` tells `to_site` about what it received, or did not receive."""

    notice_id: Reference
    site: Site
    to_site: Site
    kind: Literal["goods_missing", "waybill_missing", "damage", "urge", "other"]
    channel: Literal["system", "fax", "email"] = "system"
    filed_with_hq: bool | None = None
    names_waybill: bool = True
    packaging: str | None = None
    shape: str | None = None
    size: str | None = None
    photo_published_at: Moment | None = None
    text: Personal[str] | None = None


class NoticePosted(Envelope, frozen=True, kw_only=True, gc=False, tag="notice.posted"):
    """A site told another what is wrong."""

    data: NoticePostedData


class NoticeForwardedData(Data, frozen=True, kw_only=True, gc=False):
    """The notice went on from `site` to `to_site`."""

    notice_id: Reference
    site: Site
    to_site: Site
    plan: Personal[str] | None = None


class NoticeForwarded(Envelope, frozen=True, kw_only=True, gc=False, tag="notice.forwarded"):
    """A site passed a notice on."""

    data: NoticeForwardedData


class NoticeAnsweredData(Data, frozen=True, kw_only=True, gc=False):
    """`site` answers `to_site` about the notice."""

    notice_id: Reference
    site: Site
    to_site: Site
    plan: Personal[str] | None = None


class NoticeAnswered(Envelope, frozen=True, kw_only=True, gc=False, tag="notice.answered"):
    """A site answered a notice."""

    data: NoticeAnsweredData


class GoodsFoundData(Data, frozen=True, kw_only=True, gc=False):
    """Whose goods, or which notice's, were found."""

    site: Site
    notice_id: Reference | None = None


class GoodsFound(Envelope, frozen=True, kw_only=True, gc=False, tag="goods.found"):
    """Goods that were missing are there."""

    data: GoodsFoundData


class GoodsDisposedData(Data, frozen=True, kw_only=True, gc=False):
    """Who disposed of the goods, approved by whom, with how many photos."""

    site: Site
    approved_by: Personal[str] | None = None
    photos: Count | None = None


class GoodsDisposed(Envelope, frozen=True, kw_only=True, gc=False, tag="goods.disposed"):
    """A site disposed of goods without an owner."""

    data: GoodsDisposedData


ReportEvent = ReportFiled | NoticePosted | NoticeForwarded | NoticeAnswered | GoodsFound | GoodsDisposed
