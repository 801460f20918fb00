"""The rules whose intake is this host's, and the right to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.fleet import intake_of
from runflowd.core.incident_scope import ScopeKind
from runflowd.store.claims import Claim, Claimable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.incident_scope import IncidentScope
    from runflowd.core.model import Rule


def claimed(rules: Mapping[str, Rule], intake: Mapping[str, int] | None) -> dict[str, Rule]:
    """Of the rules in force those whose intake is this host's: all, where it is alone."""
    return {name: rule for name, rule in rules.items() if intake is None or name in intake}


def intake_scopes(rule: str) -> tuple[IncidentScope, ...]:
    """What the intake of a rule says of its folders and of what it holds, and nobody else does."""
    kinds = (ScopeKind.WATCH, ScopeKind.FILES, ScopeKind.BUDGET, ScopeKind.PER_FILE)
    return tuple(kind.of(rule) for kind in kinds)


def claim_of(rule: str, intake: Mapping[str, int] | None, session: str) -> Claim | None:
    """The right to do the intake of a rule; a host alone needs none."""
    return None if intake is None else Claim(Claimable.DUTY, intake_of(rule), session, intake[rule])
