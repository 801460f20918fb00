"""The configuration: YAML as people write it, checked as a whole, as one frozen Config.

Each name is imported when it is first asked for: whoever asks for no configuration makes no models of its sections.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runflowd.config.check_warnings import open_doors, warnings
    from runflowd.config.credentials import (
        Credential,
        CredentialError,
        apprise_address,
        callback_secrets,
        notify_secret,
        service_key,
    )
    from runflowd.config.description import describe
    from runflowd.config.essentials import Callbacks, Essentials, Listen, LocalService, Service
    from runflowd.config.issue import ValidationIssue
    from runflowd.config.loading import load, locate
    from runflowd.config.overrides import load_override
    from runflowd.config.published import schema, schema_text, stored_schema
    from runflowd.config.remembered import load_essentials
    from runflowd.config.snapshot import Config, Limits, Log, Notify, Webhook

_HOMES = {
    "check_warnings": ("open_doors", "warnings"),
    "credentials": (
        *("Credential", "CredentialError", "apprise_address", "callback_secrets", "notify_secret", "service_key"),
    ),
    "description": ("describe",),
    "essentials": ("Callbacks", "Essentials", "Listen", "LocalService", "Service"),
    "issue": ("ValidationIssue",),
    "loading": ("load", "locate"),
    "overrides": ("load_override",),
    "published": ("schema", "schema_text", "stored_schema"),
    "remembered": ("load_essentials",),
    "snapshot": ("Config", "Limits", "Log", "Notify", "Webhook"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


__all__ = [
    "Callbacks",
    "Config",
    "Credential",
    "CredentialError",
    "Essentials",
    "Limits",
    "Listen",
    "LocalService",
    "Log",
    "Notify",
    "Service",
    "ValidationIssue",
    "Webhook",
    "apprise_address",
    "callback_secrets",
    "describe",
    "load",
    "load_essentials",
    "load_override",
    "locate",
    "notify_secret",
    "open_doors",
    "schema",
    "schema_text",
    "service_key",
    "stored_schema",
    "warnings",
]
