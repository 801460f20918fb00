"""From the validated document to the frozen Config: defaults filled in, paths absolute."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from runflowd.config.access import access_of
from runflowd.config.document import MoveSection, SharedSection
from runflowd.config.essentials import Callbacks, Listen, LocalService, Service
from runflowd.config.folders import absolute
from runflowd.config.rules_check import DEFAULT_INPUT
from runflowd.config.sections import HOSTED_URL, LimitsSection, LogSection
from runflowd.config.snapshot import AppriseTarget, Config, FolderNotices, Heartbeat, Limits, Log, Notify, Webhook
from runflowd.core.approval_policy import USUAL_APPROVAL, ApprovalPolicy
from runflowd.core.chains import leaving_out_rejected
from runflowd.core.currency import USD
from runflowd.core.database import is_address
from runflowd.core.media.kinds import MediaKind, default_kinds
from runflowd.core.model import After, AfterKind, BatchLimits, Existing, InputLinks, OnDelete, Rule, WatchMode
from runflowd.core.money import Budget, Money, RuleMoney, UnknownPrice
from runflowd.core.notices import Kind
from runflowd.core.review import ReviewPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.config.document import Document, RuleSection
    from runflowd.config.merged_document import MergedDocument
    from runflowd.config.money_section import ApproveSection, BudgetSection
    from runflowd.config.notify_section import NotifySection
    from runflowd.config.sections import BatchSection, CallbacksSection, Section, ServiceSection
    from runflowd.config.web_section import WebSection
    from runflowd.config.yaml.events import Path
    from runflowd.core.model import Json


T = TypeVar("T")


def build(document: Document, merged: MergedDocument, base: str, source: str) -> Config:
    """The Config of a document without mistakes, loaded from `source`; relative paths start from the folder `base`."""
    shared = document.defaults or SharedSection()
    log = document.log or LogSection()
    limits = document.limits or LimitsSection()
    return Config(
        files=tuple(merged.files),
        digest=merged.digest,
        service=_service(document.service, base),
        rules=leaving_out_rejected(
            _rule(name, rule, shared, base) for name, rule in document.rules.items() if rule.enabled
        ),
        state=state if is_address(state := document.state or "") else _optional(state, base),
        web=_web(document.web),
        thumbnails=document.web.thumbnails if document.web else 0,
        access=access_of(document.web, base),
        log=Log(log.format, log.level),
        limits=Limits(**limits.model_dump()),
        notify=_notify(document.notify, base),
        money=_money(document),
        disabled=tuple(name for name, rule in document.rules.items() if not rule.enabled),
        source=source,
        warnings=tuple(merged.warnings),
        places={name: dict(_places(merged, name)) for name in document.rules},
    )


def _places(merged: MergedDocument, name: str) -> Iterator[tuple[Path, str]]:
    """Where a rule, its model and every key of its input are written, as `file:line`, by the path in the rule."""
    source = merged.homes[("rules", name)]
    rule: Any = merged.data["rules"][name]
    for path in ((), ("model",), ("input",), *(("input", *path) for path in _keys(rule.get("input"), ()))):
        yield path, f"{source.file}:{source.key_position(('rules', name, *path))[0]}"


def _keys(value: Json, path: Path) -> Iterator[Path]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*path, key)
        yield from _keys(part, (*path, key))


def listen(text: str | None) -> Listen | None:
    """Given a checked address such as `127.0.0.1:8787` or `unix:/path`, return its parts; None for off."""
    if not text or text == "off":
        return None
    if text.startswith("unix:"):
        return Listen(socket=text.removeprefix("unix:"))
    host, _, port = text.rpartition(":")

    return Listen(host=host.strip("[]"), port=int(port))


def _web(section: WebSection | None) -> Listen | None:
    return listen(section.listen) if section else None


def _service(section: ServiceSection, base: str) -> Service:
    if section.local is not None:
        local = section.local
        return Service(
            local=LocalService(
                _optional(local.folder, base),
                _optional(local.weights, base),
                listen(local.listen),
                local.api_variants or {},
                local.faults or {},
            )
        )

    return Service(
        url=section.url or HOSTED_URL,
        organization=section.organization or "",
        api_key_file=_optional(section.api_key_file, base),
        allow_http=section.allow_http,
        callbacks=_callbacks(section.callbacks, base),
    )


def _callbacks(section: CallbacksSection | None, base: str) -> Callbacks | None:
    if section is None:
        return None

    secret, previous = absolute(section.secret_file, base), _optional(section.previous_secret_file, base)

    return Callbacks(section.public_url, secret, previous)


def _notify(section: NotifySection | None, base: str) -> Notify:
    if section is None:
        return Notify()

    webhook, heartbeat, failures = section.webhook, section.heartbeat, section.failures

    return Notify(
        webhook=Webhook(webhook.url, _optional(webhook.secret_file, base)) if webhook else None,
        command=tuple(section.command or ()),
        apprise=tuple(AppriseTarget(name, absolute(file, base)) for name, file in (section.apprise or {}).items()),
        on=frozenset((*map(Kind, section.on), Kind.DIGEST, Kind.FOLDER)) if section.on else frozenset(Kind),
        after=section.after,
        failures=failures.count if failures else 0,
        within=failures.within if failures else 3600.0,
        heartbeat=Heartbeat(heartbeat.url, heartbeat.every) if heartbeat else None,
        digest=time.fromisoformat(section.digest) if section.digest else None,
        folders=FolderNotices(section.folders.count, section.folders.quiet) if section.folders else None,
    )


def _money(document: Document) -> Money:
    section = document.money
    zone = ZoneInfo(section.timezone) if section and section.timezone else None
    rules = {
        name: RuleMoney(
            _budget(rule.budget),
            rule.price,
            UnknownPrice(rule.unknown_price or UnknownPrice.ASK),
            _approve(rule.approve, document.defaults.approve if document.defaults else None),
        )
        for name, rule in document.rules.items()
    }
    currency = (section.currency if section else None) or USD
    return Money(zone, _budget(section.budget if section else None), rules, currency)


def _budget(section: BudgetSection | None) -> Budget:
    return Budget(**section.model_dump()) if section else Budget()


def _approve(own: ApproveSection | None, shared: ApproveSection | None) -> ApprovalPolicy:
    """Each key by itself: the rule's, else that of defaults; what is said by neither is as usual."""
    if own is None and shared is None:
        return USUAL_APPROVAL
    return ApprovalPolicy(**_together(own, shared))


