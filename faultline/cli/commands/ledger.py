"""`faultline ledger`: prove the ledger's chains and balances, and compare it with arbitration's verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from faultline.access import require_local_client
from faultline.cli.app import app, say
from faultline.client import Client, Document
from faultline.reconcile import differences
from faultline.stack.state import Home
from shared.errors import FaultlineError

ledger = typer.Typer(help="Prove the ledger, and compare it with the verdicts.", no_args_is_help=True)
app.add_typer(ledger, name="ledger")

NetworkOption = Annotated[str | None, typer.Option("--network", help="One network; all where left out.")]


@ledger.command("verify")
def verify(network: NetworkOption = None) -> None:
    """Recompute every hash chain and balance; exit code 1 names the first broken link of each chain."""
    with require_local_client(Home.find()) as client:
        summary = report(client.ledger_verification(network))
    if not summary["ok"]:
        raise FaultlineError(
            "The ledger does not prove.",
            cause="an entry, a kept balance or a chain's newest link was changed beside the service.",
            remedy="see docs/how-to/keep-the-books.md: compare with penalties.postings and restore.",
        )


def report(lines: Iterable[Document]) -> Document:
    """Say what a proof found and return its summary. Raises FaultlineError where it was cut off."""
    for line in lines:
        if "summary" in line:
            summary: Document = line["summary"]
            say(
                f"{summary['chains']} chains, {summary['entries']} entries, {summary['debits_fen']} fen on each side:"
                f" {'proved' if summary['ok'] else 'BROKEN'}"
            )
            return summary
        chain = line["chain"]
        name = f"{chain['network']}/{chain['partition']}"
        if chain["ok"]:
            say(f"{name}: {chain['entries']} entries, {chain['head']}")
        if broken := chain.get("broken"):
            entry = f" (entry {broken['entry_id']})" if "entry_id" in broken else ""
            say(f"{name}: BROKEN at {broken['position']}{entry}: {broken['problem']}")
        for difference in chain.get("differences", ()):
            say(f"{name}: BALANCE {difference}")
    raise FaultlineError(
        "The proof was cut off.",
        cause="penalties or the connection stopped in the middle.",
        remedy="look at its log and run the command again.",
    )


@ledger.command("reconcile")
def reconcile(network: NetworkOption = None) -> None:
    """Compare the ledger with arbitration's newest verdicts; list every difference, exit code 1 where there is one."""
    found = 0
    with require_local_client(Home.find()) as client:
        networks = [network] if network else _networks(client)
        for name in networks:
            for waybill, sentence in differences(client, name):
                found += 1
                say(f"{name}/{waybill} {sentence}")
    if found:
        raise FaultlineError(
            f"{found} waybills differ.",
            cause="penalties is behind, has a dead letter of them, or was changed beside the service.",
            remedy="look at its /readyz and /v1/dead-letters, then run `faultline ledger verify`.",
        )
    say(f"no difference in {', '.join(networks) or 'any network'}")


def _networks(client: Client) -> list[str]:
    """The networks that have registered sites or entries."""
    chains = (line["chain"]["network"] for line in client.ledger_verification() if "chain" in line)
    return sorted({site["network"] for site in client.sites()} | set(chains))
