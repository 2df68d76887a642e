"""Logs: one JSON object a line on standard error, the libraries' own lines included.

Every line has `timestamp` (UTC, the machine's clock, whatever the product's clock shows), `level`, `event`, `logger`,
`service` and `instance`. Add `subject` and `event_id` where a line is about an event; never personal data.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

# Libraries that narrate every connection, poll or step at INFO.
_QUIETER = dict.fromkeys(("aiokafka", "httpx", "httpcore", "alembic", "uvicorn"), logging.WARNING)

_REPETITIVE = "aiokafka"
_REPEAT_S = 10.0
_MESSAGES_MAX = 1_000


def configure(service: str, instance: str = "", level: str = "INFO", *, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's log to `stream` (standard error where None) as JSON lines.

    `instance` names this copy of the service (the service's name where empty). `level` is a standard level name;
    another one raises ValueError. Calling again replaces what was configured before.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(
            f"Unknown log level {level!r}: use DEBUG, INFO, WARNING or ERROR (FAULTLINE_LOG_LEVEL)."
        )
    constants = {"service": service, "instance": instance or service}
    every_line: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _constants(constants),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *every_line,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=every_line,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(max(number, least))
    logging.captureWarnings(True)


def get(name: str, **values: object) -> structlog.stdlib.BoundLogger:
    """The logger called `name` (a module's `__name__`), with `values` on each of its lines."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger.bind(**values) if values else logger


class _Seldom(logging.Filter):
    """Lets the client of the broker say the same once in `_REPEAT_S`, and then how often it was left out.

    While the broker is away it complains dozens of times a second: its lines would fill the next disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_REPETITIVE):
            return True
        # The message before its arguments are filled in.
        key, now_s = (record.name, str(record.msg)), time.monotonic()
        said_s, left_out = self._said.get(key, (float("-inf"), 0))
        if now_s - said_s < _REPEAT_S:
            self._said[key] = said_s, left_out + 1
            return False
        if len(self._said) >= _MESSAGES_MAX:
            self._said.clear()
        self._said[key] = now_s, 0
        if left_out:
            record.left_out = left_out
        return True


def _constants(values: Mapping[str, str]) -> structlog.typing.Processor:
    def add(
        _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:  # structlog's own signature
        return {**values, **line}

    return add
