"""Deliberate bugs: each a small unified patch against the product, headed by what it breaks and what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


class DoesNotApply(AssertionError):
    """The product has moved on and the patch has not."""


@dataclass(frozen=True)
class Bug:
    """One patch. `hunks` holds, by file, the lines to be found and the lines to put in their place."""

    name: str
    breaks: str
    scenario: str
    hunks: tuple[tuple[str, str, str], ...]

    def apply(self, root: Path) -> None:
        """Put the bug into the tree at `root`. Raises DoesNotApply, with nothing changed."""
        for file, text in self.applied(root).items():
            (root / file).write_text(text, encoding="utf-8")

    def applied(self, root: Path) -> dict[str, str]:
        """The changed files as they would be. Raises DoesNotApply."""
        texts: dict[str, str] = {}
        for file, old, new in self.hunks:
            text = texts.get(file) or (root / file).read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise DoesNotApply(
                    f"{self.name}: {file} has the lines of a hunk {text.count(old)} times, not once. Likely cause: the "
                    f"product was changed there. Write the same mistake anew against it. The lines:\n{old}"
                )
            texts[file] = text.replace(old, new)
        return texts


def bugs() -> list[Bug]:
    """All deliberate bugs, by name."""
    return [read(file) for file in sorted(FOLDER.glob("*.patch"))]


def read(file: Path) -> Bug:
    """One patch. Line numbers are not looked at: the lines themselves say where it belongs."""
    head: dict[str, str] = {}
    hunks: list[tuple[str, str, str]] = []
    target = ""
    old: list[str] = []
    new: list[str] = []

    def finish() -> None:
        if old or new:
            hunks.append((target, "".join(old), "".join(new)))
        old.clear()
        new.clear()

    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if not target and not line.startswith(("---", "+++")):
            name, _, value = line.partition(":")
            head[name.strip().lower()] = value.strip()
        elif line.startswith("--- "):
            finish()
        elif line.startswith("+++ "):
            target = line[4:].strip().removeprefix("b/")
        elif line.startswith("@@"):
            finish()
        else:
            if line[0] in " -":
                old.append(line[1:])
            if line[0] in " +":
                new.append(line[1:])
    finish()
    return Bug(file.stem, head["breaks"], head["scenario"], tuple(hunks))
