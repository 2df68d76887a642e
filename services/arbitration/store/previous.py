"""What earlier looks at waybills have left, in one question: every round trip is waited for by a complaint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asyncpg import Connection

from services.arbitration.store.cases import HEAD, Head
from services.arbitration.store.duties import Published


class Previous(NamedTuple):
    """By subject: the newest issued versions and the newest lists of duties, where there are such; and who is parked."""

    heads: dict[str, Head]
    published: dict[str, Published]
    parked: set[str]


# Each waybill is looked up by itself: a plan made while a table was small would else read all of it.
_SELECT = (
    "SELECT s.subject, p.parked, d.revision, d.digest, c.* FROM unnest($1::text[]) AS s(subject)"
    " LEFT JOIN LATERAL (SELECT true AS parked FROM parked WHERE subject = s.subject OFFSET 0) AS p ON true"
    " LEFT JOIN LATERAL (SELECT revision, digest FROM duties WHERE subject = s.subject OFFSET 0) AS d ON true"
    f" LEFT JOIN LATERAL ({HEAD} WHERE subject = s.subject OFFSET 0) AS c ON true"
    " WHERE p.parked OR d.revision IS NOT NULL OR c.subject IS NOT NULL"
)


async def previous(connection: Connection, subjects: Sequence[str]) -> Previous:
    """What earlier looks at `subjects` have left."""
    found = Previous({}, {}, set())
    for subject, parked, revision, digest, *head in await connection.fetch(_SELECT, subjects):
        if parked:
            found.parked.add(subject)
        if revision is not None:
            found.published[subject] = Published(subject, revision, digest)
        if head[0] is not None:
            found.heads[subject] = Head(*head)
    return found
