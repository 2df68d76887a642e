"""Sessions, languages, local times and paths of the console."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from services.console.formats import duration, from_local, local, yuan
from services.console.forms import ForeignForm, Form, read_form
from services.console.sessions import Sessions
from services.console.sign_in import safe_path
from services.console.view import View, language_of
from services.console.viewer import Viewer
from services.console.vocabulary import Words
from shared.clock import Clock, advance
from shared.http.peers import PeerError

CONSOLE = Path(__file__).parents[3] / "services" / "console"
WORDS = Words().groups
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))
ZONE = ZoneInfo("Asia/Shanghai")


def request(
    query: str = "", *, headers: dict[str, str] | None = None, body: bytes = b"", method: str = "GET"
) -> Request:
    """A request as the server hands it over."""
    given = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "server": ("console", 80),
        "path": "/cases",
        "query_string": query.encode(),
        "headers": given,
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


def viewer(key: str = "the-key", owner: str = "/desks/care", *scopes: str) -> Viewer:
    return Viewer.of(key, {"key_id": "k", "owner": owner, "network": None, "scopes": scopes or ("read",)})


def sessions(clock: Clock | None = None, count_max: int = 10) -> Sessions:
    return Sessions(clock or Clock(), lifetime=timedelta(hours=1), count_max=count_max)


def test_a_session_gives_its_viewer_until_it_is_closed() -> None:
    open_ = sessions()
    token = open_.open(viewer())
    assert open_.viewer_of(token) == viewer()
    assert open_.viewer_of(token[:-1]) is None
    open_.close(token)
    assert open_.viewer_of(token) is None


@pytest.mark.parametrize("token", [None, "", "x" * 1000, "\udcff"])
def test_what_is_no_token_opens_nothing(token: str | None) -> None:
    assert sessions().viewer_of(token) is None


def test_a_session_ends_with_its_time(tmp_path: Path) -> None:
    moves = tmp_path / "clock.json"
    open_ = sessions(Clock(moves))
    token = open_.open(viewer())
    advance(moves, timedelta(minutes=61))
    late = Sessions(Clock(moves), lifetime=timedelta(hours=1), count_max=10)
    late._sessions = open_._sessions
    assert late.viewer_of(token) is None


def test_the_oldest_session_makes_room() -> None:
    open_ = sessions(count_max=2)
    tokens = [open_.open(viewer(f"key-{number}")) for number in range(3)]
    found = [open_.viewer_of(token) for token in tokens]
    assert [one and one.key for one in found] == [None, "key-1", "key-2"]


@pytest.mark.parametrize(
    ("owner", "role", "site"),
    [("/sites/GZ01", "site", "GZ01"), ("/desks/care", "desk", None), ("/operators/local", "operator", None)],
)
def test_the_role_of_a_viewer(owner: str, role: str, site: str | None) -> None:
    looks = viewer("the-key", owner, "read", "decide")
    assert (looks.role, looks.site) == (role, site)
    assert looks.may("decide", "read")
    assert not looks.may("decide", "admin")
    assert "the-key" not in repr(looks)


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("/cases?site=BJ02", "/cases?site=BJ02"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("cases", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\..\\evil", "/"),
        ("https://evil.example/", "/"),
        ("/cases\r\nX: y", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_sign_in_one_stays_on_these_pages(path: str | None, after: str) -> None:
    assert safe_path(path) == after


@given(st.text())
def test_no_path_leads_to_another_host(path: str) -> None:
    assert re.match(r"/(?![/\\])", safe_path(path) + " ")


FORM = b"key=a%20b&next=%2Fcases"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "console:8000", "origin": "http://console:8000"},
        {"host": "console:8000", "sec-fetch-site": "same-origin"},
        {"host": "console", "origin": "http://console", "sec-fetch-site": "same-origin"},
    ],
)
async def test_own_forms_are_taken(headers: dict[str, str]) -> None:
    form = await read_form(request(method="POST", headers=headers, body=FORM))
    assert form.values == {"key": "a b", "next": "/cases"}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "console"},
        {"host": "console", "origin": "null"},
        {"host": "console", "origin": "http://evil.example"},
        {"host": "console", "origin": "http://console:81"},
        {"host": "console", "origin": "http://console", "sec-fetch-site": "cross-site"},
        {"host": "console", "sec-fetch-site": "same-site"},
    ],
)
async def test_forms_of_others_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForeignForm):
        await read_form(request(method="POST", headers=headers, body=FORM))


async def test_a_form_is_bounded() -> None:
    headers = {"host": "console", "origin": "http://console"}
    with pytest.raises(ForeignForm):
        await read_form(request(method="POST", headers=headers, body=b"key=" + b"x" * 70_000))
    with pytest.raises(ForeignForm):
        await read_form(request(method="POST", headers=headers, body=b"&".join([b"key=x"] * 65)))


async def test_a_form_keeps_its_id_through_correction_and_confirmation() -> None:
    headers = {"host": "console", "origin": "http://console"}
    first = Form()
    body = f"form_id={first.form_id}&confirmed=yes&text=+late+".encode()
    again = await read_form(request(method="POST", headers=headers, body=body))
    assert (again.form_id, again["text"], again.confirmed) == (first.form_id, "late", True)
    assert again.own == {"text": "late"}
    forged = await read_form(request(method="POST", headers=headers, body=b"form_id=../../x"))
    assert re.fullmatch(r"[0-9a-f]{32}", forged.form_id)


def test_a_refusal_is_shown_at_its_field() -> None:
    form = Form({"site": "?", "confirmed": "yes"})
    errors = [
        {"pointer": "/data/site", "message": "no code"},
        {"pointer": "/subject", "message": "no waybill"},
    ]
    form.refuse(PeerError("x", cause="y", remedy="z", status=422, body={"errors": errors}))
    assert form.errors == {"site": "no code", "": "no waybill"}
    assert not form.confirmed
    form = Form()
    form.refuse(PeerError("x", cause="it is away.", remedy="z"))
    assert form.errors == {"": "it is away."}


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [
        ("", {}, "zh"),
        ("", {"accept-language": "en-GB,en;q=0.9"}, "en"),
        ("", {"accept-language": "de"}, "zh"),
        ("", {"accept-language": "en", "cookie": "language=zh"}, "zh"),
        ("lang=en", {"cookie": "language=zh"}, "en"),
        ("lang=xx", {}, "zh"),
    ],
)
def test_the_language(query: str, headers: dict[str, str], language: str) -> None:
    assert language_of(request(query, headers=headers)) == language


def test_the_language_switch_is_kept() -> None:
    view = View("Asia/Shanghai", Clock(), secure_cookies=True)
    page = view.page(request("lang=en"), "shared/error.html", viewer=None, what="away", detail="<b>")
    cookie = page.headers["set-cookie"]
    assert "language=en" in cookie
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= set(cookie.split("; "))
    assert b"&lt;b&gt;" in page.body
    assert b"<b>" not in page.body


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-03-01T17:00:00Z", "2026-03-02 01:00:00"),
        ("2026-03-01T17:00:00.5+08:00", "2026-03-01 17:00:00"),
        (None, "–"),
        ("soon", "soon"),
    ],
)
def test_moments_are_local(moment: str | None, shown: str) -> None:
    assert local(moment, ZONE) == shown


@pytest.mark.parametrize(
    ("amount_fen", "shown"), [(0, "0.00"), (5, "0.05"), (1_500_000, "15,000.00"), (-1_050, "-10.50")]
)
def test_amounts_are_yuan(amount_fen: int, shown: str) -> None:
    assert yuan(amount_fen) == shown


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "0 秒", "0 s"),
        (59, "59 秒", "59 s"),
        (3_660, "1 小时 1 分", "1 h 1 min"),
        (3_601, "1 小时", "1 h"),
        (90_000, "1 天 1 小时", "1 day 1 h"),
        (-172_800, "−2 天", "−2 days"),
    ],
)
def test_durations_are_words(seconds: int, zh: str, en: str) -> None:
    span = timedelta(seconds=seconds)
    assert (duration(span, "zh"), duration(span, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T01:00", "2026-03-01T17:00:00+00:00"),
        ("2026-03-02T01:00:05+00:00", "2026-03-02T01:00:05+00:00"),
        ("soon", None),
        ("", None),
        ("0001-01-01T00:00", None),
    ],
)
def test_a_moment_is_entered_in_local_time(text: str, moment: str | None) -> None:
    found = from_local(text, ZONE)
    assert (found and found.isoformat()) == moment
