"""What the demo prints at the end: figures, verdicts by rule, fines by site, one case explained, where things are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from faultline.client import Client, Document
from faultline.explain import case_tree, yuan
from faultline.settling import standing_findings

_SITES_SHOWN: Final = 10
_FIGURES_WIDTH: Final = 47
"""What the columns before the clause need."""
_WORTH_EXPLAINING: Final = ("TT-07", "TT-06", "TT-04")
_MONEY: Final = ("fine", "compensation")


def print_summary(console: Console, client: Client, networks: Sequence[str], cases: list[Document]) -> None:
    """Everything but the addresses."""
    clauses = clauses_en(client)
    names = {
        (network, site["site"]): str(site["name"]) for network in networks for site in client.sites(network)
    }
    console.print(_by_rule(cases, clauses, clause_width=max(10, console.width - _FIGURES_WIDTH)))
    console.print(_by_site(cases, names))
    chosen = _example(cases)
    if chosen is not None:
        _print_case(console, client, chosen, names, clauses)
    for network in networks:
        balance = client.trial_balance(network)
        balanced = "[green]balanced[/]" if balance["balanced"] else "[red]NOT balanced[/]"
        console.print(
            f"trial balance {network}: debits {yuan(balance['debits_fen'])},"
            f" credits {yuan(balance['credits_fen'])}: {balanced}"
        )


def print_addresses(console: Console, rows: Iterable[Mapping[str, object]], operator_key: str) -> None:
    """Where the processes listen, and the operator's key."""
    console.print("\n[bold]It is running:[/]")
    for row in rows:
        console.print(f"  {row['name']:<12} {row['url']}")
    # As plain text: a key is copied, and must not be wrapped or marked up.
    console.print(f"  operator's key: {operator_key}", markup=False, highlight=False, soft_wrap=True)
    console.print("Stop it with `make down`, forget its data with `make reset`.")


def _by_rule(cases: list[Document], clauses: Mapping[str, str], *, clause_width: int) -> Table:
    found: Counter[tuple[str, str]] = Counter()
    money_fen: Counter[tuple[str, str]] = Counter()
    for _, finding in standing_findings(cases):
        key = finding["rule"], finding["kind"]
        found[key] += 1
        money_fen[key] += finding["amount_fen"] if finding["kind"] in _MONEY else 0
    table = Table(title="Findings by rule", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("rule", "kind"):
        table.add_column(heading, no_wrap=True)
    for heading in ("findings", "money"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("clause", no_wrap=True)
    for rule, kind in sorted(found):
        amount_fen = money_fen[rule, kind]
        money = yuan(amount_fen) if amount_fen else ""
        clause = shorten(clauses.get(rule, ""), clause_width, placeholder="…")
        table.add_row(rule, kind, str(found[rule, kind]), money, escape(clause))
    return table


def _by_site(cases: list[Document], names: Mapping[tuple[str, str], str]) -> Table:
    fines_fen: Counter[tuple[str, str]] = Counter()
    compensation_fen: Counter[tuple[str, str]] = Counter()
    for case, finding in standing_findings(cases):
        if finding["site"] is not None and finding["kind"] in _MONEY:
            into = fines_fen if finding["kind"] == "fine" else compensation_fen
            into[case["network"], finding["site"]] += finding["amount_fen"]
    both = fines_fen + compensation_fen
    table = Table(
        title=f"\nFines by site (the {_SITES_SHOWN} highest)",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for heading in ("network", "site", "name"):
        table.add_column(heading, no_wrap=True)
    for heading in ("fines", "compensation"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key, _ in sorted(both.items(), key=lambda item: (-item[1], item[0]))[:_SITES_SHOWN]:
        network, site = key
        table.add_row(
            network, site, escape(names.get(key, "")), yuan(fines_fen[key]), yuan(compensation_fen[key])
        )
    return table


def _print_case(
    console: Console,
    client: Client,
    case: Document,
    names: Mapping[tuple[str, str], str],
    clauses: Mapping[str, str],
) -> None:
    network, waybill = case["network"], case["waybill"]
    console.print("\n[bold]One case explained[/]")
    console.print(
        case_tree(
            client.case(network, waybill),
            client.events(network, waybill),
            entries=client.waybill_entries(network, waybill),
            notices=client.notices(network=network, waybill=waybill),
            site_names={site: name for (of, site), name in names.items() if of == network},
            clauses_en=clauses,
            bodies=1,
        )
    )
    console.print(f"[dim]any other: faultline explain {network}/<waybill>[/]\n")


def _example(cases: list[Document]) -> Document | None:
    """The case with most to say: money from one site to another, shown by much evidence, by the first rule that has one."""
    for rule in _WORTH_EXPLAINING:
        fitting = [
            (len(finding["evidence"]), case["waybill"], case)
            for case, finding in standing_findings(cases)
            if finding["rule"] == rule and finding["amount_fen"] and finding["awards"][0]["to"] != "hq"
        ]
        if fitting:
            return max(fitting, key=lambda item: item[:2])[2]
    return None


def clauses_en(client: Client) -> dict[str, str]:
    """Rule → the words of its clause in English, as in force today."""
    return {
        rule: str(terms["clause_en"])
        for book in client.rulebooks()
        for rule, terms in client.rulebook(book)["rules"].items()
    }
