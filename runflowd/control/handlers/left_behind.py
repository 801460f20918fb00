"""Results that stay although their files are not there: another folder was accepted in the place of the watched one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.control.command_context import Outside, count, rule_named, text
from runflowd.core.model import OnDelete
from runflowd.pipeline.io_guard import Role
from runflowd.store.items import path_of

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.core.model import Rule

PAGE = 1_000
"""Files looked for in one answer."""


def left_behind(context: CommandContext, parameters: Parameters) -> Answer | Outside:
    """How many `results` of `rule` stay without their files, of a page of those, and where the `next` one begins.

    None where `on_delete` keeps all results anyway: nobody would expect them to go.
    """
    rule = rule_named(context, text(parameters, "rule") or "")
    if rule.on_delete is not OnDelete.REMOVE:
        return {"results": 0, "next": None}
    limit = min(PAGE, max(1, count(parameters, "limit", PAGE)))
    rows = context.connection.all("left_behind", rule=rule.name, after=count(parameters, "after", 0), limit=limit)
    found = [(path_of(row), int(row["outputs"])) for row in rows]
    then = rows[-1]["id"] if len(rows) == limit else None

    def look() -> Answer:
        return {"results": sum(outputs for path, outputs in found if not _is_there(rule, path)), "next": then}

    return Outside(rule, Role.WATCHED, look)


def _is_there(rule: Rule, path: str) -> bool:
    try:
        return files.stat(rule.watch, path) is not None
    except files.FileError:
        return False
