"""Where keys and secrets come from, and that they stay there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runflowd.config import Config, CredentialError, callback_secrets, load, service_key

if TYPE_CHECKING:
    from pathlib import Path

SERVICE = "service: {api_key_file: key}\nrules: {}\n"
CALLBACKS = """
service: {callbacks: {public_url: "https://x.example", secret_file: new, previous_secret_file: old}}
web: {}
rules: {}
"""


def loaded(folder: Path, text: str) -> Config:
    (folder / "runflowd.yaml").write_text(text)

    return load(folder / "runflowd.yaml")


def put(folder: Path, name: str, content: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    path.chmod(mode)

    return path


def test_systemd_credential_comes_first(tmp_path: Path) -> None:
    """The safest place wins over the file and the environment."""
    put(tmp_path, "key", "from-file")
    put(tmp_path, "credentials/api-key", "from-systemd")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "RUNFLOW_API_KEY": "from-environment"}
    found = service_key(loaded(tmp_path, SERVICE), environment)

    assert found is not None
    assert ("from-systemd", str(tmp_path / "credentials/api-key")) == (found.secret, found.source)


def test_file_comes_before_the_environment(tmp_path: Path) -> None:
    """What the configuration names is meant; white space around the key is not."""
    put(tmp_path, "key", " from-file\n")
    found = service_key(loaded(tmp_path, SERVICE), {"RUNFLOW_API_KEY": "from-environment"})

    assert found is not None
    assert (found.secret, found.warning) == ("from-file", "")


def test_environment_is_the_last_place(tmp_path: Path) -> None:
    """A folder of credentials without a key is passed over."""
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "RUNFLOW_API_KEY": "from-environment"}
    found = service_key(loaded(tmp_path, "service: {}\nrules: {}\n"), environment)

    assert found is not None
    assert (found.secret, found.source) == ("from-environment", "$RUNFLOW_API_KEY")


def test_missing_key_names_all_three_places(tmp_path: Path) -> None:
    """And the way to work without one."""
    with pytest.raises(CredentialError) as caught:
        service_key(loaded(tmp_path, "service: {}\nrules: {}\n"), {})

    for place in ("$CREDENTIALS_DIRECTORY/api-key", "service.api_key_file", "$RUNFLOW_API_KEY", "service: local"):
        assert place in str(caught.value)


def test_local_service_needs_no_key(tmp_path: Path) -> None:
    """Not even one that lies about is read."""
    assert service_key(loaded(tmp_path, "service: local\nrules: {}\n"), {"RUNFLOW_API_KEY": "x"}) is None


def test_key_that_everyone_can_read_is_reported(tmp_path: Path) -> None:
    """It works, and says how to mend it (scenario 79)."""
    path = put(tmp_path, "key", "sk", 0o644)
    found = service_key(loaded(tmp_path, SERVICE), {})

    assert found is not None
    assert found.warning == f"the API key in {path} can be read by everyone on this machine; run chmod 600 {path}"


def test_secret_is_not_shown(tmp_path: Path) -> None:
    """A repr in a log or a traceback gives nothing away."""
    put(tmp_path, "key", "sk-123")

    assert "sk-123" not in repr(service_key(loaded(tmp_path, SERVICE), {}))


@pytest.mark.parametrize(
    ("content", "expected"), [("", "is empty"), (" \n", "is empty"), ("a b", "is no key"), ("sk-\xe9", "is no key")]
)
def test_unusable_key_is_refused_without_being_quoted(tmp_path: Path, content: str, expected: str) -> None:
    """Better here than as a 401 far away."""
    put(tmp_path, "key", content)
    with pytest.raises(CredentialError, match=expected) as caught:
        service_key(loaded(tmp_path, SERVICE), {})

    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b" \n\n"], ids=repr)
@pytest.mark.parametrize("beginning", [b"", b"\xef\xbb\xbf"], ids=repr)
def test_what_editors_add_to_a_key_is_passed_over(tmp_path: Path, beginning: bytes, ending: bytes) -> None:
    """A byte-order mark and the end of the line, as Windows writes them too."""
    (tmp_path / "key").write_bytes(beginning + b"sk-1" + ending)
    found = service_key(loaded(tmp_path, SERVICE), {})

    assert found is not None
    assert "sk-1" == found.secret


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"sk-1\nsk-2\n", "character 5 is the end of a line"),
        (b"sk 1", "character 3 is U+0020 SPACE"),
        (b"sk-1\xc2\xa0x", "character 5 is U+00A0 NO-BREAK SPACE"),
        (b"sk-\xff1", "character 4 is no text"),
        ("sk-1".encode("utf-16"), "it is UTF-16 text"),
    ],
    ids=repr,
)
def test_what_keeps_a_key_from_being_one_is_named(tmp_path: Path, content: bytes, named: str) -> None:
    """By its place; the key itself is not shown."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(CredentialError) as caught:
        service_key(loaded(tmp_path, SERVICE), {})

    assert (True, False) == (named in str(caught.value), "sk" in str(caught.value).replace(str(tmp_path), ""))


def test_key_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A named file is meant: the environment does not stand in for it."""
    with pytest.raises(CredentialError, match=r"cannot be read from .*key: No such file"):
        service_key(loaded(tmp_path, SERVICE), {"RUNFLOW_API_KEY": "x"})


def test_both_secrets_are_given_during_a_rotation(tmp_path: Path) -> None:
    """The current one first."""
    put(tmp_path, "new", "n")
    put(tmp_path, "old", "o")

    assert [found.secret for found in callback_secrets(loaded(tmp_path, CALLBACKS), {})] == ["n", "o"]


def test_an_empty_systemd_credential_counts_as_none(tmp_path: Path) -> None:
    """The unit's file is made empty, so that the daemon can start before there is a key."""
    put(tmp_path, "credentials/api-key", "")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "RUNFLOW_API_KEY": "from-environment"}
    found = service_key(loaded(tmp_path, "service: {}\nrules: {}\n"), environment)

    assert found is not None
    assert found.secret == "from-environment"


def test_secret_may_come_from_systemd(tmp_path: Path) -> None:
    """The credential wins over the file, which need not be there."""
    put(tmp_path, "old", "o")
    put(tmp_path, "credentials/callback-secret", "s")
    found = callback_secrets(loaded(tmp_path, CALLBACKS), {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})

    assert [each.secret for each in found] == ["s", "o"]


def test_no_callbacks_no_secrets(tmp_path: Path) -> None:
    """Polling needs none."""
    assert callback_secrets(loaded(tmp_path, "service: {}\nrules: {}\n"), {}) == ()
