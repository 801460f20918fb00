"""The configuration as the daemon holds it: frozen, checked, paths absolute, units resolved.

A reload makes a new Config and swaps the whole of it. Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.config.essentials import Essentials, Listen, Service
from runflowd.core.model import MAX_UPLOAD_BYTES
from runflowd.core.money import Money
from runflowd.core.notices import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import time

    from runflowd.core.model import Rule
    from runflowd.errors import Problem


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let in to the page: anybody who reaches it where there is no `users_file`.

    `proxies` are the addresses, networks or "unix" from which a proxy speaks of others. Where it names the user in
    `user_header`, that is believed.
    """

    users_file: str = ""
    certificate: str = ""
    key: str = ""
    proxies: tuple[str, ...] = ()
    user_header: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """`format` is auto, console or json; `level` is debug, info, warning or error."""

    format: str = "auto"
    level: str = "info"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at once, and how much disk is left alone."""

    uploads: int = 64
    downloads: int = 64
    batches: int = 4
    free_space: int = 256 * 1024 * 1024
    upload_size: int = MAX_UPLOAD_BYTES
    download_size: int = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that messages are sent to, and the file of the secret that signs them, or "".

    The path of such an address is often a secret itself, so it is not printed.
    """

    url: str = field(repr=False)
    secret_file: str = ""


@dataclass(frozen=True, slots=True)
class AppriseTarget:
    """A service that Apprise reaches, by the name that the configuration gives it, and the file of its address."""

    name: str
    address_file: str

    @property
    def channel(self) -> str:
        """The name of this way in messages, incidents and the log."""
        return f"apprise.{self.name}"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An address that is called every so many seconds as long as all is well."""

    url: str = field(repr=False)
    every: float = 300.0


@dataclass(frozen=True, slots=True)
class FolderNotices:
    """Folders of at least `count` files are told of when nothing of them was on its way for `quiet` seconds."""

    count: int = 10
    quiet: float = 60.0


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is notified of what; `failures` is 0 for no threshold."""

    webhook: Webhook | None = None
    command: tuple[str, ...] = ()
    apprise: tuple[AppriseTarget, ...] = ()
    on: frozenset[Kind] = frozenset(Kind)
    after: float = 60.0
    failures: int = 0
    within: float = 3600.0
    heartbeat: Heartbeat | None = None
    digest: time | None = None
    folders: FolderNotices | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """The ways on which messages go out, by name."""
        ways = {"webhook": self.webhook, "command": self.command}
        return (*(name for name, way in ways.items() if way), *(each.channel for each in self.apprise))


@dataclass(frozen=True, slots=True)
class Config:
    """One whole configuration. `digest` names the content of `files`, for telling a change.

    `thumbnails` is how many bytes of previews are kept for the page; 0 for none.
    `state` and `listen` are empty when the configuration leaves them to the daemon or turns them
    off. `source` is the absolute path of what was loaded. `disabled` names the rules that say
    `enabled: false`. `warnings` are worth saying, but no reason to refuse. `places` tells for each
    rule where its `model` and its keys of `input` are written.
    """

    files: tuple[str, ...]
    digest: str
    service: Service
    rules: tuple[Rule, ...]
    state: str = ""
    web: Listen | None = None
    thumbnails: int = 0
    access: Access = Access()
    log: Log = Log()
    limits: Limits = Limits()
    notify: Notify = Notify()
    money: Money = field(default_factory=Money)
    disabled: tuple[str, ...] = ()
    source: str = ""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    places: Mapping[str, Mapping[tuple[str | int, ...], str]] = field(default_factory=dict, compare=False)

    @property
    def essentials(self) -> Essentials:
        """What commands need of it."""
        return Essentials(self.service, self.rules, self.state, self.money, self.source)

    @property
    def money_in_force(self) -> Money:
        """What is said of money as the service makes it."""
        return self.essentials.money_in_force

    def rule(self, name: str) -> Rule | None:
        """The enabled rule of this name."""
        return self.essentials.rule(name)
