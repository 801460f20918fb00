"""`runflowd callbacks create-secret` against the local service."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from local_service import ServiceProcess

from runflowd.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service that makes secrets."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with callbacks; `secrets` is where they are kept."""
    monkeypatch.setenv("RUNFLOW_API_KEY", "rf_live_test")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "in").mkdir()
    return write(tmp_path, service.url)


def write(folder: Path, url: str, *, previous: bool = True, callbacks: bool = True) -> Path:
    """Write it; JSON is YAML."""
    told: dict[str, str] = {"public_url": "https://h.test", "secret_file": str(folder / "secrets" / "current")}
    if previous:
        told["previous_secret_file"] = str(folder / "secrets" / "previous")
    rule = {"watch": str(folder / "in"), "output": str(folder / "out"), "model": "runflow/pass-through"}
    whole = {
        "service": {"url": url, **({"callbacks": told} if callbacks else {})},
        "web": {"listen": "127.0.0.1:8787"},
        "rules": {"one": rule},
    }
    path = folder / "runflowd.yaml"
    path.write_text(json.dumps(whole))
    return path


def create(config: Path, *more: str) -> int:
    """Run the command."""
    return main(["callbacks", "create-secret", "--config", str(config), *more])


def secrets(folder: Path) -> dict[str, str]:
    """What lies in the folder of secrets."""
    return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}


def test_a_secret_is_made_and_kept_for_its_owner_alone(config: Path, tmp_path: Path) -> None:
    """Its file holds one line that only the owner can read."""
    code = create(config)

    found = secrets(tmp_path)
    assert (code, list(found), found["current"][:6]) == (0, ["current"], "whsec_")
    assert stat.S_IMODE((tmp_path / "secrets" / "current").stat().st_mode) == 0o600


def test_the_secret_is_never_shown(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on stdout nor on stderr; where it is, is."""
    create(config)

    shown = capsys.readouterr()
    secret = secrets(tmp_path)["current"].strip()
    assert (secret in shown.out + shown.err, str(tmp_path / "secrets" / "current") in shown.out) == (False, True)


def test_the_secret_before_counts_on(config: Path, tmp_path: Path) -> None:
    """It moves to the file that the receiver reads too, under the same mode."""
    create(config)
    first = secrets(tmp_path)["current"]

    create(config)

    found = secrets(tmp_path)
    assert (first, ["current", "previous"]) == (found["previous"], sorted(found))
    assert found["current"] != first
    assert stat.S_IMODE((tmp_path / "secrets" / "previous").stat().st_mode) == 0o600


def test_without_a_place_for_it_the_secret_before_is_said_to_be_gone(
    tmp_path: Path, config: Path, service: ServiceProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Callbacks that it signed are refused from now on."""
    write(tmp_path, service.url, previous=False)
    create(config)
    create(config)

    assert (list(secrets(tmp_path)), "is gone" in capsys.readouterr().out) == (["current"], True)


def test_a_refused_call_leaves_the_secrets_as_they_were(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even a draft stays behind."""
    create(config)
    before = secrets(tmp_path)
    write(tmp_path, "http://127.0.0.1:9")

    code = create(config)

    assert (code, secrets(tmp_path)) == (75, before)
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_noticed_before_a_secret_is_made(
    config: Path, tmp_path: Path, service: ServiceProcess
) -> None:
    """The service shows a secret once, so its place is made sure of first."""
    (tmp_path / "secrets").rmdir()
    before = service.ledger()["requests"].get("POST /v1/callback-secrets", 0)

    code = create(config)

    assert (code, before) == (1, service.ledger()["requests"].get("POST /v1/callback-secrets", 0))


def test_without_callbacks_in_the_configuration_it_says_what_to_add(
    config: Path, tmp_path: Path, service: ServiceProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 78: the configuration is to be changed."""
    write(tmp_path, service.url, callbacks=False)

    assert (create(config), "service.callbacks" in capsys.readouterr().err) == (78, True)
