"""The log files: one JSON object a line, also where a process printed something else before it died."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faultline.stack.state import Home
from shared.errors import FaultlineError

_ROTATE_AT_BYTES = 64 * 1024 * 1024
_LAST_WORDS_MOST_BYTES = 16 * 1024


def rotate(log: Path) -> None:
    """Put a large log aside as `<name>.1` before a process starts to append to it."""
    if log.exists() and log.stat().st_size > _ROTATE_AT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def fold_last_words(log: Path, service: str, exit_code: int) -> str:
    """Note the end of a process in its log, its last plain lines (a traceback, say) in the same record; return these.

    Only for a log that nobody else writes any more.
    """
    level = "error" if exit_code else "info"
    return _fold(log, {"level": level, "service": service, "event": "process ended", "exit_code": exit_code})


def fold_first_words(log: Path, service: str) -> None:
    """Put what a process printed before its own log began into one record; only where it prints nothing more."""
    _fold(log, {"level": "info", "service": service, "event": "process printed"}, only_with_output=True)


def _fold(log: Path, record: dict[str, Any], *, only_with_output: bool = False) -> str:
    with log.open("rb+") as stream:
        stream.seek(0, 2)
        start = max(0, stream.tell() - _LAST_WORDS_MOST_BYTES)
        stream.seek(start)
        lines = stream.read().split(b"\n")
        end = stream.tell()
        # The rest of a line that was cut in two by `start` is not judged.
        lines = lines if start == 0 else lines[1:]
        plain: list[bytes] = []
        for line in reversed(lines):
            if _is_json(line):
                break
            plain.insert(0, line)
        words = b"\n".join(plain)
        text = words.decode(errors="replace").strip()
        if only_with_output and not text:
            return text
        stream.truncate(end - len(words))
        stream.seek(0, 2)
        timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        record = {"timestamp": timestamp, "logger": "faultline.stack", **record}
        if text:
            record["output"] = text
        stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    return text


def _is_json(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def read_lines(log: Path) -> Iterator[dict[str, Any]]:
    """The records of a log, oldest first; a line that is not JSON comes as `{"event": line}`."""
    if not log.exists():
        return
    with log.open(errors="replace") as stream:
        for line in stream:
            if line.strip():
                yield parse(line)


def files_of(home: Home, names: list[str] | None = None) -> list[Path]:
    """The log files of the processes called `names`, of all where None. Raises FaultlineError for an unknown name."""
    known = sorted(log.stem for log in home.logs.glob("*.jsonl"))
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise FaultlineError(
            f"There is no log of {unknown[0]}.",
            cause="a misspelt name, or it has never run here.",
            remedy=f"use one of {', '.join(known)}." if known else "start the stack with `faultline up`.",
        )
    files = [home.log_of(name) for name in names or known]
    if "database" in (names or known):
        files.append(home.database_dir / "logs" / "database.json")
    return files


def parse(line: str) -> dict[str, Any]:
    """One line of any log of the stack, with PostgreSQL's own names for things replaced by ours."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return {"event": line.rstrip("\n")}
    if "error_severity" in record:
        return {
            "timestamp": str(record.get("timestamp", "")).replace(" UTC", "Z").replace(" ", "T"),
            "level": str(record["error_severity"]).lower(),
            "service": "database",
            "event": record.get("message", ""),
            **({"application": record["application_name"]} if record.get("application_name") else {}),
        }
    return record


class Follower:
    """Reads what is appended to some log files, across their rotation."""

    def __init__(self, files: list[Path]) -> None:
        self._offsets: dict[Path, tuple[int, int]] = {}
        self._files = files
        for log in self._all():
            self._offsets[log] = _identity_and_size(log)

    def new_records(self) -> list[dict[str, Any]]:
        """What was appended since the last call, in the order of its timestamps."""
        records = []
        for log in self._all():
            inode, size = _identity_and_size(log)
            known_inode, offset = self._offsets.get(log, (inode, 0))
            if inode != known_inode or size < offset:
                offset = 0
            if size > offset:
                with log.open("rb") as stream:
                    stream.seek(offset)
                    # A line that is still being written is left for the next time.
                    text = stream.read(size - offset).rpartition(b"\n")[0]
                offset += len(text) + 1 if text else 0
                records += [
                    parse(line) for line in text.decode(errors="replace").splitlines() if line.strip()
                ]
            self._offsets[log] = (inode, offset)
        return sorted(records, key=lambda record: str(record.get("timestamp", "")))

    def _all(self) -> list[Path]:
        return [log for log in self._files if log.exists()]


def _identity_and_size(log: Path) -> tuple[int, int]:
    found = log.stat()
    return found.st_ino, found.st_size
