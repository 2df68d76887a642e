"""Every occasion to write: the group that a site's preferences speak of, and whether it may wait. Data, and pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Group = Literal["findings", "complaints", "returns", "risks", "insurance", "books", "bulletins"]
GROUPS: Final[tuple[Group, ...]] = (
    "findings",
    "complaints",
    "returns",
    "risks",
    "insurance",
    "books",
    "bulletins",
)
GATHERED: Final[frozenset[Group]] = frozenset({"findings", "insurance"})
"""Groups whose e-mails may be gathered into one message; the others leave at once."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """`pressing`: soon too late, or for headquarters at once: neither quiet hours nor a digest hold it back."""

    group: Group
    pressing: bool = False


OCCASIONS: Final[dict[str, Occasion]] = {
    "finding_issued": Occasion("findings"),
    "finding_changed": Occasion("findings"),
    "finding_revoked": Occasion("findings"),
    "finding_frozen": Occasion("findings"),
    "appeal_decided": Occasion("findings"),
    "appeal_closing": Occasion("findings", pressing=True),
    "complaint_opened": Occasion("complaints"),
    "complaint_major": Occasion("complaints", pressing=True),
    "complaint_flagged": Occasion("complaints", pressing=True),
    "contact_due": Occasion("complaints", pressing=True),
    "contact_overdue": Occasion("complaints"),
    "progress_due": Occasion("complaints", pressing=True),
    "progress_overdue": Occasion("complaints"),
    "settle_due": Occasion("complaints", pressing=True),
    "settle_overdue": Occasion("complaints"),
    "follow_up_due": Occasion("complaints", pressing=True),
    "follow_up_overdue": Occasion("complaints"),
    "return_requested": Occasion("returns"),
    "return_request_due": Occasion("returns", pressing=True),
    "return_answer_wanted": Occasion("returns"),
    "return_answer_due": Occasion("returns", pressing=True),
    "return_paid": Occasion("returns"),
    "return_due": Occasion("returns", pressing=True),
    "hold_begun": Occasion("returns"),
    "hold_ending": Occasion("returns", pressing=True),
    "return_fee_asked": Occasion("returns"),
    "return_fee_due": Occasion("returns", pressing=True),
    "disposal_allowed": Occasion("returns"),
    "forward_wanted": Occasion("returns"),
    "forward_due": Occasion("returns", pressing=True),
    "answer_wanted": Occasion("returns"),
    "answer_due": Occasion("returns", pressing=True),
    "fines_ahead": Occasion("risks", pressing=True),
    "report_windows_closing": Occasion("risks", pressing=True),
    "insurer_informed": Occasion("insurance"),
    "silent_parcels": Occasion("risks"),
    "month_closed": Occasion("books"),
    "statement_ready": Occasion("books"),
    "weekly_bulletin": Occasion("bulletins"),
    "monthly_report": Occasion("bulletins"),
}
