"""The words of `check`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runflowd.config import Config, describe, load, warnings
from runflowd.system import mounts
from runflowd.system.mounts import Mount

if TYPE_CHECKING:
    from pathlib import Path

RULE = "rules:\n  one:\n    watch: in\n    output: out\n    model: a/b\n"


def loaded(folder: Path, text: str) -> Config:
    (folder / "runflowd.yaml").write_text(text)
    (folder / "runflowd.yaml").chmod(0o600)

    return load(folder / "runflowd.yaml")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "one: all files in {0}/in go through a/b."),
        ('include: ["*.jpg"]\n    exclude: [x/]', "one: files that match *.jpg except x/ in {0}/in go through a/b."),
        ("accept: [audio, image]", "one: all files that are images and audio files in {0}/in go through a/b."),
        (
            "accept: audio",
            (
                "one: changes are noticed by events, or by rescans on network shares; the whole folder is looked "
                "through every 5m; a file counts as complete when it has not changed for 2s, or for 10s if its bytes "
                "do not say where it ends."
            ),
        ),
        ("", "one: the result appears in {0}/out at the same relative path, named {{stem}}.{{ext}}."),
        ("input: {text: '${file.text}', n: 3}", "one: what stands in the file goes in as text, with n 3."),
        (
            "input: {prompt: 'a ${file.stem}'}",
            "one: nothing of the file but its name goes in, with prompt 'a ${{file.stem}}'.",
        ),
        ("input: {text: '${file.text}'}", "one: all files that are texts in {0}/in go through a/b."),
        ("input: {video_url: '${file.url}'}", "one: all files that are videos in {0}/in go through a/b."),
        ("input: {a: '${file.url}', n: 3}", "one: the file goes in as a, with n 3."),
        ("after: delete", "one: a source is DELETED once its result is safe."),
        ("after: {move: done}", "one: a source moves to {0}/done once its result is safe."),
        ("on_delete: remove", "one: when a source is deleted, its result is deleted too."),
        ("overwrite: true", "one: files in the output folder are replaced even if runflowd did not write them."),
        ("existing: skip", "one: files that are there when the rule first runs are left alone."),
        ("select: r_*", "one: of several outputs, those named r_* are kept."),
        ("overridable: [a]", "one: a _runflow.yaml in a folder may set a for the files beneath it."),
        ("enabled: false", "Turned off: one."),
    ],
)
def test_rule_is_described_in_plain_words(tmp_path: Path, lines: str, expected: str) -> None:
    """Whoever wrote the rule can see whether it means what they meant."""
    config = loaded(tmp_path, f"service: local\n{RULE}    {lines}\n")

    assert expected.format(tmp_path) in describe(config)


def test_an_address_for_apprise_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    """It is looked at when the configuration is checked, not when something is wrong at night."""
    text = "service: local\nrules: {}\nnotify: {apprise: {slack: gone, mail: empty}, digest: 18:00}\n"
    (tmp_path / "empty").touch(0o600)
    config = loaded(tmp_path, text)

    slack, mail = (line for line in warnings(config) if line.startswith("notify.apprise."))
    assert slack.startswith(f"notify.apprise.slack: the address cannot be read from {tmp_path}/gone: No such file")
    assert f"notify.apprise.mail: the address in {tmp_path}/empty is empty; write it there, on one line" == mail
    assert "A digest goes out every day at 18:00." in describe(config)


@pytest.mark.parametrize(
    ("whole", "own", "expected"),
    [
        ("{per_day: 50, per_month: 20}", "{}", "money.budget: per_month is less than per_day, so no day comes to its"),
        ("{stop: soft}", "{}", "money.budget: names no amount, so it limits nothing; write per_day or per_month"),
        ("{}", "{per_file: 0.1}", "rules.one.budget.per_file: no file of rule one ever fits, since its price is 0.35"),
        ("{per_day: 0.2}", "{}", "money.budget.per_day: no file of rule one ever fits, since its price is 0.35"),
    ],
)
def test_a_limit_that_cannot_mean_what_it_says_is_a_warning(
    tmp_path: Path, whole: str, own: str, expected: str
) -> None:
    """A remedy such as waiting for the next day would never help."""
    money = f"money: {{budget: {whole}}}\n" if whole != "{}" else ""
    text = f"service: {{api_key_file: k}}\n{money}{RULE}    price: 0.35\n    budget: {own}\n"

    assert any(line.startswith(expected) for line in warnings(loaded(tmp_path, text)))


def test_service_says_whether_it_bills(tmp_path: Path) -> None:
    """Money and where images go come first."""
    local = describe(loaded(tmp_path, "service: local\nrules: {}\n"))[0]
    hosted = describe(loaded(tmp_path, "service: {}\nrules: {}\n"))[0]

    assert local == "Files are processed on this machine; nothing is sent anywhere and nothing is billed."
    assert hosted == "Files are sent to https://api.runflow.io, which bills for them; it is polled."


def test_missing_folders_are_warnings(tmp_path: Path) -> None:
    """A mount that is away must not keep the other rules from running."""
    assert [
        f"rules.one.watch: {tmp_path}/in is not there yet; its rule waits for it",
        f"rules.one.output: {tmp_path}/out is not there yet; the first file that is written there makes it",
    ] == warnings(loaded(tmp_path, f"service: local\n{RULE}"))


def test_a_file_in_the_place_of_a_folder_is_a_warning(tmp_path: Path) -> None:
    """`not there yet` would make people wait for it."""
    (tmp_path / "in").touch()

    assert f"rules.one.watch: {tmp_path}/in is a file; name the folder it is in, or another" == next(
        iter(warnings(loaded(tmp_path, f"service: local\n{RULE}")))
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_folder_without_permission_is_a_warning(tmp_path: Path) -> None:
    """The sentence names the line of the unit that is usually missing."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir(mode=0o500)

    assert any("ReadWritePaths=" in line for line in warnings(loaded(tmp_path, f"service: local\n{RULE}")))


