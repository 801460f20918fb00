"""The API key and the files that decide things: are they there, where from, and who else may read or change them."""

from __future__ import annotations

import stat as modes
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.config import Credential, CredentialError, open_doors, service_key
from runflowd.doctor.findings import Finding, good, note, problem, warning
from runflowd.doctor.unit import key_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.doctor.target import Target

KEY = "key"


def probe_key(case: Target) -> list[Finding]:
    """Whether there is a key to use, and whether it is kept well."""
    if case.config.service.local is not None:
        return [good(KEY, "service: local", "works on this machine, without a key")]
    handed = key_file(case.unit) if case.unit else ""
    try:
        key = service_key(case.config, case.environment)
    except CredentialError as error:
        return check_missing(error, handed)
    assert key is not None
    return check_key(key, modes_of(key.source))


def check_key(key: Credential, mode: int | None) -> list[Finding]:
    """A key that is there; `mode` is that of its file, None if it is in no file."""
    found = good(KEY, key.source, "holds a key")
    if key.warning:
        message = "holds the API key, and everyone on this machine can read it"
        return [
            warning(KEY, key.source, message, f"chmod 600 {key.source}; if others have an account here, renew the key")
        ]
    if mode is not None and mode & (modes.S_IWGRP | modes.S_IWOTH):
        message = "holds the API key, and others than its owner can replace it"
        return [warning(KEY, key.source, message, f"chmod go-w {key.source}")]
    return [found]


def check_missing(error: CredentialError, handed: str) -> list[Finding]:
    """No key that this user can use; `handed` is the file from which the unit gives the daemon one, or empty."""
    if handed:
        message = (
            f"the service gets its key from here; this user cannot try it ({error.what} is in no place of its own)"
        )
        return [note(KEY, handed, f"{message}; root can")]
    return [problem(KEY, "service", f"{error.what} {error.reason}", error.remedy)]


def probe_configuration(case: Target) -> list[Finding]:
    """Who may change the configuration: whoever may, sends any picture anywhere."""
    files = {file: mode for file in case.config.files if (mode := modes_of(file)) is not None}
    warnings = [*map(str, case.config.warnings), *open_doors(case.config)]
    return [*check_configuration(files, len(case.config.rules)), *map(check_warning, warnings)]


def check_warning(sentence: str) -> Finding:
    """What `check` warns of as well: a setting, a colon, and what it means."""
    where, _, meaning = sentence.rpartition(": ")
    return warning("configuration", where, meaning, "change that setting, or be sure that it is meant")


def check_configuration(files: Mapping[str, int], rules: int) -> list[Finding]:
    """A valid configuration in files of these modes."""
    open_to_all = [
        warning(
            "configuration",
            file,
            "everyone on this machine can change it, and so send your images elsewhere",
            f"chmod o-w {file}",
        )
        for file, mode in files.items()
        if mode & modes.S_IWOTH
    ]
    return open_to_all or [good("configuration", ", ".join(files), f"is valid, with {_rules(rules)}")]


def _rules(count: int) -> str:
    return "1 rule" if count == 1 else f"{count} rules"


def modes_of(place: str) -> int | None:
    """The permission bits of a file; None for what is none, such as the name of a variable."""
    try:
        return modes.S_IMODE(Path(place).stat().st_mode)
    except OSError:
        return None
