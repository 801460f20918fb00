"""What an incident covers, and the text by which the store and people know it."""

from __future__ import annotations

import pytest

from runflowd.core.incident_scope import (
    CREDIT,
    SERVICE,
    STORAGE,
    IncidentScope,
    ScopeKind,
    on_host,
    parse_scope,
    split_host,
)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (SERVICE, "service"),
        (STORAGE, "storage"),
        (CREDIT, "credit"),
        (IncidentScope(ScopeKind.CONFIG), "config"),
        (IncidentScope(ScopeKind.RESTART), "restart"),
        (IncidentScope(ScopeKind.WEB), "web"),
        (ScopeKind.HOST.of("attic"), "host:attic"),
        (ScopeKind.RULE.of("studio"), "rule:studio"),
        (ScopeKind.WATCH.of("a:b"), "watch:a:b"),
        (ScopeKind.NOTIFY.of("webhook"), "notify:webhook"),
        (ScopeKind.PAUSE.of(""), "pause:"),
    ],
)
def test_a_scope_and_its_text_stand_for_each_other(scope: IncidentScope, text: str) -> None:
    """State files, log lines and messages of earlier versions have this text."""
    assert (text, scope) == (str(scope), parse_scope(text))


@pytest.mark.parametrize("scope", [SERVICE, ScopeKind.OUTPUT.of("a"), ScopeKind.NOTIFY.of("webhook")])
def test_a_scope_of_one_host_is_told_from_that_of_another(scope: IncidentScope) -> None:
    """Whatever the host is called."""
    assert [(str(scope), "attic"), (str(scope), "on on on"), (str(scope), "")] == [
        split_host(text) for text in (on_host(scope, "attic"), on_host(scope, "on on on"), str(scope))
    ]


def test_scopes_of_two_rules_are_two() -> None:
    """What pauses one does not pause the other."""
    assert 3 == len({ScopeKind.RULE.of("a"), ScopeKind.RULE.of("b"), ScopeKind.WATCH.of("a")})


def test_an_unknown_kind_is_refused() -> None:
    """A misspelt scope would never be closed."""
    with pytest.raises(ValueError, match="rules"):
        parse_scope("rules:studio")
