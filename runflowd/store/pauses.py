"""Rules for which nothing is bought until a person says so, or until a result that is in doubt is known.

A pause is a row, not a message: it holds whether a daemon runs or not, and survives every restart.
What was bought before it is still waited for and delivered; files are still found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.errors import RunflowdError
from runflowd.store.notices import end_incident

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.store.connection import Connection

EVERY_RULE = ""
"""The name under which all rules are paused, those of the future included."""


class PauseKind(StrEnum):
    """Why nothing is bought for a rule."""

    OPERATOR = "operator"
    """A person said so; no edit ends it."""
    UNDELIVERABLE = "undeliverable"
    """What it bought cannot be delivered."""
    IN_DOUBT = "in_doubt"
    """It is not known yet whether what it bought can be delivered."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause: since when (epoch seconds), and why. `rule` is EVERY_RULE for all of them."""

    rule: str
    since: float
    reason: str
    kind: PauseKind = PauseKind.OPERATOR
    recipe: str | None = None
    """What was bought when the rule was stopped or held for it (`core.undeliverable.recipe_of`)."""
    advice: str = ""
    """What the incident of a stop says is to be done."""

    @property
    def subject(self) -> str:
        """What is paused, in words."""
        return f"rule {self.rule}" if self.rule != EVERY_RULE else "every rule"

    @property
    def remedy(self) -> str:
        """How it ends."""
        if self.advice:
            return self.advice
        if self.kind is PauseKind.IN_DOUBT:
            return (
                "it goes on by itself once a result of it can be delivered; if none comes, an incident says where it "
                f"can be had. `runflowd resume {self.rule}` does not wait for that"
            )
        edited = ", and so does an edit of its `model`, `input`, `select` or `files`" if self.recipe else ""
        return f"`runflowd resume {self.rule or '--all'}` lets it go on{edited}"


class Paused(RunflowdError):
    """A rule was paused since its batch was claimed: what is not bought yet waits."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"rule {rule} is paused")


def pauses(connection: Connection) -> list[Pause]:
    """Everything that is paused."""
    return [Pause(**{**dict(row), "kind": PauseKind(row["kind"])}) for row in connection.all("pauses")]


def require_unpaused(connection: Connection, rule: str) -> None:
    """Raise `Paused` for a rule of which nothing is to be bought."""
    if connection.one("pause_of_rule", rule=rule) is not None:
        raise Paused(rule)


def pause(connection: Connection, rule: str, reason: str, now: float) -> None:
    """Buy nothing more for a rule; one that is paused already keeps its time and takes the new reason."""
    connection.run("save_pause", rule=rule, reason=reason, kind=PauseKind.OPERATOR, now=now)


def stop(connection: Connection, rule: str, reason: str, recipe: str, now: float) -> None:
    """Buy nothing more for a rule by this recipe: what it brings cannot be delivered."""
    connection.run("stop_rule", rule=rule, reason=reason, kind=PauseKind.UNDELIVERABLE, recipe=recipe, now=now)


def hold_rule(connection: Connection, rule: str, reason: str, recipe: str, now: float) -> bool:
    """Buy nothing by this recipe until it is known whether it can be delivered; give whether that is new.

    Whoever is paused for another reason stays so.
    """
    is_new = connection.one("pause_of_rule", rule=rule) is None
    connection.run("hold_rule", rule=rule, reason=reason, kind=PauseKind.IN_DOUBT, recipe=recipe, now=now)
    return is_new


def end_holds(connection: Connection, recipe: str) -> list[str]:
    """A result of a recipe was delivered: give the rules that were held for it, and go on."""
    return [row["rule"] for row in connection.all("end_holds", recipe=recipe)]


def resume(connection: Connection, rule: str, now: float) -> bool:
    """Let a rule go on; False when it was not paused."""
    scope = str(ScopeKind.RESULTS.of(rule))
    if connection.run("end_incident_of_pause", scope=scope):
        end_incident(connection, scope, now)
    return connection.run("drop_pause", rule=rule) == 1


def resume_edited(connection: Connection, recipes: Mapping[str, str], now: float) -> list[str]:
    """Let go on whatever was stopped for a recipe that its rule no longer has, given what each has now."""
    edited = [each.rule for each in pauses(connection) if each.recipe and each.recipe != recipes.get(each.rule)]
    return [rule for rule in edited if rule in recipes and resume(connection, rule, now)]
