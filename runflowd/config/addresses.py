"""The kinds of addresses that a configuration field can hold: of services, hooks and the state, and to listen on."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from runflowd.config.types import check_folder, refuse
from runflowd.core.database import is_address, mistake_in

LISTEN_PATTERN = r"^(unix:/.+|\[[0-9a-fA-F:]+\]:[0-9]{1,5}|[A-Za-z0-9.-]+:[0-9]{1,5})$"


def _check_state(value: str) -> str:
    if not is_address(value):
        return check_folder(value)
    if mistake := mistake_in(value):
        raise refuse(mistake)
    return value


def _check_url(value: str) -> str:
    if urlsplit(_check_hook(value)).query:
        raise refuse("has a part after ? or #; leave it out")

    return value.rstrip("/")


def _check_hook(value: str) -> str:
    """An address to call as it stands; unlike that of a service it may have a query."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\]", value):
        raise refuse("is no web address; write for example https://api.runflow.io")
    if parts.username or parts.password:
        raise refuse("holds a user name or password; leave them out, keys have files of their own")
    if parts.fragment:
        raise refuse("has a part after ? or #; leave it out")

    return value


def _check_listen(value: str) -> str:
    if not re.fullmatch(LISTEN_PATTERN[1:-1], value):
        raise refuse("is no address to listen on; write host:port, [::1]:port or unix:/path, such as 127.0.0.1:8787")
    if not value.startswith("unix:") and not 0 < int(value.rpartition(":")[2]) < 2**16:
        raise refuse("has no usable port; ports go from 1 to 65535")

    return value


def _check_listen_or_off(value: str) -> str:
    return value if value == "off" else _check_listen(value)


def is_loopback(url: str) -> bool:
    """Whether a URL can only reach this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_open(listen: str) -> bool:
    """Whether an address to listen on is reached from other machines; False for what is none."""
    try:
        return not _check_listen(listen).startswith("unix:") and not is_loopback(f"http://{listen}")
    except PydanticCustomError:
        return False


State = Annotated[str, AfterValidator(_check_state)]
Url = Annotated[str, AfterValidator(_check_url), Field(max_length=2000)]
HookUrl = Annotated[str, AfterValidator(_check_hook), Field(max_length=2000)]
ListenText = Annotated[
    str, AfterValidator(_check_listen), WithJsonSchema({"type": "string", "pattern": LISTEN_PATTERN})
]
ListenOrOff = Annotated[
    str,
    AfterValidator(_check_listen_or_off),
    WithJsonSchema({"anyOf": [{"const": "off"}, {"type": "string", "pattern": LISTEN_PATTERN}]}),
]
