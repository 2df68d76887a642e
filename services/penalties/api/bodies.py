"""What the routes answer with and take, for OpenAPI and for checking what is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.penalties.api.common import PERIOD_PATTERN
from services.penalties.domain import LARGEST_AMOUNT_FEN
from shared.http.fields import Line, SiteCode


class AccountSideBody(BaseModel):
    """One side of an entry. `site` is absent for headquarters' accounts."""

    account: str
    site: str | None = None


class ClauseBody(BaseModel):
    """A clause of the source documents, as the verdict gave it."""

    source: str
    text: str


class ChainLinkBody(BaseModel):
    """An entry's place in the chain of its network and partition, from 1, and the hash over everything up to it."""

    partition: int
    position: int
    hash: str


class EntryBody(BaseModel):
    """A ledger entry, never changed once booked. Members that do not apply are absent."""

    entry_id: UUID
    kind: Literal["fine", "compensation", "freeze", "release", "settlement", "reversal", "adjustment"]
    posted_at: datetime = Field(description="when the verdict was decided, or a person booked it")
    period: str
    network: str
    waybill: str = Field(description="`-` where a person booked it on none")
    finding_id: str
    version: int
    rule: str
    debit: AccountSideBody = Field(description="who owes more")
    credit: AccountSideBody = Field(description="who is owed more")
    amount_fen: int = Field(gt=0)
    reverses: UUID | None = Field(None, description="the entry that this one takes back, wholly or in part")
    belongs_to: str | None = Field(
        None, description="month of `posted_at`, where that period was closed already"
    )
    clause: ClauseBody | None = Field(None, description="by which the money moved")
    note: str | None = Field(None, description="why a person booked it; absent where a verdict did")
    chain: ChainLinkBody


class AccountBody(BaseModel):
    """What a site owes in fen, negative where it is owed; frozen while appeals run, and not part of `balance_fen`."""

    site: str
    balance_fen: int
    frozen_fen: int
    as_of: datetime


class BalanceBody(BaseModel):
    """What the site owes in fen on its open accounts and on its frozen one."""

    balance_fen: int
    frozen_fen: int


class LineBody(BalanceBody):
    """An entry, what it changed and what the site owes after it.

    `appeal`: how the finding stood at the end of the period; `pending` while its money is frozen.
    """

    entry: EntryBody
    change_fen: int
    frozen_change_fen: int
    appeal: Literal["none", "pending", "decided"]


class StatementBody(BaseModel):
    """A site's month. `closed`: nothing will be added to it."""

    network: str
    site: str
    period: str
    state: Literal["open", "closed"]
    opening: BalanceBody
    lines: list[LineBody]
    closing: BalanceBody


class AccountTurnoverBody(BaseModel):
    """An account's debits and credits, over all sites that have one of that name."""

    account: str
    debits_fen: int
    credits_fen: int


class TrialBalanceBody(BaseModel):
    """Debits and credits of all accounts of a network in fen, now or at the past moment `as_of`."""

    debits_fen: int
    credits_fen: int
    balanced: bool
    as_of: datetime | None
    accounts: list[AccountTurnoverBody]


class AccountMonthBody(AccountTurnoverBody):
    """An account's month: balances are debits less credits."""

    opening_fen: int
    closing_fen: int


class TotalsBody(BaseModel):
    """Headquarters' month: every account of the network with its turnover."""

    network: str
    period: str
    state: Literal["open", "closed"]
    accounts: list[AccountMonthBody]


class SiteMonthBody(BaseModel):
    """A site's month in fen: `opening_fen` + `debits_fen` - `credits_fen` = `closing_fen`, on its open accounts."""

    site: str
    opening_fen: int = Field(description="what it owed before; negative where it was owed")
    opening_frozen_fen: int = Field(description="frozen before, while appeals ran")
    debits_fen: int
    credits_fen: int
    closing_fen: int
    closing_frozen_fen: int
    entries: int = Field(description="lines of its statement")


class SealBody(BaseModel):
    """A chain's newest link when a period was closed."""

    position: int
    hash: str


class ClosingBody(BaseModel):
    """A closed period. `cut` gives, for each partition, the first verdict offset that came after the close.

    `seals` gives, for each partition, the newest link of its chain at that moment.
    """

    network: str
    period: str
    closed_at: datetime
    closed_by: str
    cut: dict[str, int]
    debits_fen: int
    credits_fen: int
    seals: dict[str, SealBody]


class AdjustedSide(BaseModel):
    """One side of an adjustment: a site's open account, or one of headquarters'."""

    model_config = ConfigDict(extra="forbid")

    account: Literal[
        "receivable",
        "payable",
        "headquarters",
        "bank",
        "compensation_held.sender",
        "compensation_held.recipient",
        "compensation_held.beneficiary",
    ]
    site: SiteCode | None = None


class AdjustmentOrder(BaseModel):
    """What a person books by hand. A debit means that its site owes more."""

    model_config = ConfigDict(extra="forbid")

    debit: AdjustedSide
    credit: AdjustedSide
    amount_fen: Annotated[int, Field(strict=True, gt=0, le=LARGEST_AMOUNT_FEN)]
    reason: Annotated[Line, Field(description="shown on statements: name no person")]
    period: Annotated[
        str | None, Field(pattern=PERIOD_PATTERN, description="an open month; else the present one")
    ] = None


class AdjustmentBody(BaseModel):
    """An adjustment: `proposed` until a second person approves it, then `booked` as `entry_id`."""

    adjustment_id: UUID
    network: str
    state: Literal["proposed", "booked"]
    debit: AccountSideBody
    credit: AccountSideBody
    amount_fen: int
    reason: str
    period: str | None
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    entry_id: UUID | None


class StandingBody(BaseModel):
    """What a finding has on one account: debits less credits, never 0."""

    finding_id: str
    account: str
    site: str | None = None
    owed_fen: int


class WaybillBody(BaseModel):
    """What the ledger holds of a waybill: the newest version worked through and what its findings stand at."""

    waybill: str
    version: int
    digest: str
    standing: list[StandingBody]
