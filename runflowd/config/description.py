"""What a configuration means, in plain words: the text of `check`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runflowd.config.access import page_in_words
from runflowd.core.chains import beside, makers
from runflowd.core.currency import amount_text
from runflowd.core.droppings import DROPPINGS, OVERRIDE_NAME
from runflowd.core.media.input_type import UNMARKED_STILLNESS
from runflowd.core.media.kinds import MediaKind, in_words
from runflowd.core.model import AfterKind, Existing, OnDelete, Rule, WatchMode
from runflowd.core.money import Money, Stop, UnknownPrice
from runflowd.core.notices import Kind
from runflowd.core.review import REJECTED_FOLDER, ReviewMode
from runflowd.core.template import FILE_TEXT, placeholders, sends_the_file
from runflowd.core.units import duration_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.config.essentials import Service
    from runflowd.config.snapshot import Config, Notify
    from runflowd.core.approval_policy import ApprovalPolicy


def describe(config: Config) -> list[str]:
    """Sentences that say what the daemon will do, one idea each, in the order of the file."""
    sentences = [_service(config.service)]
    sentences.append(page_in_words(config.web, config.access) if config.web else "There is no status page.")
    if not config.rules:
        sentences.append("There are no rules, so nothing is watched.")
    for rule in config.rules:
        sentences += _rule(rule)
        sentences += _taken(config, rule)
    sentences += _together(config)
    sentences += _money(config)
    sentences += _notify(config.notify, config.money_in_force)
    if config.disabled:
        sentences.append(f"Turned off: {', '.join(config.disabled)}.")
    sentences.append(
        f"Ignored by default: {len(DROPPINGS)} kinds of hidden, unfinished and system files, sidecars and camera raw; "
        "docs/configuration.md lists them."
    )

    return sentences


def _service(service: Service) -> str:
    if service.local is not None:
        return "Files are processed on this machine; nothing is sent anywhere and nothing is billed."
    how = f"it reports finished batches to {service.callbacks.public_url}" if service.callbacks else "it is polled"

    return f"Files are sent to {service.url}, which bills for them; {how}."


def _money(config: Config) -> Iterator[str]:
    """What may be spent."""
    money = config.money_in_force
    zone = f"in {money.zone}" if money.zone else "in the time zone of this machine"
    whole = [("all rules together", money.budget, "")]
    rules = [(rule.name, money.of(rule.name).budget, _priced(money, rule.name)) for rule in config.rules]
    for name, budget, priced in whole + rules:
        periods = (("a day", budget.per_day), ("a month", budget.per_month), ("for one file", budget.per_file))
        limits = [f"{amount_text(amount, money.currency)} {words}" for words, amount in periods if amount is not None]
        if limits and budget.stop is Stop.NOTIFY:
            yield f"{name}: more than {_and(limits)} is reported and stops nothing; a day begins at midnight {zone}."
        elif limits:
            how = "at the highest price to be expected" if budget.stop is Stop.CAUTIOUS else "by what is charged"
            yield f"{name}: at most {_and(limits)} may be spent, {how}{priced}; a day begins at midnight {zone}."
    approves = ((rule.name, money.of(rule.name).approve) for rule in config.rules if rule.name in money.rules)
    yield from (_approval(name, approve, money.currency) for name, approve in approves)
    if config.money != money and config.money != replace(money, rules=config.money.rules):
        yield "What is said of money counts for nothing: this machine takes none."


def _approval(name: str, approve: ApprovalPolicy, currency: str) -> str:
    """What waits for a person."""
    crowd = [f"{approve.above_files:,} files"] if approve.above_files is not None else []
    crowd += [amount_text(approve.above_cost, currency)] if approve.above_cost is not None else []
    waits = [f"after a sample of {approve.first:,}"] if approve.first is not None else []
    waits += [f"where more than {' or '.join(crowd)} are there at once"] if crowd else []
    if approve.import_only:
        waits = [f"where a new rule finds more than {' or '.join(crowd)}"]
    how = f"files wait for `runflowd approve {name}` {_and(waits)}" if waits else "files are bought without asking"
    return f"{name}: {how}."


def _priced(money: Money, rule: str) -> str:
    """How the price of a file is known."""
    own = money.of(rule)
    if own.price is not None:
        return f", {amount_text(own.price, money.currency)} a file"
    return {
        UnknownPrice.ASK: ", which the catalogue says or one file shows",
        UnknownPrice.ALLOW: ", and files of unknown price count only once they are charged",
        UnknownPrice.REFUSE: ", and files of unknown price are not bought",
    }[own.unknown_price]


def _notify(notify: Notify, money: Money) -> Iterator[str]:
    ways = [f"a message to {urlsplit(notify.webhook.url).hostname}"] if notify.webhook else []
    ways += [f"the program {notify.command[0]}"] if notify.command else []
    ways += [f"Apprise to {_and([each.name for each in notify.apprise])}"] if notify.apprise else []
    if ways:
        kinds = ", ".join(_notified_kinds(notify, money)) or "of nothing"
        yield f"Messages go out by {' and by '.join(ways)}: {kinds}."
        lasted = duration_text(notify.after)
        if notify.folders:
            yield f"A folder of {notify.folders.count} files or more is told of when all of it has come to its end."
        if notify.digest:
            yield f"A digest goes out every day at {notify.digest:%H:%M}."
        yield f"Incidents are reported when they have lasted {lasted}, once however often they come and go."
    else:
        yield "Nobody is notified of incidents."
    if notify.heartbeat:
        host, every = urlsplit(notify.heartbeat.url).hostname, duration_text(notify.heartbeat.every)
        yield f"While every stage works, {host} is called every {every}."


def _notified_kinds(notify: Notify, money: Money) -> Iterator[str]:
    """What people are notified of, in the order in which it is documented."""
    if Kind.INCIDENT in notify.on:
        yield "of incidents wider than one file"
    if Kind.RESOLVED in notify.on:
        yield "when that is resolved"
    if Kind.BUDGET in notify.on and money.budget.per_day is not None:
        yield f"when {amount_text(money.budget.per_day, money.currency)} was spent in a day"
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
    if rule.receipts:
        yield f"what each file cost, and what came of it, is written into {rule.receipts}."
    yield from _review(rule)
    then = "safe" if rule.review.mode is ReviewMode.OFF else "safe, and accepted where it waits for a verdict"
    if rule.after.kind is AfterKind.MOVE:
        yield f"a source moves to {rule.after.folder} once its result is {then}."
    if rule.after.kind is AfterKind.DELETE:
        yield f"a source is DELETED once its result is {then}."
    if rule.existing is Existing.SKIP:
        yield "files that are there when the rule first runs are left alone."


def _review(rule: Rule) -> Iterator[str]:
    which = "results" if rule.review.which == 100 else f"{rule.review.which}% of the results"
    match rule.review.mode:
        case ReviewMode.HOLD:
            yield f"{which} appear once they are accepted; those rejected go to {rule.output}/{REJECTED_FOLDER}."
        case ReviewMode.AFTER:
            yield f"{which} are judged after delivery; those rejected go to {rule.output}/{REJECTED_FOLDER}."
