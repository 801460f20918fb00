"""Callbacks: do they arrive? An unsigned one that our receiver refuses has come all the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from runflowd.api.callback_signature import PATH, address
from runflowd.api.errors import ApiError
from runflowd.api.probing import Echo, post_nothing
from runflowd.config import CredentialError, callback_secrets
from runflowd.doctor.findings import Finding, Level, good, warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.config import Credential, Listen
    from runflowd.doctor.target import Target

CALLBACKS = "callbacks"
ANYWAY = "polling works without, later by seconds"


def probe_receiver(case: Target) -> list[Finding]:
    """Whether this machine has the secret without which every callback is refused."""
    if case.config.service.callbacks is None:
        return []
    try:
        secrets = callback_secrets(case.config, case.environment)
    except CredentialError as error:
        remedy = f"runflowd callbacks create-secret -c {case.source}; {ANYWAY}"
        return [warning(CALLBACKS, "service.callbacks", f"{error.what} {error.reason}", remedy)]
    return check_secrets(secrets)


def check_secrets(secrets: Sequence[Credential]) -> list[Finding]:
    """Secrets that can be read, by the daemon and maybe by others."""
    found = [
        warning(
            CALLBACKS,
            each.source,
            "everyone on this machine can read the secret, and so forge callbacks",
            f"chmod 600 {each.source}",
        )
        for each in secrets
        if each.warning
    ]
    return found or [good(CALLBACKS, secrets[0].source, "holds the secret that proves who calls")]


def probe_way(case: Target) -> list[Finding]:
    """Whether a request to the public address comes to our receiver; if not, whether one to the listener does."""
    callbacks = case.config.service.callbacks
    if callbacks is None or case.config.web is None:
        return []
    public = _asked(address(callbacks.public_url), _WAY)
    # A certificate is for the public name, so by https that is the only address to ask.
    if public.level is Level.OK or case.config.web.socket or case.config.access.certificate:
        return [public]
    return [_asked(f"http://{_near(case.config.web)}{PATH}", _LISTENER), public]


_LISTENER = "start the daemon; it listens at web.listen"
_WAY = "look at the name, the certificate, the firewall and the proxy on the way"


def _near(listen: Listen) -> str:
    """The address of a listener as this machine calls it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104  what is replaced
    return str(replace(listen, host=host))


def _asked(url: str, remedy: str) -> Finding:
    try:
        return check_echo(url, anyio.run(post_nothing, url))
    except ApiError as error:
        return warning(CALLBACKS, url, f"does not answer from here: {error}", f"{remedy}; {ANYWAY}")


def check_echo(url: str, echo: Echo) -> Finding:
    """What came back for a callback without a signature, which only our receiver refuses with a bare 401."""
    if echo.status == 401 and not echo.login:
        return good(CALLBACKS, url, "an unsigned callback was refused as it must be: callbacks arrive")
    meaning, remedy = _ECHOES.get(echo.status) or _OTHERS.get(echo.status // 100, _OTHERS[4])
    return warning(CALLBACKS, url, f"answered {echo.status}: {meaning}", f"{remedy}; {ANYWAY}")


_PROXY = "let the proxy pass POST requests to this path on to web.listen, path and body unchanged"

_ECHOES = {
    401: ("it wants a password, which the service does not send", "let this path through without a login"),
    404: ("whoever answers there does not know the path, or runs with an older configuration", _PROXY),
    405: ("whoever answers there takes no POST", _PROXY),
    421: ("it came to the status page by a name that is not this machine's", _PROXY),
    503: (
        "the daemon runs and cannot read its callback secret, or the proxy finds no daemon",
        "start the daemon, and see the secret above",
    ),
    502: ("the proxy finds no daemon behind it", "start the daemon, or point the proxy at web.listen"),
    504: ("the proxy gets no answer from behind it", "start the daemon, or point the proxy at web.listen"),
}

_OTHERS = {
    2: ("somebody else takes callbacks there, and they are lost", _PROXY),
    3: ("it sends callers elsewhere, which the service may not follow", "name the final address in public_url"),
    4: ("it is refused on the way", _PROXY),
    5: ("whoever answers there is in trouble", "look at the proxy's log"),
}
