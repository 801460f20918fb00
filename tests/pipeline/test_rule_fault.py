"""What is said of a rule that the service refuses: the place, what to do, and once that it cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stage_rig import rule

from runflowd.core.error_places import Blame
from runflowd.pipeline.rule_fault import fault_of_reference, fault_of_rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runflowd.pipeline.rule_fault import RuleAtFault


def _of_value(folder: Path) -> RuleAtFault:
    return fault_of_rule(rule(folder), {}, Blame(key=("image_url",), message="no such key"), "422")


def _of_reference(folder: Path) -> RuleAtFault:
    return fault_of_reference(rule(folder, files={"look": "look.cube"}), "files.look.url", "no such type")


@pytest.mark.parametrize("fault", [_of_value, _of_reference])
def test_that_nothing_was_bought_is_said_once(tmp_path: Path, fault: Callable[[Path], RuleAtFault]) -> None:
    """The sentence and its remedy stand together wherever they are shown."""
    found = fault(tmp_path)

    assert 1 == f"{found}. {found.remedy}".lower().count("nothing was bought")
