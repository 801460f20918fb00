"""A limit of money, seen from the command line of somebody who uses a service that bills."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import picture
from local_service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRICE = 0.08


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Three different photos under a limit that two of them fit."""
    with ServiceProcess(tmp_path / "service") as service:
        for made in desk_in(tmp_path):
            rule = made.rule(model="runflow/upscale", input={"image_url": "${file.url}"}, price=PRICE)
            made.configure(service={"url": service.url, "allow_http": True}, rules={"one": rule})
            whole = json.loads(made.config.read_text())
            made.config.write_text(json.dumps({**whole, "money": {"budget": {"per_day": 0.2}}}))
            for number in range(3):
                (made.input / f"{number}.jpg").write_bytes(picture())
            yield made


def test_sync_buys_what_fits_and_ends_with_75(desk: Desk) -> None:
    """The rest stays, with the limit, the sum and the key that raises it."""
    said = desk.run("sync", env=WITH_KEY)

    assert (75, 2) == (said.code, len(list(desk.output.iterdir()))), said.err
    assert "1 file is held, about $0.08" in said.err + said.out
    assert "money.budget.per_day is 0.2: 0.16 is charged" in said.err + said.out


def test_a_plan_says_what_is_paid_before_anything_was(desk: Desk) -> None:
    """By the catalogue, which is asked; what limits and approvals let through, and what is left then."""
    whole = json.loads(desk.config.read_text())
    del whole["rules"]["one"]["price"]
    whole["rules"]["one"] |= {"approve": {"first": 1}, "budget": {"per_day": 0.5}}
    desk.config.write_text(json.dumps(whole))
    plain, told = desk.run("plan", "one", env=WITH_KEY), desk.run("plan", "--json", env=WITH_KEY).json
    unknown = desk.run("plan")

    assert "3 files would be bought, " in plain.out, plain.err
    assert [] == [
        words
        for words in (
            ", about $0.24\n",
            "  rules.one.budget.per_day lets 3 of 3 through now, and $0.26 of $0.50 is left then\n",
            (
                "  rules.one.approve lets 1 of 3 through now; once the daemon or `runflowd sync` has bought these, "
                "`runflowd approve one` lets the others pass\n"
            ),
            "  money.budget.per_day lets 2 of 3 through now, and $0.04 of $0.20 is left then\n",
        )
        if words not in plain.out
    ], plain.out
    assert ("3", "0.24", 0) == (str(told["total"]["files"]), told["total"]["high"], told["total"]["unknown_price"])
    assert Decimal(told["balance"]) - Decimal(told["balance_after"]) == Decimal("0.24")
    assert [2] == [each["files"] for each in told["limits"]]
    assert "price unknown" in unknown.out


def test_a_sample_is_bought_and_the_rest_once_it_is_approved(desk: Desk) -> None:
    """The command that is named in the message does what it says, without a daemon too."""
    whole = json.loads(desk.config.read_text())
    whole["rules"]["one"]["approve"] = {"first": 1}
    desk.config.write_text(json.dumps({**whole, "money": {}}))
    first = desk.run("sync", env=WITH_KEY)
    approved = desk.run("approve", "one", "--files", "1", env=WITH_KEY)
    part = desk.run("sync", env=WITH_KEY), len(list(desk.output.iterdir()))
    desk.run("approve", "one", env=WITH_KEY)
    again = desk.run("approve", "one", env=WITH_KEY)
    second = desk.run("sync", env=WITH_KEY)

    assert (75, 0, 1, 0) == (first.code, approved.code, again.code, second.code), (first.err, approved.err, second.err)
    assert "2 files are held, about $0.16. rules.one.approve.first is 1" in first.err + first.out
    assert "`runflowd approve one --files 2` lets 2 pass" in first.err + first.out
    assert ("1 file may be bought: rule one.\n1 file still waits.\n", 3) == (
        approved.out,
        len(list(desk.output.iterdir())),
    )
    assert (75, 2) == (part[0].code, part[1])
    assert "nothing of rule one waits for an approval" in again.err


def test_a_raised_limit_lets_the_rest_go_on(desk: Desk) -> None:
    """Nothing is bought twice."""
    desk.run("sync", env=WITH_KEY)
    desk.config.write_text(desk.config.read_text().replace('"per_day": 0.2', '"per_day": 1'))
    said = desk.run("sync", env=WITH_KEY)
    status = desk.run("status", "--json", env=WITH_KEY).json

    assert (0, 3, "0.24") == (said.code, len(list(desk.output.iterdir())), status["spent_today"]), said.err
