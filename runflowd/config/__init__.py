"""The configuration: YAML as people write it, checked as a whole, as one frozen Config."""

from __future__ import annotations

from runflowd.config.check_warnings import open_doors, warnings
from runflowd.config.credentials import (
    Credential,
    CredentialError,
    apprise_address,
    callback_secrets,
    notify_secret,
    service_key,
)
from runflowd.config.describe import describe
from runflowd.config.loading import load, locate
from runflowd.config.overrides import load_override
from runflowd.config.published import schema, schema_text, stored_schema
from runflowd.config.snapshot import Callbacks, Config, Limits, Listen, LocalService, Log, Notify, Service, Webhook
from runflowd.config.validation_issues import ValidationIssue

__all__ = [
    "Callbacks",
    "Config",
    "Credential",
    "CredentialError",
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
