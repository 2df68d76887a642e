"""The pages' own words, in both languages: one TOML file a page family in `words/`, `[group] name = {zh, en}`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from services.console.formats import Language

DIRECTORY = Path(__file__).parent / "words"


class Words:
    """All words of `directory`. Raises ValueError where two files have the same word."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self.groups: dict[str, dict[str, dict[str, str]]] = {}
        for path in sorted(directory.glob("*.toml")):
            for group, words in tomllib.loads(path.read_text(encoding="utf-8")).items():
                known = self.groups.setdefault(group, {})
                if twice := known.keys() & words.keys():
                    raise ValueError(f"{path.name} has words of another file again: {group}.{sorted(twice)}")
                known.update(words)

    def say(self, language: Language, group: str, name: str, /, **values: object) -> str:
        """The word, with `{names}` in it filled from `values`; `name` itself where there is none, as for a site's code."""
        known = self.groups.get(group, {}).get(name)
        if known is None:
            return name
        return known[language].format(**values) if values else known[language]

    def choices(self, language: Language, group: str) -> dict[str, str]:
        """Every word of a group by its name, as a choice between them shows it."""
        return {name: both[language] for name, both in self.groups[group].items()}
