"""The installed system unit as far as the doctor needs it: what it sets, and what its sandbox lets be written.

Read from the files themselves (systemd.unit(5), systemd.exec(5)), which needs no systemd that runs and no
permission; a user's own unit has no such sandbox.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.config.sandbox import HIDDEN, written_folders
from runflowd.doctor.findings import Finding, good, problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runflowd.doctor.target import Target

NAME = "runflowd.service"

_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
"""Where units are, the strongest first."""

_OWN = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run", "CacheDirectory": "/var/cache"}
"""Directories that the manager makes for the service, and that it may write to."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit with its drop-ins: the words of each setting of `[Service]`, in their order."""

    place: str
    settings: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def last(self, name: str) -> str:
        """A setting that counts once; "" if it is not set."""
        return (self.settings.get(name) or ("",))[-1]

    def on(self, name: str) -> bool:
        """Whether a switch is on, in any of the words for that (systemd.syntax(7))."""
        return self.last(name).lower() in {"1", "yes", "y", "true", "t", "on"}


def installed_unit(source: Path, root: Path = Path("/")) -> Unit | None:
    """The system unit, if there is one and its daemon reads the configuration `source`."""
    folders = [root / folder for folder in _FOLDERS]
    place = next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)
    if place is None:
        return None
    extra: dict[str, Path] = {}
    for folder in reversed(folders):
        extra |= {file.name: file for file in (folder / f"{NAME}.d").glob("*.conf")}
    unit = Unit(str(place), settings_of([_text(file) for file in [place, *(extra[name] for name in sorted(extra))]]))
    return unit if _reads(unit, source, root) else None


def _text(file: Path) -> str:
    """What stands in a file; nothing in one that this user may not read."""
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def settings_of(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The `[Service]` settings of a unit and its drop-ins; an empty value forgets those before it."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        section = ""
        for line in re.sub(r"\\\n", " ", text).splitlines():
            name, separator, value = line.strip().partition("=")
            if name.startswith("["):
                section = name
            elif separator and section == "[Service]" and not name.startswith(("#", ";")):
                words = _words(value)
                found[name.strip()] = (*found.get(name.strip(), ()), *words) if words else ()
    return found


def _words(value: str) -> tuple[str, ...]:
    try:
        return tuple(word.replace("%%", "%") for word in shlex.split(value))
    except ValueError:  # an open quote; systemd ignores such a line
        return ()


def _reads(unit: Unit, source: Path, root: Path) -> bool:
    """Whether the configuration is the one that the unit's daemon reads."""
    named = [*unit.settings.get("ExecStart", ()), *(f"/etc/{each}" for each in _listed(unit, "ConfigurationDirectory"))]
    wanted = os.path.realpath(source)
    places = [os.path.realpath(root / word.lstrip("/")) for word in named if word.startswith("/")]
    return any(wanted == place or os.path.dirname(wanted) == place for place in places)  # noqa: PTH120  of text


def _listed(unit: Unit, name: str) -> Iterator[str]:
    return (word.partition(":")[0] for word in unit.settings.get(name, ()))


def environment_of(unit: Unit, environment: Mapping[str, str]) -> dict[str, str]:
    """What the daemon finds in its environment and a person's shell has not."""
    found: dict[str, str] = {}
    if state := unit.last("StateDirectory"):
        found["STATE_DIRECTORY"] = f"/var/lib/{state.partition(':')[0]}"
    for word in unit.settings.get("LoadCredential", ()):
        name, _, path = word.partition(":")
        if name == "api-key" and os.path.basename(path) == name and os.access(path, os.R_OK):  # noqa: PTH119  of text
            found["CREDENTIALS_DIRECTORY"] = os.path.dirname(path)  # noqa: PTH120  same
    return {name: value for name, value in found.items() if name not in environment}


def key_file(unit: Unit) -> str:
    """The file that the unit hands over as the API key, "" if it names none."""
    words = [*unit.settings.get("LoadCredential", ()), *unit.settings.get("LoadCredentialEncrypted", ())]
    pairs = (word.partition(":") for word in words)
    return next((path for name, _, path in pairs if name == "api-key"), "")


def probe_unit(case: Target) -> list[Finding]:
    """Whether the unit's sandbox lets the daemon write where the rules want it to."""
    return check_sandbox(case.unit, sorted({*written_folders(case.config)}), str(case.source)) if case.unit else []


def check_sandbox(unit: Unit, folders: Sequence[str], source: str) -> list[Finding]:
    """One finding for each folder that the sandbox closes; one good one if it closes none."""
    closed = [path for path in folders if not _writable(unit, path)]
    hidden = [path for path in folders if path not in closed and _is_hidden(unit, path)]
    remedy = (
        f"runflowd systemd drop-in -c {shlex.quote(source)} > /etc/systemd/system/{NAME}.d/folders.conf, "
        "then systemctl daemon-reload and systemctl restart runflowd"
    )
    found = [
        problem("systemd", path, f"the sandbox of {unit.place} does not let the service write here", remedy)
        for path in closed
    ]
    found += [
        problem(
            "systemd",
            path,
            f"{unit.place} hides this folder from the service (ProtectHome= or PrivateTmp=)",
            "move the folder, or relax that line in a drop-in: `runflowd systemd drop-in` says how",
        )
        for path in hidden
    ]
    return found or [good("systemd", unit.place, f"lets the service write to all {len(folders)} folders in use")]


def _writable(unit: Unit, path: str) -> bool:
    if unit.last("ProtectSystem") != "strict":
        return True
    open_to = [f"{_OWN[name]}/{each}" for name in _OWN for each in _listed(unit, name)]
    open_to += [word.lstrip("-+") for word in unit.settings.get("ReadWritePaths", ())]
    open_to += [word.lstrip("-+").split(":")[-1] for word in unit.settings.get("BindPaths", ()) if ":" in word]
    open_to += [word.lstrip("-+") for word in unit.settings.get("BindPaths", ()) if ":" not in word]
    if unit.on("PrivateTmp"):
        open_to += ["/tmp", "/var/tmp"]  # noqa: S108  named as what a sandbox has
    return any(path == each or f"{path}/".startswith(f"{each.rstrip('/')}/") for each in open_to)


def _is_hidden(unit: Unit, path: str) -> bool:
    bound = [word.lstrip("-+").split(":")[-1] for word in unit.settings.get("BindPaths", ())]
    if not f"{path}/".startswith(HIDDEN) or any(f"{path}/".startswith(f"{each.rstrip('/')}/") for each in bound):
        return False
    temporary = "tmp/" in f"{path}/"[:9]
    return unit.on("PrivateTmp") if temporary else unit.on("ProtectHome") or unit.last("ProtectHome") == "tmpfs"
