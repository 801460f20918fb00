"""The API key and the callback secrets: where they are looked for, and what is wrong if they are not there."""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.printable import named
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runflowd.config.snapshot import AppriseTarget, Config, Webhook

KEY_VARIABLE = "RUNFLOW_API_KEY"
_KEY_CREDENTIAL = "api-key"
_SECRET_CREDENTIAL = "callback-secret"  # noqa: S105  # the name of a file, not its content
_LONGEST = 4096
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret and where it came from. The repr does not show it; `warning` is worth saying, or empty."""

    secret: str = field(repr=False)
    source: str
    warning: str = ""


class CredentialError(RunflowdError):
    """A key or secret is missing or unusable; the sentence names every place that was looked at.

    `may_come` tells one that is not there yet, such as on a disk that is mounted late in the boot, from one that
    only an edit can mend.
    """

    def __init__(self, what: str, reason: str, remedy: str, *, may_come: bool = False) -> None:
        self.may_come = may_come
        self.what = what
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{what} {reason}; {remedy}")


def service_key(config: Config, environment: Mapping[str, str] | None = None) -> Credential | None:
    """The API key, None for the local service; raise CredentialError if there is none to use.

    systemd's credential comes first because it is the safest of the three places, then
    `api_key_file`, then the environment.
    """
    if config.service.local is not None:
        return None
    environment = os.environ if environment is None else environment
    for path in _given(_systemd(environment, _KEY_CREDENTIAL), config.service.api_key_file):
        return _from_file(path, "the API key")
    if environment.get(KEY_VARIABLE, "").strip():
        return Credential(_usable(environment[KEY_VARIABLE], "the API key", f"${KEY_VARIABLE}"), f"${KEY_VARIABLE}")

    raise CredentialError(
        "the API key",
        f"is in none of the three places: $CREDENTIALS_DIRECTORY/{_KEY_CREDENTIAL}, "
        f"service.api_key_file, ${KEY_VARIABLE}",
        "put it into one of them, or write `service: local` to work without an account",
        may_come=True,
    )


def callback_secrets(config: Config, environment: Mapping[str, str] | None = None) -> tuple[Credential, ...]:
    """The current secret and, during a rotation, the previous one; empty without callbacks.

    Raise CredentialError if a configured file cannot be used.
    """
    callbacks = config.service.callbacks
    if callbacks is None:
        return ()
    environment = os.environ if environment is None else environment
    current = next(_given(_systemd(environment, _SECRET_CREDENTIAL), callbacks.secret_file))
    found = [_from_file(current, "the callback secret")]
    if callbacks.previous_secret_file:
        found.append(_from_file(callbacks.previous_secret_file, "the previous callback secret"))

    return tuple(found)


def notify_secret(webhook: Webhook) -> Credential | None:
    """The secret that signs messages, None without one; raise CredentialError if its file cannot be used."""
    return _from_file(webhook.secret_file, "the webhook secret") if webhook.secret_file else None


def apprise_address(target: AppriseTarget) -> Credential:
    """The address of a service that Apprise reaches; raise CredentialError if its file cannot be used."""
    return _from_file(target.address_file, "the address")


def _systemd(environment: Mapping[str, str], name: str) -> str:
    """The path of a systemd credential, if the unit passes one (systemd.exec(5), LoadCredential=).

    An empty one counts as none: tmpfiles.d makes it, so that the unit starts before there is a key.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder, name)

    return str(path) if folder and path.exists() and path.stat().st_size else ""


def _given(*paths: str) -> Iterator[str]:
    return (path for path in paths if path)


def _from_file(path: str, what: str) -> Credential:
    try:
        with Path(path).open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_LONGEST + 1)
    except OSError as error:
        there = not isinstance(error, FileNotFoundError)
        remedy = "make it readable for the user that runs runflowd" if there else "put it there, on one line"
        reason = f"cannot be read from {path}: {error.strerror}"
        raise CredentialError(what, reason, f"{remedy}, or name another file", may_come=True) from error

    warning = f"{what} in {path} can be read by everyone on this machine; run chmod 600 {path}"

    if content.startswith(_UTF16_MARKS):
        raise CredentialError(what, f"in {path} is no key: it is UTF-16 text", "save the file as UTF-8")
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")

    return Credential(_usable(text, what, path), path, warning if mode & stat.S_IROTH else "")


def _usable(text: str, what: str, source: str) -> str:
    """The secret without the white space that editors add; anything else odd would fail far from here."""
    secret = text.strip()
    if not secret:
        raise CredentialError(what, f"in {source} is empty", "write it there, on one line", may_come=True)
    if len(secret) > _LONGEST:
        raise CredentialError(what, f"in {source} is no key: it is too long", f"it has at most {_LONGEST} letters")
    for place, character in enumerate(secret, start=1):
        if not "!" <= character <= "~":
            reason = f"in {source} is no key: character {place} is {_odd(character)}"
            raise CredentialError(what, reason, "it must be one line of plain letters and signs")

    return secret


def _odd(character: str) -> str:
    """What stands in a key that has no place there; nothing of the key itself."""
    if character in "\r\n":
        return "the end of a line"
    return "no text" if "\udc80" <= character <= "\udcff" else named(character)
