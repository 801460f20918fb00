"""What a shell may suggest while somebody types: read from the configuration, and never a reason to fail."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from runflowd.commands.options import find_config

if TYPE_CHECKING:
    import click


def rule_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The rules that begin so and are not named yet; none where the configuration cannot be read."""
    from runflowd.config import load  # noqa: PLC0415  needed only when somebody presses the key

    with suppress(Exception):  # a prompt is no place for a message about the configuration
        named = context.params.get("rules") or ()
        rules = load(find_config(context.params.get("place"))).rules
        return [rule.name for rule in rules if rule.name.startswith(incomplete) and rule.name not in named]
    return []
