"""One message over Apprise, in a process of its own that is run by its path and imports nothing of the daemon.

What Apprise rests on (requests, and a hundred services' plugins) shares neither memory nor sockets with purchases, and
ends with the message. The standard input is JSON: `address`, `title`, `body`, and `type`, a word of Apprise's. The
exit code is 0 when the service took the message; else the standard output says why not, without the address, which is
a secret.
"""

from __future__ import annotations

import json
import logging
import re
import sys

SHORTEST_SECRET = 4
"""Letters from which on a part of an address is kept out of what is said."""


def main() -> int:
    """Send the message that is on the standard input."""
    message = json.load(sys.stdin)
    address = message["address"]
    try:
        from apprise import Apprise, AppriseAsset, NotifyType  # noqa: PLC0415  it may not be there
    except ImportError:
        _say("Apprise is not installed; run pip install 'runflowd[apprise]'", "")
        return 1

    said: list[str] = []
    logging.getLogger("apprise").addHandler(_Collector(said))
    asset = AppriseAsset(app_id="runflowd", secure_logging=True, http_redirects=False, storage_mode="memory")
    service = Apprise(asset=asset)
    if not service.add(address):
        _say("the file holds no address that Apprise knows; https://appriseit.com lists them by service", address)
        return 1
    if service.notify(title=message["title"], body=message["body"], notify_type=NotifyType(message["type"])):
        return 0
    _say("; ".join(said) or "the service did not take it", address)
    return 1


class _Collector(logging.Handler):
    """Keeps what Apprise warns of."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._said.append(record.getMessage())


def _say(what: str, address: str) -> None:
    """Print a sentence without any part of the address but the kind of service."""
    _, _, rest = address.partition("://")
    for part in sorted(re.split(r"[/:@?&=#]+", rest), key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            what = what.replace(part, "...")
    sys.stdout.write(what)


if __name__ == "__main__":
    sys.exit(main())
