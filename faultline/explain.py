"""A case for the eyes: custody, findings, reasons, clauses, evidence, calculation and money as a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.tree import Tree

from faultline.client import Document

ZONE: Final = ZoneInfo("Asia/Shanghai")
_STATE_COLOURS: Final = {"active": "green", "provisional": "yellow", "frozen": "cyan", "revoked": "dim"}
_RECEIVED: Final = {"collection": "collected", "piece": "arrived", "bag": "arrived in its bag"}


def case_tree(
    case: Document,
    events: Iterable[Document],
    *,
    entries: Iterable[Document] = (),
    notices: Iterable[Document] = (),
    site_names: Mapping[str, str] | None = None,
    clauses_en: Mapping[str, str] | None = None,
    bodies: int | None = None,
) -> Tree:
    """The case document of contract.md §4 as a tree, with the events that its evidence refers to.

    `entries` and `notices` of the waybill are shown where given; `site_names` says what a site's code stands for,
    `clauses_en` how a rule's clause reads in English (the case has the source's own words). `bodies`: how many notices
    are shown whole, None for all; of the others the title.
    """
    names = site_names or {}
    verdict = case["verdict"]
    title = f"[bold]{case['network']}/{case['waybill']}[/] · {case['status']} · {case['events']} events"
    tree = Tree(title, guide_style="dim")
    if verdict is not None:
        book = verdict["rulebook"]
        tree.add(
            f"verdict {verdict['version']} of {local(verdict['decided_at'])}"
            f" by rulebook {book['id']}, in force from {book['in_force_from']}"
        )
    _add_custody(tree, case["custody"], names)
    known = {(event["source"], event["id"]): event for event in events}
    findings = verdict["findings"] if verdict is not None else []
    for finding in findings:
        _add_finding(tree, finding, known, names, clauses_en or {})
    if not findings:
        tree.add("nobody is at fault")
    if case.get("next_review_at"):
        tree.add(f"could change by the passing of time at {local(case['next_review_at'])}")
    _add_entries(tree, entries)
    _add_notices(tree, notices, names, bodies)
    return tree


def yuan(amount_fen: int) -> str:
    """An amount of fen in yuan."""
    return f"{amount_fen / 100:,.2f} yuan"


def local(moment: str | datetime | None) -> str:
    """A moment in the networks' zone, to the minute."""
    if moment is None:
        return "–"
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{parsed.astimezone(ZONE):%Y-%m-%d %H:%M}"


def _add_custody(tree: Tree, custody: Iterable[Document], names: Mapping[str, str]) -> None:
    branch = tree.add("[bold]custody[/]")
    for link in custody:
        received = _RECEIVED.get(link["received_by"])
        came = f"{received} {local(link['received_at'])}" if received else "[red]no arrival scan[/]"
        left = f"let go {local(link['released_at'])}" if link["released_at"] else "still holds it"
        leg = " (return)" if link["leg"] == "return" else ""
        branch.add(f"{_site(link['site'], names)} · {link['role']}{leg} · {came} · {left}")


def _add_finding(
    tree: Tree,
    finding: Document,
    known: Mapping[tuple[str, str], Document],
    names: Mapping[str, str],
    clauses_en: Mapping[str, str],
) -> None:
    colour = _STATE_COLOURS.get(finding["state"], "white")
    amount = f" · {yuan(finding['amount_fen'])}" if finding["amount_fen"] else ""
    branch = tree.add(
        f"[bold]{finding['rule']}[/] {finding['kind']} · {_site(finding['site'], names)} · {finding['role']}"
        f"{amount} · [{colour}]{finding['state']}[/]"
    )
    branch.add(escape(f"中文  {finding['reason']['zh']}"))
    branch.add(escape(f"English  {finding['reason']['en']}"))
    branch.add(escape(f"clause ({finding['clause']['source']})  {finding['clause']['text']}"))
    if not finding["ruling"] and finding["rule"] in clauses_en:
        branch.add(escape(f"in English  {clauses_en[finding['rule']]}"))
    for award in finding["awards"]:
        branch.add(f"money  {yuan(award['amount_fen'])} to {_site(award['to'], names)}")
    if finding["calculation"]:
        calculation = branch.add("calculation")
        for name, value in finding["calculation"].items():
            calculation.add(escape(f"{name}: {_value(name, value)}"))
    if finding["assumed"]:
        branch.add(f"assumed values (not in the source)  {', '.join(finding['assumed'])}")
    if finding.get("exemptions"):
        branch.add(f"exemptions that touched it  {', '.join(finding['exemptions'])}")
    evidence = branch.add("evidence")
    for reference in finding["evidence"]:
        event = known.get((reference["source"], reference["id"]))
        told = f"{event['type']} {local(event['time'])} by " if event is not None else ""
        late = " · [yellow]recorded long after the fact[/]" if reference["late_recorded"] else ""
        evidence.add(f"{escape(told)}{escape(reference['source'])} [dim]{escape(reference['id'])}[/]{late}")


def _add_entries(tree: Tree, entries: Iterable[Document]) -> None:
    rows = list(entries)
    if rows:
        branch = tree.add("[bold]ledger[/]")
        for entry in rows:
            branch.add(
                f"{entry['kind']} {yuan(entry['amount_fen'])} · debit {_account(entry['debit'])}"
                f" · credit {_account(entry['credit'])} · {entry['rule']} version {entry['version']}"
            )


def _add_notices(
    tree: Tree, notices: Iterable[Document], names: Mapping[str, str], bodies: int | None
) -> None:
    rows = sorted(notices, key=lambda notice: str(notice["created_at"]))
    if rows:
        branch = tree.add("[bold]notices[/]")
        for number, notice in enumerate(rows):
            due = f" · to act by {local(notice['due_at'])}" if notice.get("due_at") else ""
            told = branch.add(
                f"to {_site(notice['site'], names)} in {notice['language']} · {notice['state']}{due}"
            )
            told.add(escape(notice["title"]))
            if bodies is None or number < bodies:
                told.add(escape(notice["body"].strip()))


def _account(side: Document) -> str:
    return f"{side['account']}/{side['site']}" if side.get("site") else str(side["account"])


def _site(code: str | None, names: Mapping[str, str]) -> str:
    if code is None:
        return "nobody"
    return escape(f"{code} {names[code]}" if code in names else code)


def _value(name: str, value: Any) -> str:
    """A figure of a calculation: money in yuan, lists one after the other."""
    if name.endswith("_fen") and isinstance(value, int):
        return f"{value} ({yuan(value)})"
    if isinstance(value, list):
        return "; ".join(_value("", item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(key, item)}" for key, item in value.items())
    return str(value)