def test_folders_that_are_there_are_no_warning(tmp_path: Path) -> None:
    """Silence means that all is well."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()

    assert warnings(loaded(tmp_path, f"service: local\n{RULE}")) == []


def test_a_state_file_on_a_share_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks and the write-ahead log of SQLite need one kernel that knows of everything (scenario 68)."""
    monkeypatch.setattr(mounts, "mounts", lambda: (Mount("/", "ext4"), Mount(str(tmp_path), "nfs4")))
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    found = warnings(loaded(tmp_path, f"service: local\nstate: state.db\n{RULE}"))

    assert [(f"state: {tmp_path}/state.db lies on a file system of type nfs4", True)] == [
        (line.partition(",")[0], "name a place on a local disk" in line) for line in found
    ]


def test_missing_reference_file_is_a_warning(tmp_path: Path) -> None:
    """It may be on the same mount as the images."""
    lines = "    files: {logo: l.png}\n    input: {a: '${file.url}', l: '${files.logo.url}'}\n"

    assert f"rules.one.files.logo: {tmp_path}/l.png is not there or cannot be read" in warnings(
        loaded(tmp_path, f"service: local\n{RULE}{lines}")
    )


def test_a_callback_secret_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    """Results come without it, later; the command that makes it is named."""
    callbacks = f"{{public_url: 'https://x.example', secret_file: {tmp_path}/secret}}"
    service = f"service: {{url: 'https://x.example', callbacks: {callbacks}}}\nweb: {{listen: '127.0.0.1:8787'}}\n"

    assert "callbacks create-secret" in "".join(warnings(loaded(tmp_path, f"{service}rules: {{}}\n")))


def test_an_open_door_is_a_warning(tmp_path: Path) -> None:
    """Allowed, but never by accident; what only this machine reaches is none."""
    found = {
        service: warnings(loaded(tmp_path, f"service: {service}\nrules: {{}}\n"))
        for service in (
            "{url: 'http://x.example', allow_http: true}",
            "{local: {listen: '0.0.0.0:8080'}}",
            "{local: {listen: '127.0.0.1:8080'}}",
        )
    }

    assert [True, True, False] == ["in the clear" in "".join(each) for each in found.values()]


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        ("", "Nobody is notified of incidents."),
        (
            "webhook: {url: https://hooks.test/a/SECRET?key=SECRET}",
            (
                "Messages go out by a message to hooks.test: of incidents wider than one file, when that is resolved, "
                "when a purchase needs a decision."
            ),
        ),
        (
            "command: [/bin/tell, -v]\n  on: [budget, failures]\n  failures: {within: 2h}",
            ("Messages go out by the program /bin/tell: when 10 files failed within 2h."),
        ),
        (
            "command: [tell]\n  after: 5m",
            "Incidents are reported when they have lasted 5m, once however often they come and go.",
        ),
        ("heartbeat: {url: https://ping.test/SECRET}", "While every stage works, ping.test is called every 5m."),
    ],
)
def test_who_is_notified_of_what_is_described_in_plain_words(tmp_path: Path, notify: str, expected: str) -> None:
    """Without the paths of the addresses, which are often secrets."""
    section = f"notify:\n  {notify}\n" if notify else ""
    said = describe(loaded(tmp_path, f"service: local\n{RULE}{section}"))

    assert expected in said
    assert "SECRET" not in "".join(said)


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        (
            "command: [/no/such/program]",
            "notify.command: /no/such/program is not there, or is no program that this user",
        ),
        (
            "webhook: {url: 'https://a.test', secret_file: gone}",
            "notify.webhook.secret_file: the webhook secret cannot be",
        ),
        (
            "webhook: {url: 'https://a.test', secret_file: open}",
            "the webhook secret in {0}/open can be read by everyone",
        ),
    ],
)
def test_who_cannot_be_notified_is_warned_of(tmp_path: Path, notify: str, expected: str) -> None:
    """Before there is trouble, when it can still be mended in peace."""
    (tmp_path / "open").write_text("topsecret\n")
    (tmp_path / "open").chmod(0o644)
    found = warnings(loaded(tmp_path, f"service: local\n{RULE}notify:\n  {notify}\n"))

    assert any(each.startswith(expected.format(tmp_path)) for each in found)
