"""Waiting until everything that was sent has come out: verdicts, ledger and notices. Conditions, never a nap."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from faultline.client import Client, Document
from shared.errors import FaultlineError

_POLL_S: Final = 0.3
_NO_SITES: Final = frozenset({"hq", "sender", "recipient", "beneficiary"})
"""Receivers of money that have no account and no notices."""

Look = Callable[[], tuple[int, int]]
"""Looks once: how many of how many are there."""
Watch = Callable[[str, int, int], None]
"""Told what is waited for, and how many of how many are there."""


class Stake(NamedTuple):
    """A site that a finding concerns."""

    network: str
    waybill: str
    finding_id: str
    site: str


class Settling:
    """Waits for the results of what was sent to `networks`.

    `expected`: `network/waybill` → the number of its events, of every waybill that must have a verdict.
    """

    def __init__(
        self,
        client: Client,
        networks: Iterable[str],
        expected: Mapping[str, int],
        *,
        timeout_ms: int,
        watch: Watch,
    ) -> None:
        self._client = client
        self._networks = list(networks)
        self._expected = expected
        self._timeout_ms = timeout_ms
        self._watch = watch
        self.cases: list[Document] = []
        """Every case as last read."""

    def wait(self) -> list[Document]:
        """Return all cases once verdicts have seen every event, the ledger is what they say and every site was told.

        Raises FaultlineError where that takes longer than the time-out.
        """
        self._until("verdicts", self._verdicts, "arbitration")
        self._until("accounts", self._accounts, "penalties")
        self._until("notices", self._notices, "notify")
        return self.cases

    def _until(self, what: str, look: Look, service: str) -> None:
        limit_s = time.monotonic() + self._timeout_ms / 1000
        while True:
            there, wanted = look()
            self._watch(what, there, wanted)
            if there >= wanted:
                return
            if time.monotonic() > limit_s:
                raise FaultlineError(
                    f"Only {there} of {wanted} {what} are as they should be after {self._timeout_ms // 1000} s.",
                    cause=f"{service} is slow, stuck or wrong.",
                    remedy=f"look at `faultline status` and `faultline logs {service}`; run the same command again"
                    " to go on.",
                )
            time.sleep(_POLL_S)

    def _verdicts(self) -> tuple[int, int]:
        self.cases = [case for network in self._networks for case in self._client.cases(network=network)]
        seen = {f"{case['network']}/{case['waybill']}": case["events"] for case in self.cases}
        there = sum(seen.get(subject, 0) >= events for subject, events in self._expected.items())
        return there, len(self._expected)

    def _accounts(self) -> tuple[int, int]:
        owed, paid = owed_by_site(self.cases), paid_by_site(self.cases)
        right = 0
        for (network, site), amount_fen in owed.items():
            account = self._client.account(network, site)
            left_fen = amount_fen - paid[network, site]
            right += account["balance_fen"] + account["frozen_fen"] == left_fen
        return right, len(owed)

    def _notices(self) -> tuple[int, int]:
        wanted = stakes(self.cases)
        told = {
            Stake(notice["network"], notice["waybill"], notice["finding_id"], notice["site"])
            for network in self._networks
            for notice in self._client.notices(network=network)
            if notice.get("finding_id")
        }
        return len(wanted & told), len(wanted)


def owed_by_site(cases: Iterable[Document]) -> dict[tuple[str, str], int]:
    """What each site must owe in fen by these verdicts: its findings less the awards to it (contract.md §4)."""
    owed: Counter[tuple[str, str]] = Counter()
    for case, finding in standing_findings(cases):
        if finding["site"] is not None:
            owed[case["network"], finding["site"]] += finding["amount_fen"]
        for award in finding["awards"]:
            if award["to"] not in _NO_SITES:
                owed[case["network"], award["to"]] -= award["amount_fen"]
    return dict(owed)


def paid_by_site(cases: Iterable[Document]) -> Counter[tuple[str, str]]:
    """What each site has paid to customers itself, in fen, of what it owes them by these verdicts."""
    paid: Counter[tuple[str, str]] = Counter()
    for case, finding in standing_findings(cases):
        if finding["kind"] == "compensation" and finding["state"] != "frozen":
            paid[case["network"], finding["site"]] += finding["calculation"].get("paid_fen", 0)
    return paid


def stakes(cases: Iterable[Document]) -> set[Stake]:
    """Every site that must have been told of a finding: the one it is about and those that receive money."""
    found = set()
    for case, finding in standing_findings(cases):
        paid = {
            award["to"]
            for award in finding["awards"]
            if award["to"] not in _NO_SITES and award["amount_fen"] > 0
        }
        for site in paid | ({finding["site"]} if finding["site"] is not None else set()):
            found.add(Stake(case["network"], case["waybill"], finding["finding_id"], site))
    return found


def standing_findings(cases: Iterable[Document]) -> Iterable[tuple[Document, Document]]:
    """(case, finding) of every finding that is not revoked."""
    for case in cases:
        for finding in case["verdict"]["findings"]:
            if finding["state"] != "revoked":
                yield case, finding
