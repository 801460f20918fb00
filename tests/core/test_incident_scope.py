"""What an incident covers, and the text by which the store and people know it."""

from __future__ import annotations

import pytest

from runflowd.core.incident_scope import CREDIT, SERVICE, STORAGE, IncidentScope, ScopeKind, parse_scope


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (SERVICE, "service"),
        (STORAGE, "storage"),
        (CREDIT, "credit"),
        (IncidentScope(ScopeKind.CONFIG), "config"),
        (IncidentScope(ScopeKind.RESTART), "restart"),
        (IncidentScope(ScopeKind.WEB), "web"),
        (ScopeKind.RULE.of("studio"), "rule:studio"),
        (ScopeKind.WATCH.of("a:b"), "watch:a:b"),
        (ScopeKind.NOTIFY.of("webhook"), "notify:webhook"),
        (ScopeKind.PAUSE.of(""), "pause:"),
    ],
)
def test_a_scope_and_its_text_stand_for_each_other(scope: IncidentScope, text: str) -> None:
    """State files, log lines and messages of earlier versions have this text."""
    assert (text, scope) == (str(scope), parse_scope(text))


def test_scopes_of_two_rules_are_two() -> None:
    """What pauses one does not pause the other."""
    assert 3 == len({ScopeKind.RULE.of("a"), ScopeKind.RULE.of("b"), ScopeKind.WATCH.of("a")})


def test_an_unknown_kind_is_refused() -> None:
    """A misspelt scope would never be closed."""
    with pytest.raises(ValueError, match="rules"):
        parse_scope("rules:studio")
