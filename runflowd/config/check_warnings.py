"""What about a configuration is worth a warning, though it is no mistake."""

from __future__ import annotations

import os
import shutil
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runflowd.config.addresses import is_open
from runflowd.config.credentials import CredentialError, apprise_address, callback_secrets, notify_secret
from runflowd.core.database import Database
from runflowd.core.money import Stop
from runflowd.system.deadline import LOOK_TIMEOUT, NoAnswer, within
from runflowd.system.installing import install_command
from runflowd.system.mounts import file_system_of, shared_with_others
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.config.credentials import Credential
    from runflowd.config.snapshot import Config, Notify
    from runflowd.core.model import Rule


def warnings(config: Config) -> list[str]:
    """What is no mistake of the text but may still surprise: folders that are not there, open doors."""
    return [
        *(str(problem) for problem in config.warnings),
        *open_doors(config),
        *_state_warnings(config),
        *_money_warnings(config),
        *_callback_warnings(config),
        *_notify_warnings(config.notify),
        *(warning for rule in config.rules for warning in _folder_warnings(rule)),
    ]


def _money_warnings(config: Config) -> Iterator[str]:
    """Limits that cannot mean what they say: no file fits, one is never reached, or there is no amount."""
    money = config.money_in_force
    budgets = {"money.budget": money.budget} | {
        f"rules.{rule.name}.budget": money.of(rule.name).budget for rule in config.rules
    }
    for key, budget in budgets.items():
        if budget.per_day is not None and budget.per_month is not None and budget.per_month < budget.per_day:
            yield f"{key}: per_month is less than per_day, so no day comes to its limit"
        if budget.stop is not Stop.CAUTIOUS and (budget.per_day, budget.per_month, budget.per_file) == (None,) * 3:
            yield f"{key}: names no amount, so it limits nothing; write per_day or per_month"
    for rule in config.rules:
        price, own = money.of(rule.name).price, f"rules.{rule.name}.budget"
        for key, budget in (("money.budget", money.budget), (own, budgets[own])):
            amounts = (("per_day", budget.per_day), ("per_month", budget.per_month), ("per_file", budget.per_file))
            for name, amount in amounts if price is not None and budget.stop is Stop.CAUTIOUS else ():
                if amount is not None and price is not None and amount < price:
                    yield f"{key}.{name}: no file of rule {rule.name} ever fits, since its price is {price}"


def open_doors(config: Config) -> Iterator[str]:
    """What lets others in, or listen: the setting and, after a colon, what it means."""
    if config.service.allow_http:
        yield "service.allow_http: the API key may cross the network in the clear"
    local = config.service.local
    if local and local.listen and is_open(str(local.listen)):
        yield (
            f"service.local.listen: {local.listen} is reached from other machines, and its key, prompts and pictures "
            f"cross the network in the clear; write 127.0.0.1:{local.listen.port}, and put a proxy with https before it"
        )


def _state_warnings(config: Config) -> Iterator[str]:
    place = state_place(config)
    if isinstance(place, Database):
        return
    kind = file_system_of(str(place))
    if shared_with_others(kind):
        yield (
            f"state: {place} lies on a file system of type {kind}, where neither locks nor the write-ahead log can be "
            "relied upon; name a place on a local disk"
        )


def _callback_warnings(config: Config) -> Iterator[str]:
    try:
        callback_secrets(config)
    except CredentialError as error:
        yield f"service.callbacks: {error}; polls find results. `runflowd callbacks create-secret` makes a new secret"


def _notify_warnings(notify: Notify) -> Iterator[str]:
    if notify.command and shutil.which(notify.command[0]) is None:
        yield f"notify.command: {notify.command[0]} is not there, or is no program that this user may run"
    if notify.apprise and find_spec("apprise") is None:
        yield f"notify.apprise: Apprise is not installed here; run `{install_command('apprise')}`"
    for target in notify.apprise:
        yield from _secret_warnings(f"notify.{target.channel}", partial(apprise_address, target))
    if notify.webhook:
        yield from _secret_warnings("notify.webhook.secret_file", partial(notify_secret, notify.webhook))


def _secret_warnings(key: str, read: Callable[[], Credential | None]) -> Iterator[str]:
    try:
        found = read()
    except CredentialError as error:
        yield f"{key}: {error}"
    else:
        yield from [found.warning] if found and found.warning else []


def _folder_warnings(rule: Rule) -> Iterator[str]:
    checks = [("watch", rule.watch, os.R_OK | os.X_OK)]
    checks += [(key, folder, os.W_OK | os.X_OK) for key, folder in rule.written_to.items()]
    looks = [(key, folder, partial(_folder_problem, key, folder, needed)) for key, folder, needed in checks]
    looks += [(f"files.{name}", file, partial(_file_problem, file)) for name, file in rule.files.items()]
    for key, path, look in looks:
        try:
            error = within(LOOK_TIMEOUT, path, look)
        except NoAnswer as silence:
            error = str(silence)
        if error:
            yield f"rules.{rule.name}.{key}: {error}"


def _folder_problem(key: str, folder: str, needed: int) -> str:
    """What is wrong with a folder, "" if nothing is. Blocking."""
    verb = "read" if key == "watch" else "written to"
    if os.path.isfile(folder):  # noqa: PTH113  # text, not Path: bytes survive
        return f"{folder} is a file; name the folder it is in, or another"
    if not os.path.isdir(folder):  # noqa: PTH112
        then = "its rule waits for it" if key == "watch" else "the first file that is written there makes it"
        return f"{folder} is not there yet; {then}"
    if not os.access(folder, needed):
        return f"{folder} cannot be {verb} by this user; see ReadWritePaths= under systemd"
    return ""


def _file_problem(file: str) -> str:
    """The same of a reference file. Blocking."""
    return "" if os.access(file, os.R_OK) else f"{file} is not there or cannot be read"
