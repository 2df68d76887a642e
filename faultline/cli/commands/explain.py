"""`faultline explain`: one case as a tree, from a file or from the running stack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from faultline.access import local_client, require_local_client
from faultline.cli.app import app
from faultline.client import Client, Document
from faultline.explain import case_tree
from faultline.stack.state import Home
from faultline.summary import clauses_en
from services.arbitration.domain import AdjudicationRefused, adjudicate, load_rulebooks
from shared.clock import Clock
from shared.errors import FaultlineError

_SUBJECT = re.compile(r"([a-z][a-z0-9-]{1,31})/([A-Z0-9-]{6,32})")


@app.command()
def explain(
    target: Annotated[
        str,
        typer.Argument(help="A case file (JSON), or network/waybill of the running stack.", metavar="CASE"),
    ],
) -> None:
    """Show who is at fault and why: custody, findings with reasons in both languages, clauses, evidence, money."""
    console = Console()
    matched = _SUBJECT.fullmatch(target)
    if matched is not None and not Path(target).exists():
        with require_local_client(Home.find()) as client:
            _show_stored(console, client, matched.group(1), matched.group(2))
        return
    request = read_case_file(Path(target))
    client_or_none = local_client(Home.find())
    if client_or_none is None:
        case, clauses = judge(request), _own_clauses()
        by = "judged here, without a stack"
    else:
        with client_or_none as client:
            case = client.adjudicate(
                request["network"],
                request["now"],
                request["events"],
                facts=request.get("facts"),
                rulebook=request.get("rulebook"),
            )
            clauses = clauses_en(client)
        by = "judged by the running stack, stored nowhere"
    console.print(case_tree(case, request["events"], clauses_en=clauses))
    console.print(f"[dim]{by}[/]")


def read_case_file(file: Path) -> dict[str, Any]:
    """The request of a dry run as it stands in a file: network, now, events, facts?, rulebook?.

    Raises FaultlineError where there is no such file, or it is something else.
    """
    try:
        request = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FaultlineError(
            f"{file} cannot be read as a case: {error}.",
            cause="it is no file of JSON; a waybill of the running stack is written network/waybill.",
            remedy="give the path of a case file, or something like tiantian/560000000001.",
        ) from error
    lacking = [
        name for name in ("network", "now", "events") if not isinstance(request, dict) or name not in request
    ]
    if lacking:
        raise FaultlineError(
            f"{file} is no case: it lacks {', '.join(lacking)}.",
            cause="a case is an object with the network, the moment of judgement `now`, and the waybill's events.",
            remedy="write it like the body of POST /v1/adjudications.",
        )
    return dict(request)


def judge(request: dict[str, Any]) -> Document:
    """The case document by the rules of this installation. Raises FaultlineError where an event is wrong."""
    try:
        document = adjudicate(request, load_rulebooks())
    except AdjudicationRefused as refused:
        wrong = "; ".join(f"{error.pointer} {error.message}" for error in refused.errors[:5])
        raise FaultlineError(
            "The case cannot be judged.", cause=wrong, remedy="correct these members of the file."
        ) from refused
    return dict(msgspec.to_builtins(document))


def _own_clauses() -> dict[str, str]:
    """Rule → the words of its clause in English, by the rulebooks of this installation."""
    books = load_rulebooks()
    today = Clock().now().date()
    return {
        rule: terms["clause_en"]
        for book in books.ids()
        for rule, terms in books.describe(book, today)["rules"].items()
    }


def _show_stored(console: Console, client: Client, network: str, waybill: str) -> None:
    case = client.case(network, waybill)
    names = {site["site"]: site["name"] for site in client.sites(network)}
    console.print(
        case_tree(
            case,
            client.events(network, waybill),
            entries=client.waybill_entries(network, waybill),
            notices=client.notices(network=network, waybill=waybill),
            site_names=names,
            clauses_en=clauses_en(client),
        )
    )
