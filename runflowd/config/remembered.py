"""What commands need of a configuration, read back from a file as long as nothing changed by which it was made.

To read a configuration takes longer than to answer from the state file: the models of all its sections are made for
it. So what was found without a mistake is kept in the user's cache folder, beside the hash of the files it came from.
What depends on more than these files is looked at each time (how folders lie to one another), or never kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import stat
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from runflowd import __version__
from runflowd.config.essentials import Callbacks, Essentials, Listen, LocalService, Service
from runflowd.config.folders import check_folders
from runflowd.config.source_files import Checksum, config_folder, read_source, source_files
from runflowd.core.approval_policy import ApprovalPolicy
from runflowd.core.money import Budget, Money, RuleMoney, Stop, UnknownPrice
from runflowd.core.snapshot import from_text
from runflowd.errors import ConfigError
from runflowd.system.paths import cache_folder, configuration_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import Json

_OF_FOLDERS = ("watch", "output", "receipts", "after")
"""What of a rule says where its folders lie, and what becomes of the files in them."""


def load_essentials(path: str | os.PathLike[str]) -> Essentials:
    """As `load(path).essentials`, which is kept for the next time. Raises ConfigError as that does."""
    place = cache_folder() / f"{configuration_name(Path(path))}.json"
    digest = _digest(os.fspath(path))
    known = _kept(place)
    if known is not None and digest and _is_of(known, os.fspath(path), digest):
        with contextlib.suppress(Exception):  # whatever stands there, the configuration itself tells
            return _from_json(known["essentials"])
    # Imported here: it makes the models.
    from runflowd.config.loading import load_with_data  # noqa: PLC0415

    config, data = load_with_data(path)
    if config.digest == digest and not _depends_on_more(data):
        _keep(place, {"of": _origin(os.fspath(path), digest), "folders": _folders(data)}, config.essentials)
    return config.essentials


def _digest(path: str) -> str:
    """The hash of the files, "" where one of them cannot be read."""
    checksum = Checksum()
    try:
        for file in source_files(path):
            checksum.add(file, read_source(file)[0])
    except ConfigError:
        return ""
    return checksum.digest


def _origin(path: str, digest: str) -> list[Json]:
    """What a configuration is made of: this program, as it is installed, the files, and the folder they are in."""
    return [__version__, Path(__file__).parent.stat().st_mtime_ns, digest, config_folder(path), os.path.abspath(path)]  # noqa: PTH100  as `load`


def _is_of(known: Mapping[str, Any], path: str, digest: str) -> bool:
    """Whether it was made of what is there now, and the folders still lie to one another as they may."""
    if known.get("of") != _origin(path, digest):
        return False
    folders = known["folders"]
    found = check_folders(folders["rules"], folders["defaults"], state=folders["state"], base=config_folder(path))
    return next(found, None) is None


def _folders(data: Mapping[str, Any]) -> dict[str, Json]:
    rules = {name: rule for name, rule in data["rules"].items() if rule.get("enabled") is not False}
    defaults = data.get("defaults") or {}
    return {
        "rules": {name: {key: rule[key] for key in _OF_FOLDERS if key in rule} for name, rule in rules.items()},
        "defaults": {key: defaults[key] for key in _OF_FOLDERS if key in defaults},
        "state": data.get("state"),
    }


def _depends_on_more(data: Mapping[str, Any]) -> bool:
    """Whether the modes of the files count, as they do for a program to run, or whose home a `~` is."""
    return (data.get("notify") or {}).get("command") is not None or _has_home(dict(data))


def _has_home(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_has_home, value.values()))
    return any(map(_has_home, value)) if isinstance(value, list) else isinstance(value, str) and value.startswith("~")


def _kept(place: Path) -> dict[str, Any] | None:
    """What was kept, unless anybody else may have written it."""
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            found = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _keep(place: Path, found: dict[str, Json], essentials: Essentials) -> None:
    """Keep what can be read back as it is; where that cannot be done, the next command takes its time."""
    written = _to_json(essentials)
    if _from_json(json.loads(json.dumps(written))) != essentials:
        return
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(place.parent.stat()):
            return
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                json.dump(found | {"essentials": written}, file)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _to_json(essentials: Essentials) -> dict[str, Any]:
    money = essentials.money
    return {
        "service": dataclasses.asdict(essentials.service),
        "rules": [json.dumps(dataclasses.asdict(rule)) for rule in essentials.rules],
        "state": essentials.state,
        "source": essentials.source,
        "zone": str(money.zone) if money.zone else None,
        "currency": money.currency,
        "budget": _plain(money.budget),
        "money": {name: _plain(rule) for name, rule in money.rules.items()},
    }


def _plain(value: Any) -> Any:
    """Amounts as text."""
    return json.loads(json.dumps(dataclasses.asdict(value), default=str))


def _from_json(known: Mapping[str, Any]) -> Essentials:
    zone = ZoneInfo(known["zone"]) if known["zone"] else None
    rules = {name: _rule_money(rule) for name, rule in known["money"].items()}
    money = Money(zone, _budget(known["budget"]), rules, known["currency"])
    every_rule = tuple(map(from_text, known["rules"]))
    return Essentials(_service(known["service"]), every_rule, known["state"], money, known["source"])


def _service(known: dict[str, Any]) -> Service:
    callbacks, local = known["callbacks"], known["local"]
    if local is not None:
        local = LocalService(**{**local, "listen": Listen(**local["listen"]) if local["listen"] else None})
    return Service(**{**known, "callbacks": Callbacks(**callbacks) if callbacks else None, "local": local})


def _rule_money(known: dict[str, Any]) -> RuleMoney:
    approve = {**known["approve"], "above_cost": _amount(known["approve"]["above_cost"])}
    unknown = UnknownPrice(known["unknown_price"])
    return RuleMoney(_budget(known["budget"]), _amount(known["price"]), unknown, ApprovalPolicy(**approve))


def _budget(known: dict[str, Any]) -> Budget:
    day, month, file = (_amount(known[name]) for name in ("per_day", "per_month", "per_file"))
    return Budget(day, month, file, Stop(known["stop"]))


def _amount(known: str | None) -> Decimal | None:
    return None if known is None else Decimal(known)
