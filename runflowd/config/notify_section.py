"""The section `notify`: who is notified, and of what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runflowd.config.addresses import HookUrl  # noqa: TC001  pydantic reads the annotation
from runflowd.config.sections import Section, described
from runflowd.config.types import RuleName, SecretFile, Text, duration

_HOUR = 3600.0
_DAY = 86400.0


class WebhookSection(Section):
    """Send each message to an address, as JSON."""

    url: HookUrl = described(
        "The address to POST messages to; https, or http on this machine.",
        "https://hooks.example.com/runflowd",
        default=...,
    )
    secret_file: SecretFile | None = described(
        "A file that holds a secret. The header Runflowd-Signature is then the HMAC-SHA256 of the body, in hex.",
        "/etc/runflowd/webhook-secret",
    )


class FailuresSection(Section):
    """A message when many files fail."""

    count: int = described("Tell when this many files failed; 10 by default.", 10, default=10, ge=1, le=1_000_000)
    within: Annotated[float, duration(60, 7 * _DAY)] = described(
        "Within this time; 1h by default. Told again only after it was below.", "1h", default=_HOUR
    )


class FoldersSection(Section):
    """A message when a folder that was dropped has come to its end."""

    count: int = described("Folders of at least this many files; 10 by default.", 10, default=10, ge=1, le=1_000_000)
    quiet: Annotated[float, duration(0, _DAY)] = described(
        "When nothing of it was on its way for this long; 1m by default.", "1m", "10m", default=60.0
    )


class HeartbeatSection(Section):
    """A sign of life for a monitor that rings when it stays away."""

    url: HookUrl = described(
        "The address to GET while every stage works; https, or http on this machine.",
        "https://hc-ping.com/5b2f1c1e-7a52-4f0a-9a3c-0d8f6f2f9a10",
        default=...,
    )
    every: Annotated[float, duration(1, _DAY)] = described("How often; 5m by default.", "5m", default=300.0)


class NotifySection(Section):
    """Who is notified, and of what."""

    webhook: WebhookSection | None = described(
        "Send each message to an address, as JSON.", {"url": "https://hooks.example.com/runflowd"}
    )
    command: list[Text] | None = described(
        "Run this program for each message, without a shell: the message as JSON on its standard input, the gist in "
        "$RUNFLOWD_TEXT. The file that says so must not be writable for others.",
        ["/usr/local/bin/tell-the-studio", "--urgent"],
        min_length=1,
        max_length=64,
    )
    apprise: dict[RuleName, SecretFile] | None = described(
        "Send each message by Apprise to email, Slack, Teams, Discord, ntfy, Telegram and a hundred others: by names "
        "of your own, the files that hold the addresses, each on one line.",
        {"studio-slack": "/etc/runflowd/notify/slack"},
        min_length=1,
        max_length=32,
    )
    on: list[Literal["incident", "resolved", "budget", "failures", "unknown"]] | None = described(
        "What to tell: incident, resolved, budget, failures, unknown (a purchase needs a decision); all by default. "
        "`digest` and `folders` are told besides, where they are set.",
        ["incident", "unknown"],
        min_length=1,
    )
    after: Annotated[float, duration(0, _HOUR)] = described(
        "How long an incident must last before it is reported; 1m by default.", "1m", "0s", default=60.0
    )
    failures: FailuresSection | None = described("Tell when many files fail.", {"count": 10, "within": "1h"})
    folders: FoldersSection | None = described(
        "Tell when all files of a folder right below a watched one have come to their end; left out by default.",
        {"count": 10, "quiet": "1m"},
    )
    digest: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = described(
        "A message a day, at this time of `money.timezone`: what was done, failed and charged, and what waits; none by "
        "default.",
        "18:00",
    )
    heartbeat: HeartbeatSection | None = described(
        "A sign of life for a monitor that rings when it stays away.",
        {"url": "https://hc-ping.com/5b2f1c1e-7a52-4f0a-9a3c-0d8f6f2f9a10"},
    )
