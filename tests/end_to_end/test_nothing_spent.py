"""With `service: local` no money moves, and nothing says that it did; what it would have cost is told as that."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from command_line import Desk, desk_in
from daemon_process import picture, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "runflow/upscale"
PRICE = "$0.08"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One photo for a model that has a price where it is hosted."""
    for made in desk_in(tmp_path):
        made.configure(rules={"one": made.rule(model=MODEL, input={"image_url": "${file.url}"})})
        (made.input / "mug.jpg").write_bytes(picture())
        yield made


def test_what_this_machine_did_was_not_paid_for(desk: Desk) -> None:
    """The last line of `sync`, `status`, `list`, `logs`, and what programs read (scenario 144)."""
    sync = desk.run("sync")
    status, told = desk.run("status"), desk.run("logs", "mug.jpg")
    (listed,), facts = desk.run("list", "--json").json["items"], desk.run("status", "--json").json
    said = f"{sync.out}{status.out}{told.out}{desk.run('list').out}".splitlines()

    assert 0 == sync.code, sync.err
    assert sync.out.rstrip().endswith(f", hosted, about {PRICE}")
    assert f"Spent today: nothing; hosted, about {PRICE}." in status.out
    assert ("0", "0.08") == (facts["spent_today"], facts["hosted_today"])
    assert (None, "0.08") == (listed["cost"], listed["hosted"])
    assert [] == [line for line in said if re.search(r"(?<!about )\$0\.0?8", line)]


def test_a_plan_says_what_the_hosted_service_would_take(desk: Desk) -> None:
    """Once a price is known (scenario 144)."""
    desk.run("sync")
    (desk.input / "cup.jpg").write_bytes(picture())
    said = desk.run("plan")

    assert f"hosted, about {PRICE}" in said.out
    assert [] == [line for line in said.out.splitlines() if re.search(r"(?<!about )\$", line)]


def test_no_budget_is_reached_by_what_costs_nothing(desk: Desk) -> None:
    """A budget is for money (scenario 144)."""
    whole = json.loads(desk.config.read_text())
    heard = desk.folder / "heard"
    budget, failures = {"per_day": 0.01}, {"count": 1}
    command = ["/bin/sh", "-c", f"cat >> {heard}"]
    whole["money"] = {"budget": budget}
    whole["notify"] = {"command": command, "after": "0s", "failures": failures}
    desk.config.write_text(json.dumps(whole))
    (desk.input / "text.jpg").write_text("no image")
    daemon = desk.start("run")
    until(lambda: heard.exists() and "MANY_FAILURES" in heard.read_text(), "a message", explain=desk.log)
    until(lambda: desk.outputs().keys() >= {"mug.jpg"}, "the result")
    until(lambda: desk.run("status", "--json").json["hosted_today"] == "0.08", "the result on record")
    desk.stop(daemon)

    assert "BUDGET_REACHED" not in heard.read_text()
