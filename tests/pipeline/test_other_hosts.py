"""What the commands say of a rule that is configured on another host only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stage_rig import EPOCH, Rig, running

from runflowd.control.refusal import CommandRefused
from runflowd.core.fleet import RuleFacts, to_text
from runflowd.store.hosts import Session, see

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def leave_to_another(rig: Rig) -> None:
    """The rule `studio` is configured on the host `attic` alone, from now on."""
    facts = to_text({"studio": RuleFacts("text", watch=True, output=True)})
    await rig.store.write(lambda found: see(found, Session("two", "attic", alone=False), facts, 0.0, EPOCH))
    rig.engine.context.rules = {}


async def test_status_names_the_host_of_a_rule_that_is_not_configured_here(tmp_path: Path) -> None:
    """It was not removed."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await leave_to_another(rig)
        (rule,) = (await rig.ask("status"))["rules"]

    assert ("studio", "", "attic") == (rule["name"], rule["model"], rule["host"])


@pytest.mark.parametrize(
    ("command", "parameters"),
    [("pause", {"rules": ["studio"]}), ("resume", {"rules": ["studio"]}), ("rerun-choose", {"rule": "studio"})],
)
async def test_a_command_about_another_host_s_rule_says_where_to_give_it(
    tmp_path: Path, command: str, parameters: dict[str, object]
) -> None:
    """And suggests no other rule in its place."""
    async with running(tmp_path) as rig:
        await leave_to_another(rig)
        with pytest.raises(CommandRefused) as refused:
            await rig.ask(command, **parameters)

    assert "rule 'studio' is another host's (attic): give the command there" == str(refused.value)
