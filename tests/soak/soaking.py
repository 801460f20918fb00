"""Rounds of trouble, each ended by calm and a look at the books."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import own_home
from daemon_process import Installation, Service, until
from silent_share import SilentShare, why_no_share

from tests.soak.auditing import limits, overspent, problems
from tests.soak.monkey import Monkey
from tests.soak.people import RULES, People

if TYPE_CHECKING:
    import argparse

RESOLVE_DELAY = 180.0
"""Seconds in which everything has to come to rest once the trouble is over."""


class PaidService(Service):
    """The service, which takes a price for handing images through."""

    module = "tests.soak.paid_service"


def soak(options: argparse.Namespace) -> int:
    """Run the rounds; 0 when all of them ended well."""
    folder = options.folder or Path(tempfile.mkdtemp(prefix="runflowd-soak-"))
    _say(f"seed {options.seed}, folder {folder}")
    own_home.move_into(folder)
    began = time.monotonic()
    rounds = 0
    with PaidService(folder / "service", "--balance", "100000") as service:
        installation = Installation(folder / "installation", service)
        random = Random(options.seed)
        people = People(installation, random)
        monkey = Monkey(installation, people, random)
        people.edit_rules()
        monkey.share = _shared(installation, people)
        try:
            _settle_in(installation, people)
            while rounds < options.rounds or time.monotonic() - began < options.minutes * 60:
                rounds += 1
                if found := _round(installation, people, monkey, options.actions):
                    _say("\n".join([f"round {rounds} of seed {options.seed}, kept in {folder}:", *found]))
                    return 1
                _say(_line(rounds, installation, people, monkey))
        finally:
            installation.end()
            if monkey.share is not None:
                monkey.share.close()
    if options.folder is None:
        shutil.rmtree(folder)
    _say(f"{rounds} rounds, {time.monotonic() - began:.0f} s, all books as promised")
    return 0


def _settle_in(installation: Installation, people: People) -> None:
    """Let every rule know a file of its folder: which folder is the right one, nobody can tell before."""
    for rule in RULES:
        people.drop(rule)
    installation.start()
    until(lambda: not problems(installation, people), "the first files have their results", RESOLVE_DELAY)
    installation.end()


def _shared(installation: Installation, people: People) -> SilentShare | None:
    """One of the watched folders is a share, where such can be made; people work on its server."""
    if reason := why_no_share():
        _say(f"no share: {reason}")
        return None
    behind = installation.folder / "server"
    people.share("right", behind)
    return SilentShare(people.watched("right"), behind)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _round(installation: Installation, people: People, monkey: Monkey, actions: int) -> list[str]:
    installation.end()
    people.tighten({limit.rule: limit.charged + limit.reserved for limit in limits(installation, people)})
    monkey.begin()
    for _ in range(actions):
        people.act()
        monkey.act()
        time.sleep(monkey.pause())
        monkey.count(held="BUDGET_REACHED" in installation.incidents())
        if found := overspent(installation, people):
            return found
    people.mend()
    monkey.calm()
    try:
        until(lambda: not problems(installation, people), "all books in order", RESOLVE_DELAY)
    except AssertionError:
        return [
            *problems(installation, people),
            *monkey.complaints,
            installation.daemon.log() if installation.daemon else "",
        ]
    return monkey.complaints


def _line(number: int, installation: Installation, people: People, monkey: Monkey) -> str:
    charges = installation.service.ledger()["charged_times"]
    files = sum(len(people.files[rule]) for rule in RULES)
    return f"round {number}: {files} files, {charges} bought, {monkey.tally()}"
