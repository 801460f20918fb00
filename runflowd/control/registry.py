"""Every command that is answered over the socket: its name, whether it writes, and where its function is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from runflowd.control.refusal import CommandRefused

if TYPE_CHECKING:
    from runflowd.control.command_context import Handler


@dataclass(frozen=True, slots=True)
class Entry:
    """The function at `module:name`, imported when it is first asked for."""

    place: str
    writes: bool = False
    prepares: bool = False
    """It changes nothing itself but leads to what does: only for the configuration that the state file is of."""
    of_model: bool = False
    """It is given what the service declares of the model of its `rule`."""
    of_settling: bool = False
    """It is given the files that are not stable yet."""

    def handler(self) -> Handler:
        """The function itself."""
        module, _, name = self.place.partition(":")
        return cast("Handler", getattr(import_module(module), name))


REGISTRY = {
    "status": Entry("runflowd.control.handlers.status:status"),
    "spend": Entry("runflowd.control.handlers.spend:spend"),
    "list": Entry("runflowd.control.handlers.status:list_items", of_settling=True),
    "logs": Entry("runflowd.control.handlers.history:logs", of_settling=True),
    "retry": Entry("runflowd.control.handlers.retry:retry_items", writes=True),
    "rerun-choose": Entry("runflowd.control.handlers.rerun:choose", prepares=True),
    "rerun": Entry("runflowd.control.handlers.rerun:run_again", writes=True),
    "rerun-files": Entry("runflowd.control.handlers.own_settings:files_named"),
    "rerun-with": Entry("runflowd.control.handlers.own_settings:propose", prepares=True, of_model=True),
    "pause": Entry("runflowd.control.handlers.pause:pause_rules", writes=True),
    "resume": Entry("runflowd.control.handlers.pause:resume_rules", writes=True),
    "approve": Entry("runflowd.control.handlers.approve:approve_files", writes=True),
    "review": Entry("runflowd.control.handlers.review:to_review"),
    "verdict": Entry("runflowd.control.handlers.review:judge_results", writes=True),
    "verdict-outcome": Entry("runflowd.control.handlers.review:outcome"),
    "accept-folder": Entry("runflowd.control.handlers.pause:accept_folders", writes=True),
    "hosts": Entry("runflowd.control.handlers.hosts:list_hosts"),
    "drain": Entry("runflowd.control.handlers.hosts:drain_host", writes=True),
    "remove-host": Entry("runflowd.control.handlers.hosts:remove_host", writes=True),
    "left-behind": Entry("runflowd.control.handlers.left_behind:left_behind"),
}


def entry(name: str) -> Entry:
    """The entry of that name. Raises CommandRefused for one that this version does not know."""
    if name not in REGISTRY:
        raise CommandRefused(f"this runflowd knows no command {name!r}; is the daemon of another version?")
    return REGISTRY[name]
