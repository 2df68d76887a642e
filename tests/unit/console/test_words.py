"""Every word in both languages, every word used, none unknown; templates keep to the content security policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.console.vocabulary import Words

CONSOLE = Path(__file__).parents[3] / "services" / "console"
WORDS = Words().groups
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))
SOURCES = [*TEMPLATES, *CONSOLE.rglob("*.py")]
_CALL = re.compile(r'\b(?:word|badge)\(\s*"(\w+)",\s*(?:"(\w+)"\s*[,)])?')
_CHOICES = re.compile(r'\bchoices\("(\w+)"\)')
_NAVIGATION = re.compile(r'\bItem\(\s*"\w+",\s*"(\w+)"')


def uses(path: Path) -> set[tuple[str, str | None]]:
    """(group, name) of the words that a file says; name None where it says any of the group."""
    text = path.read_text(encoding="utf-8")
    said = {(group, name or None) for group, name in _CALL.findall(text)}
    offered = {(group, None) for group in _CHOICES.findall(text)}
    return said | offered | {("nav", name) for name in _NAVIGATION.findall(text)}


USED = {use for path in SOURCES for use in uses(path)}


def test_every_word_has_both_languages() -> None:
    for group, words in WORDS.items():
        for name, both in words.items():
            assert set(both) == {"zh", "en"}, f"{group}.{name}"
            assert all(both.values()), f"{group}.{name}"
            assert set(re.findall(r"\{\w+\}", both["zh"])) == set(re.findall(r"\{\w+\}", both["en"]))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CONSOLE)))
def test_only_known_words_are_said(path: Path) -> None:
    unknown = {
        f"{group}.{name}"
        for group, name in uses(path)
        if group not in WORDS or (name and name not in WORDS[group])
    }
    assert not unknown


def test_no_word_is_said_by_nobody() -> None:
    listed = {group for group, name in USED if name is None} - {"nav"}
    idle = {
        f"{group}.{name}"
        for group, words in WORDS.items()
        if group not in listed
        for name in words
        if (group, name) not in USED
    }
    assert not idle


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_nothing_inline_and_nothing_unescaped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forbidden = r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=|javascript:|https?://|\|\s*safe\b"
    assert not re.search(forbidden, text)


def test_two_files_with_one_word_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text('[page]\nword = { zh = "词", en = "word" }\n')
    with pytest.raises(ValueError, match="page"):
        Words(tmp_path)
