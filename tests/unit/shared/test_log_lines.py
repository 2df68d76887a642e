"""Log lines: one JSON object each, whoever wrote them."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from shared import log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("try", "try-2", "info", stream=stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_structlog_and_the_standard_library_write_alike(lines: io.StringIO) -> None:
    log.get("one").info("judged", subject="tiantian/560000000001", event_id="e-1")
    logging.getLogger("two").warning("said %s", "this", extra={"offset": 3})
    first, second = read(lines)
    assert (first["event"], first["subject"], first["event_id"]) == ("judged", "tiantian/560000000001", "e-1")
    assert (second["event"], second["offset"], second["level"]) == ("said this", 3, "warning")
    for line in (first, second):
        assert (line["service"], line["instance"]) == ("try", "try-2")
        assert str(line["timestamp"]).endswith("Z")


def test_an_exception_stays_on_one_line(lines: io.StringIO) -> None:
    try:
        raise KeyError("gone")
    except KeyError as error:
        log.get("one").error("failed", exc_info=error)
    (line,) = read(lines)
    assert "KeyError: 'gone'" in str(line["exception"])


def test_the_level_holds_and_libraries_are_quieter(lines: io.StringIO) -> None:
    log.get("one").debug("unseen")
    logging.getLogger("aiokafka.consumer").info("unseen")
    logging.getLogger("aiokafka.consumer").warning("seen")
    assert [line["event"] for line in read(lines)] == ["seen"]


def test_the_brokers_client_repeats_itself_seldom_and_says_how_often(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    client, own = logging.getLogger("aiokafka.client"), logging.getLogger("shared.bus.runner")
    for node in range(50):
        client.error("no answer from node %s", node)
        own.error("tried again")
    client.error("another matter")
    now_s = 11.0
    client.error("no answer from node %s", 50)
    shown = [
        (line["event"], line.get("left_out")) for line in read(lines) if line["logger"] == "aiokafka.client"
    ]
    assert shown == [
        ("no answer from node 0", None),
        ("another matter", None),
        ("no answer from node 50", 49),
    ]
    assert sum(line["event"] == "tried again" for line in read(lines)) == 50


def test_warnings_and_chinese_and_lone_surrogates_are_written(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("beware", UserWarning, stacklevel=1)
    log.get("one").info("派件超时")
    assert "beware" in str(read(lines)[0]["event"])
    assert "派件超时" in lines.getvalue()


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(ValueError, match="FAULTLINE_LOG_LEVEL"):
        log.configure("try", level="loud")
