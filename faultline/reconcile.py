"""Compares the ledger with arbitration's verdicts. Uses no code of the ledger: what must stand there is worked out anew."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from faultline.client import ApiError, Client, Document

MONEY_KINDS = frozenset({"fine", "compensation"})
Owed = Counter[tuple[str, str, bool]]
"""(finding id, party, frozen) → fen that the party owes more than it is owed. A party is a site, `hq` or a customer."""


class Difference(NamedTuple):
    """A waybill on which ledger and verdict do not say the same."""

    waybill: str
    sentence: str


def differences(client: Client, network: str, *, settle_s: float = 5.0) -> Iterator[Difference]:
    """Every waybill of a network on which the ledger differs from arbitration's newest verdict.

    What differs is looked at once more after `settle_s` seconds: a verdict may have been on its way. Memory is bounded by
    the differences, not by the waybills.
    """
    suspects = [waybill for waybill, _ in _compared(client, network)]
    if not suspects:
        return
    time.sleep(settle_s)
    for waybill in suspects:
        try:
            verdict = client.case(network, waybill)["verdict"]
        except ApiError as error:
            if error.status != 404:
                raise
            verdict = None
        held = next(client.ledger_waybills(network, waybill), None)
        if sentence := difference(verdict, held):
            yield Difference(waybill, sentence)


def _compared(client: Client, network: str) -> Iterator[Difference]:
    """Both lists in step: they come by waybill."""
    held_by = client.ledger_waybills(network)
    held = next(held_by, None)
    for case in client.cases(network=network):
        while held is not None and held["waybill"] < case["waybill"]:
            yield Difference(held["waybill"], difference(None, held))
            held = next(held_by, None)
        same = held is not None and held["waybill"] == case["waybill"]
        if sentence := difference(case["verdict"], held if same else None):
            yield Difference(case["waybill"], sentence)
        if same:
            held = next(held_by, None)
    while held is not None:
        yield Difference(held["waybill"], difference(None, held))
        held = next(held_by, None)


def difference(verdict: Document | None, held: Document | None) -> str:
    """What differs, in a sentence; empty where nothing does."""
    if verdict is None or held is None:
        if verdict is None and held is None:
            return ""
        return (
            "is in the ledger, and arbitration has no verdict" if verdict is None else "is not in the ledger"
        )
    if held["version"] != verdict["version"]:
        return f"stands at version {held['version']} in the ledger, at {verdict['version']} in arbitration"
    wanted, booked = wanted_of(verdict), booked_of(held)
    for place in sorted(wanted.keys() | booked.keys()):
        if wanted[place] != booked[place]:
            finding_id, party, frozen = place
            account = "frozen, " if frozen else ""
            return f"{finding_id}, {account}{party}: must owe {wanted[place]} fen, owes {booked[place]} in the ledger"
    return ""


def wanted_of(verdict: Document) -> Owed:
    """What each party owes by the findings of a verdict."""
    owed: Owed = Counter()
    for finding in verdict["findings"]:
        if finding["kind"] not in MONEY_KINDS or finding["state"] == "revoked" or finding["site"] is None:
            continue
        frozen = finding["state"] == "frozen"
        owed[finding["finding_id"], finding["site"], frozen] += finding["amount_fen"]
        for award in finding["awards"]:
            owed[finding["finding_id"], award["to"], frozen] -= award["amount_fen"]
    return owed


def booked_of(held: Document) -> Owed:
    """What each party owes by the accounts of the ledger."""
    owed: Owed = Counter()
    for one in held["standing"]:
        account, _, customer = one["account"].partition(".")
        party = one.get("site") or customer or "hq"
        owed[one["finding_id"], party, account.endswith("frozen")] += one["owed_fen"]
    return owed
