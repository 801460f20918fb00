"""A person stops a rule, or lets it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.control.command_context import flag, no_such_rule, text, texts
from runflowd.control.refusal import CommandRefused
from runflowd.core.incident_scope import OUTPUT_CHANGED, ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.other_currency import OTHER_CURRENCY
from runflowd.core.printable import printable, scrubbed
from runflowd.store.deliveries import note_resumed
from runflowd.store.pauses import EVERY_RULE, pause, pauses, resume
from runflowd.store.prices import ask_anew
from runflowd.store.reports import count_states, incidents
from runflowd.store.retries import fetch_lost
from runflowd.store.roots import accept_folders as accept_strange
from runflowd.store.roots import forget_outputs

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.control.command_context import Answer, CommandContext, Parameters

MAX_REASON_LENGTH = 500


def pause_rules(context: CommandContext, parameters: Parameters) -> Answer:
    """Pause `rules`, or with `everything` all that there are and will be, for a `reason`."""
    reason = printable(scrubbed(text(parameters, "reason") or ""))[:MAX_REASON_LENGTH]
    names = _chosen(context, parameters, {rule.name for rule in context.config.rules})
    for name in names:
        pause(context.connection, name, reason, context.now)
    return {"paused": names}


def resume_rules(context: CommandContext, parameters: Parameters) -> Answer:
    """Let `rules` go on, or end what `everything` began.

    What a rule was stopped or held for is fetched again, and says nothing more about it; `fetched` is how many results.
    One that is held for a charge in another currency buys again.
    """
    paused = {each.rule: each for each in pauses(context.connection)}
    names = _chosen(context, parameters, {rule.name for rule in context.config.rules} | paused.keys())
    held = {each.scope for each in incidents(context.connection) if each.code == OTHER_CURRENCY}
    strange = {name for name in names if str(ScopeKind.BUDGET.of(name)) in held}
    resumed = [name for name in names if resume(context.connection, name, context.now) or name in strange]
    if not resumed:
        raise CommandRefused(_none_of(names, sorted(paused)))
    fetched = 0
    for name in resumed:
        if name in strange:
            note_resumed(context.connection, name, context.now)
            _ask_for_prices(context, name)
        if name in paused and paused[name].recipe:
            note_resumed(context.connection, name, context.now)
            fetched += fetch_lost(context.connection, name, context.now)
    still = [each.rule for each in pauses(context.connection)]
    return {"resumed": resumed, "still": still, "fetched": fetched, "waiting": _waiting(context, resumed, still)}


def _none_of(names: Collection[str], paused: Collection[str]) -> str:
    """Why nothing was resumed: `--all` ends what `pause --all` began, and no rule's own pause."""
    if EVERY_RULE in names and paused:
        return (
            f"not all rules are paused together, but each by itself: {', '.join(map(printable, paused))}. Name those "
            "that are to go on: `runflowd resume RULE`."
        )
    return "none of these is paused. `runflowd status` shows what is."


def _ask_for_prices(context: CommandContext, name: str) -> None:
    """The catalogue may say another currency than when the rule was held."""
    rule = context.config.rule(name)
    if rule is not None:
        ask_anew(context.connection, rule.model, context.now)


def _waiting(context: CommandContext, resumed: Collection[str], still: Collection[str]) -> int:
    """How many files are bought now, since nothing holds them up any more."""
    if EVERY_RULE in still:
        return 0
    return sum(
        counts.get(ItemState.READY, 0) + counts.get(ItemState.QUEUED, 0)
        for rule, counts in count_states(context.connection).items()
        if rule not in still and (rule in resumed or EVERY_RULE in resumed)
    )


def accept_folders(context: CommandContext, parameters: Parameters) -> Answer:
    """What stands at the watched folders of `rules` is what belongs there: a person says so."""
    names = _chosen(context, {**parameters, "everything": False}, {rule.name for rule in context.config.rules})
    accepted = [name for name in names if _accept(context, name)]
    if not accepted:
        raise CommandRefused(
            f"no other folder was met in the place of {', '.join(names)} by a running daemon or `sync`; "
            "`runflowd status` shows what is wrong"
        )
    return {"accepted": accepted}


def _accept(context: CommandContext, name: str) -> bool:
    """Accept the watched folder, and those that results go to where they are not the ones that are known."""
    open_now = {(each.scope, each.code) for each in incidents(context.connection)}
    changed = (str(ScopeKind.OUTPUT.of(name)), OUTPUT_CHANGED) in open_now
    changed |= str(ScopeKind.HOSTS.of(name)) in {scope for scope, _ in open_now}
    rule = context.config.rule(name)
    forgot = changed and rule is not None and forget_outputs(context.connection, rule.delivered_to.values())
    return accept_strange(context.connection, name, context.now) or forgot


def _chosen(context: CommandContext, parameters: Parameters, known: Collection[str]) -> list[str]:
    named, everything = texts(parameters, "rules"), flag(parameters, "everything")
    if everything == bool(named):
        raise CommandRefused("name the rules, or say --all", 2)
    for name in named:
        if name not in known:
            raise no_such_rule(context, name, [each for each in known if each != EVERY_RULE])
    return [EVERY_RULE] if everything else list(dict.fromkeys(named))
