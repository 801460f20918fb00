"""The section `notify`: what it says, and what is refused."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

import pytest

from runflowd.config import Notify, Webhook, load
from runflowd.config.snapshot import AppriseTarget, FolderNotices, Heartbeat
from runflowd.core.notices import Kind
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = "notify: {command: [/bin/tell]}\n"


def written(folder: Path, section: str, name: str = "runflowd.yaml") -> Path:
    """A configuration with that section, for its owner alone."""
    path = folder / name
    path.write_text(f"service: local\nrules: {{}}\n{section}")
    path.chmod(0o600)
    return path


def refusal(path: Path) -> str:
    """What is said of a configuration with a mistake."""
    with pytest.raises(ConfigError) as told:
        load(path)
    return str(told.value)


def test_every_key_arrives(tmp_path: Path) -> None:
    """In base units, with paths that start from the configuration."""
    path = written(
        tmp_path,
        """notify:
  webhook: {url: "https://hooks.test/x?key=1", secret_file: secret}
  command: [/bin/tell, -v]
  apprise: {slack: notify/slack}
  on: [incident, budget]
  after: 2m
  failures: {count: 5, within: 10m}
  heartbeat: {url: "http://localhost:9/ping", every: 30s}
  digest: 18:05
  folders: {quiet: 5m}
""",
    )

    assert load(path).notify == Notify(
        webhook=Webhook("https://hooks.test/x?key=1", str(tmp_path / "secret")),
        command=("/bin/tell", "-v"),
        apprise=(AppriseTarget("slack", str(tmp_path / "notify/slack")),),
        on=frozenset({Kind.INCIDENT, Kind.BUDGET, Kind.DIGEST, Kind.FOLDER}),
        after=120.0,
        failures=5,
        within=600.0,
        heartbeat=Heartbeat("http://localhost:9/ping", 30.0),
        digest=time(18, 5),
        folders=FolderNotices(10, 300.0),
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("notify: {webhook: {url: 'http://hooks.test/x'}}", "notify.webhook.url: must be https, unless it is on this"),
        ("notify: {heartbeat: {url: 'http://a.test'}}", "notify.heartbeat.url: must be https, unless it is on this"),
        ("notify: {webhook: {url: 'https://me:pw@a.test'}}", "notify.webhook.url: holds a user name or password"),
        ("notify: {webhook: {url: 'ftp://a.test'}}", "notify.webhook.url: is no web address"),
        ("notify: {failures: {count: 2}}", "notify.failures: has nobody to tell; add webhook, command or apprise"),
        ("notify: {digest: 6pm}", "notify.digest: write for example digest: '18:00'"),
        ("notify: {digest: 24:00}", "notify.digest: write for example digest: '18:00'"),
        ("notify: {apprise: {a b: x}}", "notify.apprise.a b: is no rule name"),
        (
            "notify: {apprise: {a: 'slack://T0/B0/s3cr3t'}}",
            "notify.apprise.a: is the address itself; put that into",
        ),
        ("notify: {command: []}", "notify.command: must not be empty"),
        ("notify: {command: [a], on: [everything]}", "notify.on"),
        ("notify: {webhook: {url: 'https://a.test', secret: x}}", "put it into a file of its own"),
    ],
)
def test_a_mistake_is_refused(tmp_path: Path, section: str, expected: str) -> None:
    """With its place and what to write instead."""
    assert expected in refusal(written(tmp_path, section))


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o664])
def test_a_file_that_others_can_write_names_no_program(tmp_path: Path, mode: int) -> None:
    """Whoever may write it could run anything as the daemon (scenario 79)."""
    path = written(tmp_path, COMMAND)
    path.chmod(mode)

    expected = f"{path}:3:10: notify.command: is not run: others than its owner can write {path}; run chmod go-w {path}"
    assert expected == refusal(path)


def test_a_folder_in_which_others_can_replace_the_file_names_no_program(tmp_path: Path) -> None:
    """Renaming another file over it is as good as writing it (scenario 79)."""
    folder = tmp_path / "open"
    folder.mkdir()
    path = written(folder, COMMAND)
    folder.chmod(0o770)
    refused = refusal(path)
    folder.chmod(0o1777)

    assert f"others than its owner can replace files in {folder}; run chmod go-w {folder}" in refused
    assert ("/bin/tell",) == load(path).notify.command


def test_the_file_that_counts_is_the_one_that_names_the_program(tmp_path: Path) -> None:
    """Rules may be in the hands of others (scenario 79)."""
    folder = tmp_path / "conf"
    folder.mkdir(mode=0o700)
    (folder / "a.yaml").write_text("rules: {}\n")
    (folder / "a.yaml").chmod(0o664)
    (folder / "b.yaml").write_text(f"service: local\n{COMMAND}")
    (folder / "b.yaml").chmod(0o644)

    assert ("/bin/tell",) == load(folder).notify.command


def test_a_file_that_others_can_write_may_name_an_address(tmp_path: Path) -> None:
    """Nothing is run for it."""
    path = written(tmp_path, "notify: {webhook: {url: 'https://a.test'}}\n")
    path.chmod(0o664)

    assert load(path).notify.webhook == Webhook("https://a.test")
