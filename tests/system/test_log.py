"""Logs explain, keep secrets, and stay on their line."""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.printable import printable, scrubbed
from runflowd.system import log
from runflowd.system.log import Form

SIGNED = "https://bucket.example.com/a/b.png?X-Amz-Signature=deadbeef&X-Amz-Expires=60"


def logged(form: Form = Form.JSON, *, event: str = "something happened", **fields: Any) -> str:
    """What one event looks like."""
    stream = io.StringIO()
    log.configure(form, stream=stream)
    log.get_logger().warning(event, **{"action": "test.run", **fields})
    return stream.getvalue()


def parsed(line: str) -> dict[str, Any]:
    """The fields of a JSON line without its priority."""
    found = json.loads(line.partition(">")[2])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("level", "priority"), [("info", 6), ("warning", 4), ("error", 3), ("critical", 2)])
def test_json_lines_carry_the_journals_priority(level: str, priority: int) -> None:
    """`journalctl -p warning` works."""
    stream = io.StringIO()
    log.configure(Form.JSON, stream=stream)
    getattr(log.get_logger(), level)("x", action="test.run")

    assert stream.getvalue().startswith(f"<{priority}>{{")


def test_rule_batch_and_item_come_from_the_context() -> None:
    """Code deep down need not pass them along."""
    with log.about(rule="studio", batch=7):
        inside = parsed(logged())
    outside = parsed(logged())

    assert ("studio", 7, False) == (inside["rule"], inside["batch"], "rule" in outside)


def test_strict_mode_demands_an_action() -> None:
    """Alerts match actions, so a test run refuses events without one."""
    log.configure(Form.JSON, stream=io.StringIO(), strict=True)

    with pytest.raises(log.ActionMissingError, match="lonely event"):
        log.get_logger().info("lonely event")


def test_outside_tests_a_missing_action_is_named_so() -> None:
    """A log call must never stop the daemon."""
    stream = io.StringIO()
    log.configure(Form.JSON, stream=stream)
    log.get_logger().info("lonely event")

    assert "unnamed" == parsed(stream.getvalue())["action"]


@pytest.mark.parametrize("form", [Form.JSON, Form.CONSOLE])
@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"url": SIGNED}, "deadbeef"),
        ({"event": f"PUT {SIGNED} failed"}, "deadbeef"),
        ({"nested": {"urls": [SIGNED]}}, "deadbeef"),
        ({"error": ValueError(f"bad answer from {SIGNED}")}, "deadbeef"),
        ({"headers": {"Authorization": "Bearer abcdef123456"}}, "abcdef123456"),
        ({"line": "authorization: Bearer abcdef123456"}, "abcdef123456"),
        ({"api_key": "abcdef123456"}, "abcdef123456"),
        ({"callback_secret": "abcdef123456"}, "abcdef123456"),
        ({"text": "the key rf_live_0123456789abcdef is wrong"}, "456789abcdef"),
        ({"proxy": "http://user:abcdef123456@proxy:3128"}, "abcdef123456"),
    ],
)
def test_secrets_never_reach_a_log(form: Form, fields: dict[str, Any], secret: str) -> None:
    """Keys, signatures and queries of presigned URLs are cut out wherever they stand (scenario 117)."""
    assert secret not in logged(form, **fields)


def test_secrets_in_tracebacks_are_cut_too() -> None:
    """An exception's text is a log like any other."""
    stream = io.StringIO()
    log.configure(Form.CONSOLE, stream=stream)
    log.get_logger().error("failed", action="test.run", exc_info=ValueError(SIGNED))

    assert "ValueError: https://bucket.example.com/a/b.png?..." in stream.getvalue()
    assert "deadbeef" not in stream.getvalue()


@pytest.mark.parametrize("form", [Form.JSON, Form.CONSOLE])
def test_a_file_name_cannot_forge_a_line(form: Form) -> None:
    """Line breaks, terminal escapes and broken encodings are shown, not acted upon (scenario 45)."""
    line = logged(form, path="a\n<0>forged\x1b[31m\r\udcff.jpg")

    assert 1 == line.count("\n")
    assert not {"\x1b", "\r", "\udcff"} & set(line)


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("httpx", logging.INFO, False),
        ("httpx", logging.WARNING, True),
        ("uvicorn.error", logging.INFO, False),
        ("watchdog.observers.inotify_buffer", logging.DEBUG, False),
        ("anyone", logging.ERROR, True),
    ],
)
def test_libraries_speak_when_it_matters(name: str, level: int, expected: bool) -> None:
    """Their warnings come in our form, their chatter not at all."""
    stream = io.StringIO()
    log.configure(Form.JSON, stream=stream, level="debug")
    logging.getLogger(name).log(level, "GET %s", SIGNED)

    assert expected == bool(stream.getvalue())
    assert not expected or f"library.{name}" == parsed(stream.getvalue())["action"]
    assert "deadbeef" not in stream.getvalue()


def test_python_warnings_are_logged() -> None:
    """Under systemd stderr would hold them in a form of its own."""
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.configure(Form.JSON, stream=stream)
        warnings.warn("careful", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert "library.py.warnings" == parsed(stream.getvalue())["action"]


def test_the_level_is_kept() -> None:
    """`info` and below vanish at `warning`."""
    stream = io.StringIO()
    log.configure(Form.JSON, stream=stream, level="warning")
    log.get_logger().info("x", action="test.run")

    assert "" == stream.getvalue()


def test_the_journal_is_recognised_by_device_and_inode() -> None:
    """A terminal or a file that inherited the variable is not the journal."""
    with tempfile.TemporaryFile("w") as stream:
        found = os.fstat(stream.fileno())
        here, elsewhere = f"{found.st_dev}:{found.st_ino}", f"{found.st_dev}:0"

        answers = [log.into_journal(stream, {"JOURNAL_STREAM": place}) for place in (here, elsewhere)]

    assert [True, False] == answers


@given(st.text())
def test_printable_text_is_one_printable_line(text: str) -> None:
    """For every text there is."""
    assert printable(text).isprintable()


@given(st.text(alphabet="abc/:?#@&= \n'"), st.text(alphabet="0123456789", min_size=6))
def test_no_query_survives_scrubbing(before: str, secret: str) -> None:
    """Wherever the URL stands in the text."""
    assert secret not in scrubbed(f"{before} https://host/path?sig={secret}")


def test_a_line_of_the_standard_library_keeps_its_action() -> None:
    """The local service logs through it, with an action of its own."""
    stream = io.StringIO()
    log.configure(Form.JSON, stream=stream)
    logging.getLogger("some.library").error("x", extra={"action": "run_failed"})

    assert "run_failed" == parsed(stream.getvalue())["action"]
