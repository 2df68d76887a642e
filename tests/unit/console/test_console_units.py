"""Sessions, languages, local times and paths of the console."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from services.console.sessions import Sessions
from services.console.sign_in import ForeignForm, own_form, safe_path
from services.console.view import View, language_of, local, yuan
from shared.clock import Clock, advance

CONSOLE = Path(__file__).parents[3] / "services" / "console"
WORDS = tomllib.loads((CONSOLE / "words.toml").read_text(encoding="utf-8"))


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


def sessions(clock: Clock | None = None, count_max: int = 10) -> Sessions:
    return Sessions(clock or Clock(), lifetime=timedelta(hours=1), count_max=count_max)


def test_a_session_gives_its_key_until_it_is_closed() -> None:
    open_ = sessions()
    token = open_.open("the-key")
    assert open_.key_of(token) == "the-key"
    assert open_.key_of(token[:-1]) is None
    open_.close(token)
    assert open_.key_of(token) is None


@pytest.mark.parametrize("token", [None, "", "x" * 1000, "\udcff"])
def test_what_is_no_token_opens_nothing(token: str | None) -> None:
    assert sessions().key_of(token) is None


def test_a_session_ends_with_its_time(tmp_path: Path) -> None:
    moves = tmp_path / "clock.json"
    open_ = sessions(Clock(moves))
    token = open_.open("the-key")
    advance(moves, timedelta(minutes=61))
    late = Sessions(Clock(moves), lifetime=timedelta(hours=1), count_max=10)
    late._sessions = open_._sessions
    assert late.key_of(token) is None


def test_the_oldest_session_makes_room() -> None:
    open_ = sessions(count_max=2)
    tokens = [open_.open(f"key-{number}") for number in range(3)]
    assert [open_.key_of(token) for token in tokens] == [None, "key-1", "key-2"]


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
    form = await own_form(request(method="POST", headers=headers, body=FORM))
    assert form == {"key": "a b", "next": "/cases"}


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
        await own_form(request(method="POST", headers=headers, body=FORM))


async def test_a_form_is_bounded() -> None:
    headers = {"host": "console", "origin": "http://console"}
    with pytest.raises(ForeignForm):
        await own_form(request(method="POST", headers=headers, body=b"key=" + b"x" * 5_000))


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
    view = View("Asia/Shanghai", secure_cookies=True)
    page = view.page(request("lang=en"), "error.html", what="away", detail="<b>")
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
    assert local(moment, ZoneInfo("Asia/Shanghai")) == shown


@pytest.mark.parametrize(
    ("amount_fen", "shown"), [(0, "0.00"), (5, "0.05"), (1_500_000, "15,000.00"), (-1_050, "-10.50")]
)
def test_amounts_are_yuan(amount_fen: int, shown: str) -> None:
    assert yuan(amount_fen) == shown


def test_every_word_has_both_languages() -> None:
    for group, words in WORDS.items():
        for name, both in words.items():
            assert set(both) == {"zh", "en"}, f"{group}.{name}"
            assert all(both.values()), f"{group}.{name}"


def test_templates_use_known_words_only() -> None:
    for template in (CONSOLE / "templates").glob("*.html"):
        for group, name in re.findall(r'word\("(\w+)", "(\w+)"\)', template.read_text(encoding="utf-8")):
            assert name in WORDS[group], f"{template.name}: {group}.{name}"


def test_templates_have_no_inline_script_or_style() -> None:
    for template in (CONSOLE / "templates").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|https?://", text), template.name
