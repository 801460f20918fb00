"""Completion as a shell does it: the script is sourced, the key is pressed, the suggestions are read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "runflowd"

PRESS = r"""
set -eu
source "$SCRIPT"
complete -p runflowd >&2
COMP_WORDS=(runflowd "$@") COMP_CWORD=$#
_runflowd_completion runflowd
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `runflowd completion bash` prints."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed here")
    path = tmp_path_factory.mktemp("completion") / "runflowd.bash"
    path.write_bytes(subprocess.run([PROGRAM, "completion", "bash"], check=True, capture_output=True).stdout)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a configuration of two rules."""
    rule = {"watch": "in", "output": "out", "model": "runflow/pass-through"}
    rules = {
        "white-studio": rule,
        "wood": {**rule, "watch": "in2", "output": "out2"},
        "grey": {**rule, "watch": "in3", "output": "out3"},
    }
    (tmp_path / "runflowd.yaml").write_text(json.dumps({"service": "local", "rules": rules}))
    return tmp_path


def press(script: Path, home: Path, *words: str) -> list[str]:
    """Press the key behind these words; what is suggested, and nothing may be said on the way."""
    environment = {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "SCRIPT": str(script),
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", PRESS, "bash", *words],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "complete -o nosort -F _runflowd_completion runflowd\n") == (done.returncode, done.stderr)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["stat"], ["status", "state"]),
        (["systemd", "dr"], ["drop-in"]),
        (["retry", "--buy"], ["--buy-again"]),
        (["list", "--state", "sav"], ["saving"]),
        (["list", "--rule", "w"], ["white-studio", "wood"]),
        (["pause", "w"], ["white-studio", "wood"]),
        (["pause", "wood", "w"], ["white-studio"]),
        (["rerun", "g"], ["grey"]),
        (["completion", "f"], ["fish"]),
    ],
)
def test_bash_suggests_what_can_follow(script: Path, home: Path, words: list[str], suggested: list[str]) -> None:
    """Commands, options, states, and the rules of the configuration."""
    assert suggested == press(script, home, *words)


def test_a_broken_configuration_is_no_noise_at_the_prompt(script: Path, home: Path) -> None:
    """Nothing is suggested, nothing is said, and nothing is made."""
    (home / "runflowd.yaml").write_text("rules: {one: [")

    assert [] == press(script, home, "pause", "w")
    assert ["runflowd.yaml"] == [path.name for path in home.iterdir()]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_script(tmp_path: Path, shell: str) -> None:
    """As far as their own parser goes."""
    text = subprocess.run([PROGRAM, "completion", shell], check=True, capture_output=True, text=True).stdout
    assert "_RUNFLOWD_COMPLETE" in text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    path = tmp_path / "script"
    path.write_text(text)

    assert 0 == subprocess.run([shell, "-n", str(path)], check=False).returncode
