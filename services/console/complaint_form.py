"""The complaint form 《客户投诉处理单》: what a complaint's events have filled in, and what is still missing on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Missing(NamedTuple):
    """A field of the form that is still empty: who fills it in, and until when where a term runs."""

    name: str
    by: str
    due_at: str | None = None
    overdue: bool = False


class ComplaintForm(NamedTuple):
    """A complaint's records in their order: `{type, time, source, data}` each."""

    opened: Mapping[str, Any]
    reopened: list[Mapping[str, Any]]
    escalated: list[Mapping[str, Any]]
    flagged: list[Mapping[str, Any]]
    replies: list[Mapping[str, Any]]
    audits: list[Mapping[str, Any]]
    missing: list[Missing]

    @classmethod
    def of(cls, complaint: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> ComplaintForm:
        """The form of `complaint` (as the list of complaints shows it) from its waybill's events."""

        def said(kind: str) -> list[Mapping[str, Any]]:
            about = complaint["complaint_id"]
            return [one for one in events if one["type"] == kind and one["data"].get("complaint_id") == about]

        opened = (said("complaint.opened") or [{"data": {}, "time": None, "source": None}])[0]
        replies, audits = said("reply.registered"), said("reply.audited")
        return cls(
            opened,
            said("complaint.reopened"),
            said("complaint.escalated"),
            said("complaint.flagged"),
            replies,
            audits,
            _missing(complaint, opened, replies, audits),
        )


def _missing(
    complaint: Mapping[str, Any],
    opened: Mapping[str, Any],
    replies: Sequence[Mapping[str, Any]],
    audits: Sequence[Mapping[str, Any]],
) -> list[Missing]:
    """What the desk and the site still have to fill in. One that was settled at intake never went to a site."""
    clocks = complaint["clocks"]
    late = {one["term"] for one in complaint["overdue"]}

    def timed(name: str, by: str) -> Missing:
        return Missing(name, by, clocks[name]["due_at"], name in late)

    desk = [
        (not opened["data"].get("text"), Missing("text", "desk")),
        (complaint["responsible_site"] is None, Missing("responsible_site", "desk")),
    ]
    site = [
        (clocks["received_at"] is None, Missing("received_at", "site")),
        (
            clocks["contacted"]["at"] is None and clocks["first_settled_at"] is None,
            timed("contacted", "site"),
        ),
        (not replies, Missing("reply", "site")),
        (bool(replies) and not audits, Missing("audit", "desk")),
        # Whoever came back waits again, but no new term runs.
        (
            clocks["settled"]["at"] is None,
            Missing("settled", "site") if clocks["first_settled_at"] else timed("settled", "site"),
        ),
    ]
    archive = [
        (complaint["class"] is None, Missing("class", "desk")),
        (complaint["satisfied"] is None, timed("followed_up", "desk")),
    ]
    wanted = desk + ([] if complaint["closed_at_intake"] else site) + archive
    return [field for is_missing, field in wanted if is_missing]
