"""A local service that stands alone asks for a key: its port is open to every user of the machine (scenario 149)."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from runflowd.local.keyfile import NAME, UnusableKey, key_in


def test_only_who_has_the_key_is_answered(tmp_path: Path) -> None:
    """The control routes, with the prompts and the balance in them, are no exception."""
    command = [sys.executable, "-m", "runflowd.local", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        right = {"Authorization": f"Bearer {Path(told['key_file']).read_text('ascii').strip()}"}
        paths = ("/v1/models", "/v1/runs", "/_control", "/_control/ledger")
        answers = [
            [httpx.get(told["url"] + path, headers=headers, timeout=30).status_code for path in paths]
            for headers in (right, {"Authorization": "Bearer any"}, {})
        ]
        process.terminate()

    assert [[200] * 4, [401] * 4, [401] * 4] == answers


def test_a_key_is_kept_and_read_by_nobody_else(tmp_path: Path) -> None:
    """Daemons that share the service name its file, and go on after it was started anew."""
    folder = tmp_path / "service"
    first = key_in(folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / NAME)]

    assert ([0o700, 0o600], first, True) == (modes, key_in(folder), len(first) > 40)


@pytest.mark.parametrize("trouble", ["others read it", "empty", "two words", "a link", "a pipe"])
def test_a_key_file_that_cannot_be_right_is_refused(tmp_path: Path, trouble: str) -> None:
    """With the remedy; without the file a new one is made."""
    key_in(tmp_path)
    place = tmp_path / NAME
    match trouble:
        case "others read it":
            place.chmod(0o640)
        case "empty" | "two words":
            place.write_text("" if trouble == "empty" else "no key")
        case "a link":
            place.rename(tmp_path / "elsewhere")
            place.symlink_to(tmp_path / "elsewhere")
        case _:
            place.unlink()
            os.mkfifo(place, 0o600)

    with pytest.raises(UnusableKey, match="Remove it, and the next start makes a new one"):
        key_in(tmp_path)
    place.unlink()
    assert key_in(tmp_path)