def _together(own: Section | None, shared: Section | None) -> dict[str, Any]:
    """What a section of a rule says, and that of defaults where the rule does not say it."""
    return {
        **(shared.model_dump(exclude_none=True) if shared else {}),
        **(own.model_dump(exclude_none=True) if own else {}),
    }


def _optional(path: str | None, base: str) -> str:
    return absolute(path, base) if path else ""


def _first(*choices: T | None) -> T:
    """The first choice that is given; the last one always is."""
    return next(choice for choice in choices if choice is not None)


def _rule(name: str, rule: RuleSection, shared: SharedSection, base: str) -> Rule:
    usual = Rule(name="", watch="", output="", model="", input={})
    template = rule.input or dict(DEFAULT_INPUT)

    return Rule(
        name=name,
        watch=absolute(rule.watch, base),
        output=absolute(rule.output, base),
        model=rule.model,
        input=template,
        include=tuple(rule.include or usual.include),
        exclude=(*(shared.exclude or ()), *(rule.exclude or ())),
        accept=tuple(kind for kind in MediaKind if kind in (rule.accept or default_kinds(template))),
        max_file_size=rule.max_file_size,
        files={key: absolute(file, base) for key, file in (rule.files or {}).items()},
        overridable=tuple(rule.overridable or ()),
        naming=rule.name or usual.naming,
        select=rule.select or "",
        overwrite=_first(rule.overwrite, shared.overwrite, usual.overwrite),
        on_delete=OnDelete(_first(rule.on_delete, shared.on_delete, usual.on_delete)),
        after=_after(rule.after if rule.after is not None else shared.after, base),
        existing=Existing(_first(rule.existing, usual.existing)),
        settle=_first(rule.settle, shared.settle, usual.settle),
        rescan=_first(rule.rescan, shared.rescan, usual.rescan),
        mode=WatchMode(_first(rule.mode, shared.mode, usual.mode)),
        links=InputLinks(_first(rule.input_links, shared.input_links, usual.links)),
        batch=_batch(rule.batch, shared.batch),
        receipts=_optional(rule.receipts or shared.receipts, base),
        review=ReviewPolicy(**_together(rule.review, shared.review)),
    )


def _batch(own: BatchSection | None, shared: BatchSection | None) -> BatchLimits:
    """Each limit by itself: the rule's, else that of defaults, else the usual one."""
    return BatchLimits(**_together(own, shared))


def _after(section: MoveSection | AfterKind | None, base: str) -> After:
    if isinstance(section, MoveSection):
        return After(AfterKind.MOVE, absolute(section.move, base))

    return After(section or AfterKind.KEEP)
