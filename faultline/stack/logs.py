"""The log files: one JSON object a line, also where a process printed something else before it died."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_ROTATE_AT_BYTES = 64 * 1024 * 1024
_LAST_WORDS_MOST_BYTES = 16 * 1024


def rotate(log: Path) -> None:
    """Put a large log aside as `<name>.1` before a process starts to append to it."""
    if log.exists() and log.stat().st_size > _ROTATE_AT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def fold_last_words(log: Path, service: str, exit_code: int) -> str:
    """Turn the plain lines at the end of a dead process's log (a traceback, say) into one JSON line, and return them.

    Only for a log that nobody else writes any more.
    """
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
        stream.truncate(end - len(words))
        stream.seek(0, 2)
        record = {
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "level": "error" if exit_code else "info",
            "logger": "faultline.stack",
            "service": service,
            "event": "process ended",
            "exit_code": exit_code,
        }
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
