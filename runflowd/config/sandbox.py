"""What the sandbox of a service must let it write to, and what such a sandbox hides (systemd.exec(5))."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.database import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.config import Config

HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108  named to be avoided
"""What ProtectHome= and PrivateTmp= keep from the service."""


def written_folders(config: Config) -> Iterator[str]:
    """Every folder that the daemon writes to, or may have to after the next edit of a rule."""
    for rule in config.rules:
        yield from (rule.watch, *rule.written_to.values())
    if config.state and not is_address(config.state):
        yield str(Path(config.state).parent)
    if config.service.local and config.service.local.folder:
        yield config.service.local.folder
