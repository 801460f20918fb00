"""What the function behind a command is given, and how it says no.

A command is one function over the state file, called by the daemon for whoever asks over the socket, and
by the command itself when no daemon runs. It takes a `CommandContext` and the parameters, plain JSON that nobody has
checked yet, and gives plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from runflowd.control.refusal import CommandRefused
from runflowd.core.printable import printable
from runflowd.core.suggestion import unknown_name
from runflowd.observability.hosts import hosts_of_rules
from runflowd.pipeline.io_guard import Role
from runflowd.store.hosts import hosts
from runflowd.store.listing import rules_with_items

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runflowd.config import Essentials
    from runflowd.core.declared import Declared
    from runflowd.core.model import Rule
    from runflowd.store import Connection
    from runflowd.system.paths import Place

Parameters: TypeAlias = "Mapping[str, Any]"
Answer: TypeAlias = dict[str, Any]
Handler: TypeAlias = "Callable[[CommandContext, Parameters], Answer | Outside]"

MAX_NUMBER = 1 << 53
"""The largest number taken: exact in every JSON, and far below what SQLite counts with."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One moment to answer in. `connection` is in a transaction if the command writes; `now` is epoch seconds.

    `daemon` is what the running daemon says of itself, None when none runs. `declared` are the inputs of the model that
    a command is about, as the service has just declared them; none where it was not asked. `settling` are the files of
    each rule that are not stable yet, None where nobody knows of them.
    """

    connection: Connection
    place: Place
    config: Essentials
    now: float
    daemon: Answer | None = None
    declared: tuple[Declared, ...] = ()
    settling: Mapping[str, Collection[str]] | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """An answer that a folder of a rule gives: asked when the state file is let go of, for it may not come.

    `look` blocks, and may raise CommandRefused. `role` says which folder it asks. `then` makes the answer of what it
    gave, with the state file open again.
    """

    rule: Rule
    role: Role
    look: Callable[[], Answer]
    then: Callable[[CommandContext, Answer], Answer] | None = None

    @property
    def folder(self) -> str:
        """The folder that is asked."""
        return self.rule.watch if self.role is Role.WATCHED else self.rule.output


def rule_named(context: CommandContext, name: str) -> Rule:
    """The rule of that name. Raises CommandRefused."""
    found = next((rule for rule in context.config.rules if rule.name == name), None)
    if found is None:
        raise no_such_rule(context, name, [rule.name for rule in context.config.rules])
    return found


def rule_asked_for(context: CommandContext, parameters: Parameters) -> str | None:
    """The parameter `rule`, None where it is not given. Raises CommandRefused for a rule that nobody knows.

    One that is configured no more is known for its files.
    """
    name = text(parameters, "rule")
    configured = {rule.name for rule in context.config.rules}
    if name is not None and name not in configured and name not in rules_with_items(context.connection):
        raise no_such_rule(context, name, configured)
    return name


def no_such_rule(context: CommandContext, name: str, known: Collection[str]) -> CommandRefused:
    """What is said about a rule that is none of the `known` ones: it may be that of another host."""
    host = hosts_of_rules(context.connection, hosts(context.connection, context.now)).get(name)
    if host is not None and context.config.rule(name) is None:
        return CommandRefused(f"rule {printable(name)!r} is another host's ({host}): give the command there", 2)
    return CommandRefused(unknown_name("rule", name, known), 2)


def text(parameters: Parameters, name: str) -> str | None:
    """A parameter that is text, or None."""
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise CommandRefused(f"{name} must be text", 2)
    return value


def texts(parameters: Parameters, name: str) -> tuple[str, ...]:
    """A parameter that is a list of texts."""
    value = parameters.get(name, ())
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise CommandRefused(f"{name} must be a list of texts", 2)
    return tuple(value)


def flag(parameters: Parameters, name: str) -> bool:
    """A parameter that is yes or no; no when it is missing."""
    return parameters.get(name) is True


def count(parameters: Parameters, name: str, default: int) -> int:
    """A parameter that is a whole number of at least 0."""
    value = parameters.get(name, default)
    if not is_count(value):
        raise CommandRefused(f"{name} must be a number", 2)
    return int(value)


def is_count(value: object) -> bool:
    """Whether this is a whole number of at least 0 that a table can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER
