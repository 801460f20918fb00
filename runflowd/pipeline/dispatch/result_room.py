"""Nothing is bought whose result could not be kept: asked before each purchase of the folders that results go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.incident_scope import ScopeKind
from runflowd.pipeline.dispatch.refusals import AskAgain
from runflowd.pipeline.error_scopes import of_output
from runflowd.pipeline.mounted import NotMounted

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.mounted import MountCheck


async def require_room(context: Context, mounts: MountCheck, rule: Rule) -> None:
    """Raise `NoSpace` where the disk is short, and `AskAgain` where another thing is wrong with a folder.

    The disk may say that it has room and take nothing: a quota, the number of its files, a mount that is read-only. So
    once a result could not be written, a file has to be made there before more is bought. Of several hosts, one that
    does not deliver has no folder to ask; another one will have the result.
    """
    folder, scopes = context.io.written(rule), {ScopeKind.RULE.of(rule.name), ScopeKind.OUTPUT.of(rule.name)}
    try:
        await mounts.require_outputs(rule)
        await folder.read(_require_space, rule, context.limits.free_space)
        if any(report.scope in scopes for report in context.incidents.snapshot()):
            await folder.write(_try_writing, rule)
    except NotMounted:
        return
    except files.NoSpace:
        raise
    except files.FileError as error:
        wait = await context.incidents.report(of_output(rule.name, error)) - context.clock.now()
        raise AskAgain(error.sentence, wait) from error


def _require_space(rule: Rule, floor: int) -> None:
    for folder in rule.delivered_to.values():
        files.require_space(folder, floor)


def _try_writing(rule: Rule) -> None:
    for folder in rule.delivered_to.values():
        files.try_writing(folder)
