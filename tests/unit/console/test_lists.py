"""Filters in the address, and CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import io

import pytest
from fastapi import Request

from services.console.lists import Filters, as_csv
from services.console.peers import Part


def filters(query: str) -> Filters:
    scope = {"type": "http", "method": "GET", "path": "/cases", "query_string": query.encode(), "headers": []}
    return Filters.of(Request(scope), "network", "site")


def test_filters_come_from_the_address_and_make_addresses() -> None:
    asked = filters("site=+BJ02&network=&cursor=abc&other=1")
    assert asked.asked == {"network": "", "site": "BJ02"}
    assert (asked.given, asked.cursor) == ({"site": "BJ02"}, "abc")
    assert asked.url() == "/cases?site=BJ02"
    assert asked.url(network="a&b", site=None) == "/cases?network=a%26b"
    assert asked.next(Part({"next": "n=2"})) == "/cases?site=BJ02&cursor=n%3D2"
    assert asked.next(Part({"next": None})) is None
    assert asked.next(Part()) is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "＝1", "\n=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    answer = as_csv("cases", ["waybill", "amount"], [[text, -5], ["中文", 1]])
    body = bytes(answer.body)
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert rows[1] == [f"'{text}", "-5"]
    assert rows[2] == ["中文", "1"]
