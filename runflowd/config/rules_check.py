"""What no single field can tell: whether the parts of a configuration fit together.

These checks read the document as written, before it is known to be valid, so that their findings
stand in the same report as those about single fields.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runflowd.config.addresses import is_loopback, is_open
from runflowd.config.folders import check_folders
from runflowd.config.issue import ValidationIssue
from runflowd.core.media.kinds import MediaKind
from runflowd.core.template import (
    FILE_TEXT,
    FILE_URL,
    placeholders,
    references_in,
    tells_files_apart,
    template_problems,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runflowd.config.yaml.events import Path


_ADD_WEB = "write for example web: {listen: 127.0.0.1:8787}"

DEFAULT_INPUT = {"image_url": f"${{{FILE_URL}}}"}
"""What a rule without `input` sends: nearly every model calls its image so."""


def cross_check(data: Mapping[str, Any], base: str) -> Iterator[ValidationIssue]:
    """Every mistake in how the parts of a merged document fit together."""
    yield from _service(_mapping(data.get("service")), data)
    yield from _notify(_mapping(data.get("notify")))
    yield from _web(_mapping(data.get("web")))
    rules = {
        name: rule
        for name, rule in _mapping(data.get("rules")).items()
        if isinstance(rule, dict) and rule.get("enabled") is not False
    }
    defaults = _mapping(data.get("defaults"))
    for name, rule in rules.items():
        yield from _input(("rules", name), rule)
        yield from _home(("rules", name), rule)
        yield from _vanishing(("rules", name), {**defaults, **rule})
    yield from check_folders(rules, defaults, state=data.get("state"), base=base)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _service(service: dict[str, Any], data: Mapping[str, Any]) -> Iterator[ValidationIssue]:
    if service.get("local") is not None:
        for key in ("url", "organization", "api_key_file", "callbacks"):
            if service.get(key) is not None:
                yield ValidationIssue(("service", key), "does not go with local; keep one of them", at_key=True)
    if str(_mapping(service.get("local")).get("listen")).startswith("unix:"):
        message = "must be host:port here, such as 127.0.0.1:8788"
        yield ValidationIssue(("service", "local", "listen"), message)
    url = service.get("url")
    if (
        isinstance(url, str)
        and url.startswith("http:")
        and not is_loopback(url)
        and service.get("allow_http") is not True
    ):
        yield ValidationIssue(("service", "url"), "would send the key in the clear; use https, or allow_http: true")

    callbacks = _mapping(service.get("callbacks"))
    public = callbacks.get("public_url")
    if isinstance(public, str) and public.startswith("http:") and service.get("allow_http") is not True:
        yield ValidationIssue(
            ("service", "callbacks", "public_url"), "must be https, or set allow_http: true in service"
        )
    if callbacks and _web_is_off(data.get("web")):
        yield ValidationIssue(
            ("service", "callbacks"), f"needs the web section, which receives the calls; {_ADD_WEB}", at_key=True
        )


def _notify(notify: dict[str, Any]) -> Iterator[ValidationIssue]:
    for key in ("webhook", "heartbeat"):
        url = _mapping(notify.get(key)).get("url")
        if isinstance(url, str) and url.startswith("http:") and not is_loopback(url):
            yield ValidationIssue(("notify", key, "url"), "must be https, unless it is on this machine")
    dependent = next((key for key in ("on", "failures") if notify.get(key) is not None), None)
    if dependent and not any(notify.get(way) for way in ("webhook", "command", "apprise")):
        yield ValidationIssue(("notify", dependent), "has nobody to tell; add webhook, command or apprise", at_key=True)


def _web(web: dict[str, Any]) -> Iterator[ValidationIssue]:
    """What crosses a network asks who it is, and is not sent in the clear."""
    users, proxy = web.get("users_file"), _mapping(web.get("proxy"))
    if is_open(str(web.get("listen"))) and not (users and (web.get("tls") or proxy)):
        message = (
            "is reached from other machines, so it needs users_file, and tls or a proxy that brings it; "
            f"or write 127.0.0.1:{str(web.get('listen')).rpartition(':')[2]}"
        )
        yield ValidationIssue(("web", "listen"), message)
    if proxy and not users:
        message = "needs users_file, which says what each of those may do whom it lets through"
        yield ValidationIssue(("web", "proxy"), message, at_key=True)


def _web_is_off(web: Any) -> bool:
    return web is None or web == "off" or _mapping(web).get("listen") == "off"


def _input(path: Path, rule: dict[str, Any]) -> Iterator[ValidationIssue]:
    template = DEFAULT_INPUT if rule.get("input") is None else rule["input"]
    if not isinstance(template, dict):
        return
    names = [str(name) for name in _mapping(rule.get("files"))]
    found = template_problems(template, names)
    yield from (ValidationIssue((*path, "input", *where), message) for where, message in found)

    used = placeholders(template)
    if not found and not tells_files_apart(used):
        yield ValidationIssue(
            (*path, "input"), "never uses the file, so all would be the same; add image_url: ${file.url}", at_key=True
        )
    accept = rule.get("accept")
    if FILE_TEXT in used and accept is not None and accept not in (str(MediaKind.TEXT), [str(MediaKind.TEXT)]):
        yield ValidationIssue((*path, "accept"), "input uses ${file.text}, so it takes text; leave accept out")
    if "client_ref" in template:
        yield ValidationIssue((*path, "input", "client_ref"), "is set by runflowd; leave it out", at_key=True)
    unused = [name for name in names if name not in references_in(used)]
    if not found:
        yield from (
            ValidationIssue((*path, "files", name), f"is never used; write ${{files.{name}.url}} in input", at_key=True)
            for name in unused
        )


def _home(path: Path, rule: dict[str, Any]) -> Iterator[ValidationIssue]:
    for key in ("watch", "output", "receipts"):
        text = rule.get(key)
        if isinstance(text, str) and text.startswith("~") and os.path.expanduser(text) == text:  # noqa: PTH111
            yield ValidationIssue((*path, key), "has a ~ for which there is no home folder; write the whole path")


def _vanishing(path: Path, rule: dict[str, Any]) -> Iterator[ValidationIssue]:
    """A source that runflowd takes away itself must not count as deleted by its owner."""
    taken_away = rule.get("after") == "delete" or _mapping(rule.get("after")).get("move") is not None
    if taken_away and rule.get("on_delete") == "remove":
        message = "with on_delete: remove would remove each result with its source; keep one of them"
        yield ValidationIssue((*path, "after"), message, at_key=True)
