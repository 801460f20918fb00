"""`runflowd notify test`: whether people are reached."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runflowd.cli import group
from runflowd.commands.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from pathlib import Path


def configured(folder: Path, notify: str) -> str:
    """The path of a configuration with that section."""
    path = folder / "runflowd.yaml"
    path.write_text(f"service: local\nrules: {{}}\n{notify}")
    path.chmod(0o600)
    return str(path)


def test_each_channel_says_whether_it_took_the_message(tmp_path: Path) -> None:
    """One that fails keeps no other from being tried, and is the outcome."""
    program = tmp_path / "tell"
    seen = tmp_path / "seen"
    program.write_text(f"#!{sys.executable}\nimport sys\nopen({str(seen)!r}, 'w').write(sys.stdin.read())\n")
    program.chmod(0o700)
    place = configured(tmp_path, f"notify: {{command: [{program}], apprise: {{chat: {tmp_path}/gone}}}}\n")
    found = CliRunner().invoke(group, ["notify", "test", "-c", place], standalone_mode=False)

    assert Exit.FAILED == found.return_value
    first, second = found.stdout.splitlines()
    assert "notify.command: delivered" == first
    assert second.startswith(f"notify.apprise.chat: failed: the address cannot be read from {tmp_path}/gone")
    assert ("test", "TEST") == tuple(json.loads(seen.read_text())[key] for key in ("kind", "code"))


def test_a_channel_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """With those that there are."""
    place = configured(tmp_path, "notify: {apprise: {chat: gone}}\n")
    found = CliRunner().invoke(group, ["notify", "test", "-c", place, "apprise.chta"], standalone_mode=False)

    assert isinstance(found.exception, CommandError)
    assert "there is no channel 'apprise.chta'; did you mean 'apprise.chat'? There are: apprise.chat." == str(
        found.exception
    )


def test_nobody_to_tell_is_said(tmp_path: Path) -> None:
    """Nothing would arrive, so nothing is said to have."""
    with pytest.raises(CommandError, match="nobody is notified"):
        group.main(["notify", "test", "-c", configured(tmp_path, "")], standalone_mode=False)
