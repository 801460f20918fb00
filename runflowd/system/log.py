"""Logging: key-value lines on a terminal, JSON with journald priorities under systemd.

Every event names its `action` ("rule.paused"), which is what alerts match; the sentence is for
people and may change. Rule, batch and item come from context variables:

    log = get_logger()
    with about(rule="studio"):
        log.warning("watch limit reached", action="watch.limit")

Values from outside pass through here, so secrets are cut out and control characters escaped once,
for all callers and all libraries.
"""

from __future__ import annotations

import logging
import os
import sys
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from runflowd.core.printable import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

about = structlog.contextvars.bound_contextvars
"""Context manager: fields for every event logged inside, on this task and tasks it starts."""


class Form(StrEnum):
    """How events are written; `auto` is JSON into the journal and text everywhere else."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class ActionMissingError(Exception):
    """An event was logged without `action`; raised only where `strict` was asked for, as in tests."""


_SECRET_KEYS = ("authorization", "api_key", "apikey", "token", "secret", "password", "signature", "cookie")
_DEEPEST = 6

# syslog(3) severities, read by journald from a "<N>" prefix (sd-daemon(3)).
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}

# httpx logs each URL at INFO, uvicorn each start and stop: noise here, and both are logged in our words.
_LIBRARIES = {"httpx": "WARNING", "httpcore": "WARNING", "uvicorn": "WARNING", "watchdog": "WARNING"}


def get_logger() -> FilteringBoundLogger:
    """A logger whose events go where `configure` says."""
    return cast("FilteringBoundLogger", structlog.get_logger())


MAX_VALUE = 8_000
"""Letters of one value of an event."""


def configure(
    form: Form = Form.AUTO, *, level: str = "info", stream: TextIO | None = None, strict: bool = False
) -> None:
    """Send all events of the program and its libraries to `stream` (default stderr).

    With `strict` an event without `action` raises ActionMissingError; else it is called "unnamed".
    """
    out = sys.stderr if stream is None else stream
    as_json = form is Form.JSON or (form is Form.AUTO and into_journal(out, os.environ))
    watched = out.isatty() and not as_json  # whoever looks on knows the day
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _named(strict=strict),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if watched else "iso", utc=as_json),
        structlog.processors.format_exc_info,
        clean,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: logging.getLogger("runflowd"),  # the stock one looks through the stack for a name
        cache_logger_on_first_use=False,
    )
    _route_libraries(out, threshold, shared, _renderers(out, as_json=as_json))


def into_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` is the very one that systemd connected to the journal (`$JOURNAL_STREAM`)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut secrets out of every value and escape what a terminal or a line-based reader would act on."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def _clean(key: str, value: Any, depth: int) -> Any:
    if value is not None and _names_a_secret(key):
        return "***"
    if key == "exception" and isinstance(value, str):
        return "\n".join(excerpt(line, MAX_VALUE) for line in value.splitlines())
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if depth < _DEEPEST and isinstance(value, dict):
        return {printable(str(name)): _clean(str(name), each, depth + 1) for name, each in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_clean("", each, depth + 1) for each in value]
    return excerpt(str(value), MAX_VALUE)


@lru_cache(maxsize=256)  # the same few keys in every event
def _names_a_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_KEYS)


def _named(*, strict: bool) -> Processor:
    """A processor that sees to it that every event has its `action`."""

    def name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        record = event.get("_record")
        if record is not None:
            event.setdefault("action", getattr(record, "action", f"library.{record.name}"))
        elif "action" not in event:
            if strict:
                raise ActionMissingError(f"the event {event.get('event')!r} has no action")
            event["action"] = "unnamed"
        return event

    return name


def _renderers(out: TextIO, *, as_json: bool) -> list[Processor]:
    if as_json:
        return [_as_journal_line]
    colours = out.isatty() and "NO_COLOR" not in os.environ
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain, pad_event_to=0)]


def _as_journal_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    rendered = structlog.processors.JSONRenderer(sort_keys=False)(logger, method, event)
    text = rendered if isinstance(rendered, str) else rendered.decode()
    return f"<{_PRIORITIES.get(str(event.get('level')), 6)}>{text}"


def _route_libraries(out: TextIO, threshold: int, shared: list[Processor], renderers: list[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    logging.captureWarnings(capture=True)
    for name, level in _LIBRARIES.items():
        logging.getLogger(name).setLevel(level)
