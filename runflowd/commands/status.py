"""`runflowd status`: how things stand, asked of the daemon, or read from the state file when none runs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import ask
from runflowd.commands.formatting import advice, duration, money, price, print_lines, quoted, reason_of, wait_for_review
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.core.printable import printable, short_id
from runflowd.core.state_words import SETTLING, STATE_WORDS, TO_REVIEW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALWAYS = frozenset({"queued", "processing", "done", "failed"})


@click.command()
@config_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Failed files shown at most.")
def command(place: Path | None, limit: int, *, as_json: bool) -> None:
    """Show rules and counts, batches in flight, failures with their remedy, pauses, incidents, and today's spend.

    Asks the daemon that runs; without one, the state file tells. The answer also says how long the
    daemon has been up, and whether the last edit of the configuration was taken or refused, and why.
    """
    status = ask(place, "status", limit=limit)
    if as_json:
        echo_json(status)
        return
    for part in _parts(status):
        print_lines(part)


def _parts(status: dict[str, Any]) -> Iterator[list[str]]:
    yield list(_head(status))
    settling = status["daemon"]["settling"] if status["daemon"] else {}
    yield ["", *_rules(status["rules"], settling)]
    if to_review := sum(status["to_review"].values()):
        yield ["", quoted(f"{click.style(wait_for_review(to_review), bold=True)}: `runflowd review`")]
    if status["batches"]:
        yield ["", *_batches(status["batches"])]
    now = status["now"]
    if found := [each for each in status["paused"] if not each["stopped"]]:  # a stop is among the incidents
        yield _section("Paused", "yellow", [_pause(each, now) for each in found])
    if found := status["incidents"]:
        yield _section("Incidents", "red", [_incident(each, now) for each in found])
    if found := status["failures"]:
        yield _section(_failed(status["rules"], len(found)), "red", [_problem(each) for each in found])
    if found := status["partial"]:
        yield _section("In part", "yellow", [_problem(each) for each in found])
    if found := status["waiting"]:
        yield _section("Waiting", "yellow", [_problem(each) for each in found])


def _failed(rules: list[dict[str, Any]], shown: int) -> str:
    """The title over the failures: how many there are beside those that are shown."""
    failed = sum(_count(rule, "failed") for rule in rules)
    return f"Failed ({shown} of {failed}; `runflowd list --state failed` has all)" if failed > shown else "Failed"


def _head(status: dict[str, Any]) -> Iterator[str]:
    daemon = status["daemon"]
    running = f"running (process {status['pid']})" if status["pid"] else "not running"
    if daemon:
        running = f"{running}, version {daemon['version']}, for {duration(daemon['uptime'])}"
    elif status["pid"]:
        running = f"{running} and does not answer"
    yield f"runflowd is {running}. Spent today: {_spent(status)}."
    yield click.style(f"State: {printable(status['state'])}", dim=True)
    if len(status["hosts"]) > 1:
        yield f"Hosts: {', '.join(map(_host, status['hosts']))}."
    if not daemon:
        return
    if daemon["unwritten"]:
        yield click.style(f"Nothing is bought or delivered: {printable(daemon['unwritten'])}", fg="red", bold=True)
    if allowed := daemon["service"]["allowed"]:
        yield f"The service allows {allowed}."
    config = daemon["config"]
    yield click.style(f"Configuration: {printable(config['source'])}", dim=True)
    if config["problems"]:
        age = duration(max(0.0, status["now"] - config["taken_at"]))
        yield click.style(f"The last edit is refused; the one taken {age} ago is in force:", fg="red", bold=True)
        yield from (f"  {printable(problem)}" for problem in config["problems"])


def _host(host: dict[str, Any]) -> str:
    """A host, what is special about it, and what it has in hand."""
    intake = f"intake of {' and '.join(host['intake'])}" if host["intake"] else ""
    if host["state"] == "gone":
        return f"{printable(host['name'])} (gone)"
    parts = ["drained" if host["state"] == "drained" else "", intake, f"{host['batches']} batches in hand"]
    return f"{printable(host['name'])} ({', '.join(filter(None, parts))})"


def _estimate(status: dict[str, Any]) -> str:
    """How much of what was spent the service has not stated yet."""
    estimated, unpriced = Decimal(status["spent_estimated"]), status["spent_unpriced"]
    parts = [f"{money(estimated, status['currency'])} of it by estimate"] if estimated else []
    parts += [f"and {unpriced} files whose price is not known yet"] if unpriced else []
    return f", {' '.join(parts)}" if parts else ""


def _spent(status: dict[str, Any]) -> str:
    paid, hosted = Decimal(status["spent_today"]), Decimal(status["hosted_today"])
    if hosted and not paid and not status["spent_in_others"]:
        return f"nothing; {price(None, hosted)}"
    others = "".join(f", and {money(Decimal(each), name)}" for name, each in status["spent_in_others"].items())
    return f"{price(paid, hosted, status['currency'])}{_estimate(status)}{others}"


def _section(title: str, colour: str, paragraphs: list[str]) -> list[str]:
    return ["", click.style(quoted(title), bold=True, fg=colour), *paragraphs]


def _incident(incident: dict[str, Any], now: float) -> str:
    return advice(
        f"{incident['code']} for {duration(now - incident['since'])}", incident["message"], incident["remedy"]
    )


def _pause(pause: dict[str, Any], now: float) -> str:
    subject = f"{pause['subject']} for {duration(now - pause['since'])}"
    return advice(subject, pause["reason"] or "somebody asked", pause["remedy"])


def _problem(entry: dict[str, Any]) -> str:
    why = reason_of(entry["reason"] or entry["code"] or "no reason was given", entry["file"])
    return advice(f"{entry['file']} (rule {entry['rule']})", why, entry["remedy"])


def _rules(rules: list[dict[str, Any]], settling: dict[str, int]) -> Iterator[str]:
    first = [SETTLING] if any(settling.values()) else []
    last = [TO_REVIEW] if any("to_review" in rule["counts"] for rule in rules) else []
    shown = [name for name in STATE_WORDS if name in ALWAYS or any(_count(rule, name) for rule in rules)]
    rows = [
        [
            rule["name"],
            rule["model"] or (f"(on host {rule['host']})" if rule["host"] else "(rule removed)"),
            *(str(settling.get(rule["name"], 0)) for _ in first),
            *(str(_count(rule, name)) for name in shown),
            *(str(rule["counts"].get("to_review", 0)) for _ in last),
        ]
        for rule in rules
    ]
    return table(["rule", "model", *first, *shown, *last], rows, [*first, *shown, *last])


def _count(rule: dict[str, Any], column: str) -> int:
    return sum(rule["counts"].get(state, 0) for state in STATE_WORDS[column])


def _batches(batches: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        [
            short_id(batch["id"]),
            batch["rule"],
            batch["model"],
            "overdue" if batch["overdue"] else batch["state"],
            f"{batch['ended']} of {batch['items']}",
            duration(batch["age"]),
            batch["reason"],
        ]
        for batch in batches
    ]
    return table(["batch", "rule", "model", "state", "ended", "age", "reason"], rows, ("ended", "age"))
