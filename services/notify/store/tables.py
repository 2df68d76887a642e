"""The tables of notify; `migrations` makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    CHAR,
    BindParameter,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

metadata = MetaData()


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id, as text."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # SQLAlchemy's own signature
        return "xid8"


seen_verdicts = Table(
    "seen_verdicts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("findings", LargeBinary, nullable=False, comment="JSON: the findings as last told"),
    comment="the newest version of each waybill's verdict that notices were made for",
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("occasion", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("waybill", Text),
    Column("finding_id", Text),
    Column("version", Integer),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("language", CHAR(2), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("attempts", JSONB, nullable=False, comment="[{at, outcome, detail?}], oldest first"),
    Column("send_after", DateTime(timezone=True)),
    Column("about", Text),
    Column("changed_xid", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
    Index("notices_created", "created_at", "notice_id"),
    Index("notices_site", "network", "site", "created_at", "notice_id"),
    Index("notices_waybill", "network", "waybill", "created_at", "notice_id"),
    Index("notices_changed", "changed_xid", "notice_id"),
    comment="one row for each (occasion, finding, version, recipient, channel)",
)

seen_duties = Table(
    "seen_duties",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("duties", LargeBinary, nullable=False, comment="JSON: the duties as last told"),
    comment="the newest revision of each waybill's duties",
)

reminders = Table(
    "reminders",
    metadata,
    Column("reminder_id", Uuid, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("remind_at", DateTime(timezone=True), nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("bundle", Text),
    Column("partition", Integer, nullable=False),
    Column("escalation", Boolean, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="JSON: what is to be said"),
    Column("said_at", DateTime(timezone=True)),
    comment="what is to be said at a later moment; gone once what it is about is done",
)

duties_complete = Table(
    "duties_complete",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("complete_until", DateTime(timezone=True), nullable=False),
    comment="up to which moment the duties read of each partition are complete: escalations wait for it",
)

preferences = Table(
    "preferences",
    metadata,
    Column("network", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("wishes", JSONB, nullable=False, comment="channels by group of occasions, quiet hours, digest"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    comment="how a site wants to be told; the usual way where it has no row",
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("site", Text),
    Column("period", Text, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="JSON: what is known already"),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("next_try_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    comment="reports to be made with figures of other services; gone once told",
)

schedules = Table(
    "schedules",
    metadata,
    Column("network", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("next_at", DateTime(timezone=True), nullable=False),
    comment="when the next report of each kind falls due",
)


def array_of(name: str, item: Any) -> BindParameter[Any]:
    """A parameter that is an array: one statement whatever the number of rows, and the least work for the client."""
    return bindparam(name, type_=ARRAY(item))
