"""What a configuration means, in plain words, and what about it is worth a warning: the text of `check`."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runflowd.config.credentials import CredentialError, notify_secret
from runflowd.core.chains import beside, makers
from runflowd.core.media.input_type import UNMARKED_STILLNESS, in_words
from runflowd.core.model import AfterKind, Existing, MediaKind, OnDelete, Rule, WatchMode
from runflowd.core.notices import Kind
from runflowd.core.rules import DROPPINGS, OVERRIDE_NAME
from runflowd.core.template import FILE_TEXT, placeholders, sends_the_file
from runflowd.core.units import duration_text, size_text
from runflowd.system.deadline import LOOK_TIMEOUT, NoAnswer, within
from runflowd.system.mounts import file_system_of, shared_with_others
from runflowd.system.paths import state_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.config.snapshot import Config, Notify, Service


def describe(config: Config) -> list[str]:
    """Sentences that say what the daemon will do, one idea each, in the order of the file."""
    sentences = [_service(config.service)]
    sentences.append(f"The status page listens on {config.web}." if config.web else "There is no status page.")
    if not config.rules:
        sentences.append("There are no rules, so nothing is watched.")
    for rule in config.rules:
        sentences += _rule(rule)
        sentences += _taken(config, rule)
    sentences += _together(config)
    sentences += _notify(config.notify)
    if config.disabled:
        sentences.append(f"Turned off: {', '.join(config.disabled)}.")
    sentences.append(f"Ignored by default: {', '.join(DROPPINGS)}.")

    return sentences


def warnings(config: Config) -> list[str]:
    """What is no mistake of the text but may still surprise: folders that are not there, open doors."""
    return [
        *(str(problem) for problem in config.warnings),
        *open_doors(config),
        *_state_warnings(config),
        *_notify_warnings(config.notify),
        *(warning for rule in config.rules for warning in _folder_warnings(rule)),
    ]


def _service(service: Service) -> str:
    if service.local is not None:
        return "Files are processed on this machine; nothing is sent anywhere and nothing is billed."
    how = f"it reports finished batches to {service.callbacks.public_url}" if service.callbacks else "it is polled"

    return f"Files are sent to {service.url}, which bills for them; {how}."


def _notify(notify: Notify) -> Iterator[str]:
    ways = [f"a message to {urlsplit(notify.webhook.url).hostname}"] if notify.webhook else []
    ways += [f"the program {notify.command[0]}"] if notify.command else []
    if ways:
        yield f"Messages go out by {' and by '.join(ways)}: {', '.join(_notified_kinds(notify)) or 'of nothing'}."
        lasted = duration_text(notify.after)
        yield f"Incidents are reported when they have lasted {lasted}, once however often they come and go."
    else:
        yield "Nobody is notified of incidents."
    if notify.heartbeat:
        host, every = urlsplit(notify.heartbeat.url).hostname, duration_text(notify.heartbeat.every)
        yield f"While every stage works, {host} is called every {every}."


def _notified_kinds(notify: Notify) -> Iterator[str]:
    """What people are notified of, in the order in which it is documented."""
    if Kind.INCIDENT in notify.on:
        yield "of incidents wider than one file"
    if Kind.RESOLVED in notify.on:
        yield "when that is resolved"
    if Kind.BUDGET in notify.on and notify.budget is not None:
        yield f"when {notify.budget} was spent in a day, which stops nothing"
    if Kind.FAILURES in notify.on and notify.failures:
        yield f"when {notify.failures} files failed within {duration_text(notify.within)}"
    if Kind.UNKNOWN in notify.on:
        yield "when a purchase needs a decision"


def _rule(rule: Rule) -> Iterator[str]:
    say = f"{rule.name}: "
    yield f"{say}{_files(rule)} in {rule.watch} go through {rule.model}."
    yield f"{say}the result appears in {rule.output} at the same relative path, named {rule.naming}."
    yield f"{say}{_input(rule)}"
    yield f"{say}{_timing(rule)}"
    yield f"{say}{_batches(rule)}"
    yield from (f"{say}{sentence}" for sentence in _unusual(rule))


def _taken(config: Config, rule: Rule) -> Iterator[str]:
    if found := makers(config.rules, rule):
        names = _and([each.name for each in found])
        yield f"{rule.name}: takes what {names} makes; drafts and notes in that folder are left alone."


def _together(config: Config) -> Iterator[str]:
    """Rules over one folder: one look at it serves all, and each is a wish of its own."""
    seen: set[str] = set()
    for rule in config.rules:
        others = beside(config.rules, rule)
        if not others or rule.watch in seen:
            continue
        seen.add(rule.watch)
        yield (
            f"{_and([each.name for each in (rule, *others)])} watch the same folder, {rule.watch}: a file that several "
            "of them take is bought by each, and its results are theirs alone."
        )
        if rule.after.kind is not AfterKind.KEEP:
            yield f"a source in {rule.watch} goes once every rule that takes it is done with it."


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _files(rule: Rule) -> str:
    taken = "all files" if rule.include == ("**/*",) else f"files that match {', '.join(rule.include)}"
    taken += "" if rule.accept == (MediaKind.IMAGE,) else f" that are {in_words(rule.accept)}"

    return f"{taken} except {', '.join(rule.exclude)}" if rule.exclude else taken


def _input(rule: Rule) -> str:
    sent = [key for key, value in rule.input.items() if sends_the_file(placeholders(value))]
    worded = [key for key, value in rule.input.items() if FILE_TEXT in placeholders(value) and key not in sent]
    fixed = [f"{key} {value!r}" for key, value in rule.input.items() if key not in {*sent, *worded}]
    ways = [f"the file goes in as {', '.join(sent)}"] if sent else []
    ways += [f"what stands in the file goes in as {', '.join(worded)}"] if worded else []
    how = _and(ways) if ways else "nothing of the file but its name goes in"

    return how + (f", with {', '.join(fixed)}." if fixed else ".")


def _timing(rule: Rule) -> str:
    how = {
        WatchMode.AUTO: "changes are noticed by events, or by rescans on network shares",
        WatchMode.EVENTS: "changes are noticed by events",
        WatchMode.RESCAN: "changes are noticed by rescans only",
    }[rule.mode]

    return (
        f"{how}; the whole folder is looked through every {duration_text(rule.rescan)}; "
        f"a file counts as complete when it has not changed for {duration_text(rule.settle)}{_unmarked(rule)}."
    )


def _unmarked(rule: Rule) -> str:
    """The longer wait for what has no end marker, where the rule takes such and its own is not longer."""
    if rule.settle >= UNMARKED_STILLNESS or not set(rule.accept) - {MediaKind.IMAGE, MediaKind.DOCUMENT}:
        return ""
    return f", or for {duration_text(UNMARKED_STILLNESS)} if its bytes do not say where it ends"


def _batches(rule: Rule) -> str:
    batch = rule.batch

    return (
        f"files are sent together when {batch.max_items} or {size_text(batch.max_bytes)} wait, when nothing new came "
        f"for {duration_text(batch.quiet)}, or when one has waited {duration_text(batch.max_wait)}"
        f"{'' if batch.deadline is None else f'; reported when it takes longer than {duration_text(batch.deadline)}'}."
    )


def _unusual(rule: Rule) -> Iterator[str]:
    """What a rule says beyond the defaults; the dangerous ones in words that say so."""
    if rule.overridable:
        yield f"a {OVERRIDE_NAME} in a folder may set {', '.join(rule.overridable)} for the files beneath it."
    if rule.select:
        yield f"of several outputs, those named {rule.select} are kept."
    if rule.overwrite:
        yield "files in the output folder are replaced even if runflowd did not write them."
    if rule.on_delete is OnDelete.REMOVE:
        yield "when a source is deleted, its result is deleted too."
    if rule.after.kind is AfterKind.MOVE:
        yield f"a source moves to {rule.after.folder} once its result is safe."
    if rule.after.kind is AfterKind.DELETE:
        yield "a source is DELETED once its result is safe."
    if rule.existing is Existing.SKIP:
        yield "files that are there when the rule first runs are left alone."


def open_doors(config: Config) -> Iterator[str]:
    """What lets others in, or listen: the setting and, after a colon, what it means."""
    if config.web and not config.web.local_only:
        yield f"web.listen: {config.web} can be reached from other machines and asks for no password"
    if config.service.allow_http:
        yield "service.allow_http: the API key may cross the network in the clear"


def _state_warnings(config: Config) -> Iterator[str]:
    place = state_path(config)
    kind = file_system_of(str(place))
    if shared_with_others(kind):
        yield (
            f"state: {place} lies on a file system of type {kind}, where neither locks nor the write-ahead log can be "
            "relied upon; name a place on a local disk"
        )


def _notify_warnings(notify: Notify) -> Iterator[str]:
    if notify.command and shutil.which(notify.command[0]) is None:
        yield f"notify.command: {notify.command[0]} is not there, or is no program that this user may run"
    try:
        secret = notify_secret(notify.webhook) if notify.webhook else None
    except CredentialError as error:
        yield f"notify.webhook.secret_file: {error}"
    else:
        yield from [secret.warning] if secret and secret.warning else []


def _folder_warnings(rule: Rule) -> Iterator[str]:
    checks = [("watch", rule.watch, os.R_OK | os.X_OK), ("output", rule.output, os.W_OK | os.X_OK)]
    if rule.after.kind is AfterKind.MOVE:
        checks.append(("after.move", rule.after.folder, os.W_OK | os.X_OK))
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
        return f"{folder} is not there yet"
    if not os.access(folder, needed):
        return f"{folder} cannot be {verb} by this user; see ReadWritePaths= under systemd"
    return ""


def _file_problem(file: str) -> str:
    """The same of a reference file. Blocking."""
    return "" if os.access(file, os.R_OK) else f"{file} is not there or cannot be read"
