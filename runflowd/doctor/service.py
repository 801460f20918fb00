"""The hosted service, asked: does it take the key, what may the key do, is there credit, do the rules fit, is it late.

Without an answer to the first question the others are not asked, and one finding says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from runflowd.api.client import Runflow
from runflowd.api.errors import ApiError, NotFound, Transient, Unauthorized
from runflowd.api.settings import Limits, SecretKey, Service
from runflowd.app.catalog_check import compare, compare_with
from runflowd.config import CredentialError, ValidationIssue, locate, service_key
from runflowd.core.units import duration_text
from runflowd.doctor.findings import Finding, good, note, problem, warning
from runflowd.doctor.keys import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runflowd.api.values import Credit, Identity
    from runflowd.doctor.target import Target

NEEDED = ("runs:create", "runs:read", "runs:execute", "assets:create", "assets:read")
"""Scopes without which nothing can be bought or fetched (GET /v1/auth/me tells those of a key)."""

TOLERABLE = 120.0
"""Seconds that two clocks may differ: signed addresses are good for a few minutes."""

TIMEOUTS = Limits(connect=5.0, idle=15.0, total=15.0)
"""Less than the daemon has: somebody waits for the answer."""


def probe_service(case: Target) -> list[Finding]:
    """All that the service can be asked. Blocks."""
    if case.config.service.local is not None:
        compared = anyio.run(compare, case.config)
        return check_models(case.source, compared.mistakes, compared.worries, len(case.config.rules))
    try:
        key = service_key(case.config, case.environment)
    except CredentialError:
        return [note("service", case.config.service.url, "was not asked, since there is no key to ask with")]
    assert key is not None
    service = Service(case.config.service.url, case.config.service.organization, SecretKey(key.secret))
    return anyio.run(_ask, case, service, key.source)


async def _ask(case: Target, service: Service, source: str) -> list[Finding]:
    async with Runflow(service, limits=TIMEOUTS) as api:
        found, usable = await _introduce(api, service, source)
        ahead = api.snapshot().ahead
        found += check_clock(service.url, ahead) if ahead is not None else []
        if usable:
            found += check_credit(service.url, await _credit(api))
            found += await _models(case, api)
    return found


async def _introduce(api: Runflow, service: Service, source: str) -> tuple[list[Finding], bool]:
    """Whose key it is, and whether there is a use in asking on."""
    try:
        identity = await api.me()
    except NotFound:
        return [note(KEY, service.url, "does not tell whose key it is; what follows shows whether it is taken")], True
    except ApiError as error:
        return [check_refusal(error, service.url, source)], False
    return [check_identity(identity, service), check_scopes(source, identity.scopes)], True


def check_identity(identity: Identity, service: Service) -> Finding:
    """A key that is taken."""
    whom = ", ".join(identity.organizations) or identity.email or identity.id or "an account without a name"
    return good(KEY, service.url, f"takes the key; it belongs to {whom}")


def check_refusal(error: ApiError, url: str, source: str) -> Finding:
    """The first answer was none, or a no."""
    if isinstance(error, Unauthorized):
        # What a process was started with, its environment and systemd's credentials, stays as it is.
        taken = (
            "`runflowd reload`; a key of systemd needs a restart" if source.startswith("/") else "start runflowd again"
        )
        remedy = f"put a key that counts into {source}, then {taken}"
        return problem(KEY, url, f"refuses the key from {source}, so nothing is sent or fetched: {error}", remedy)
    if isinstance(error, Transient) and error.status is None:
        remedy = (
            "look at the network, the names, the proxy (HTTPS_PROXY) and the firewall; files wait meanwhile, "
            "and the daemon goes on by itself"
        )
        return problem("service", url, f"does not answer, so nothing else was asked of it: {error}", remedy)
    if isinstance(error, Transient):
        remedy = "wait; the daemon tries again by itself"
        return problem("service", url, f"is in trouble, so nothing else was asked of it: {error}", remedy)
    return problem("service", url, f"does not answer as the service does: {error}", "look at `service.url`")


def check_scopes(source: str, scopes: Sequence[str]) -> Finding:
    """What the key may do; a service that does not tell leaves it to be seen."""
    if not scopes:
        return note("scopes", source, "the service does not say what this key may do")
    missing = [scope for scope in NEEDED if not _covered(scope, scopes)]
    if missing:
        remedy = "give the key these scopes on the service's page of keys, or make one that has them"
        return problem("scopes", source, f"the key lacks {', '.join(missing)}; such calls are refused", remedy)
    return good("scopes", source, f"the key may do all that is needed ({', '.join(NEEDED)})")


def _covered(scope: str, scopes: Sequence[str]) -> bool:
    return bool({scope, f"{scope.partition(':')[0]}:*", "*", "*:*"} & set(scopes))


async def _credit(api: Runflow) -> Credit | None:
    try:
        return await api.credit()
    except ApiError:
        return None  # it says what is left, no more: the models will show whether the service answers


def check_credit(url: str, credit: Credit | None) -> list[Finding]:
    """What is left to buy with."""
    if credit is None:
        return [note("balance", url, "does not tell the balance to this key (scope credit_balance:read)")]
    dollars = f"${credit.balance:.2f}"
    if credit.balance <= 0:
        return [warning("balance", url, f"the balance is {dollars}: purchases are refused, files wait", "top it up")]
    if credit.low is not None and credit.balance < credit.low:
        message = f"the balance is {dollars}, below the account's own threshold of ${credit.low:.2f}"
        return [warning("balance", url, message, "top it up before it is used up; files wait then")]
    return [good("balance", url, f"the balance is {dollars}")]


def check_clock(url: str, ahead: float) -> list[Finding]:
    """Seconds that the service's clock is ahead of this machine's, negative when it is behind."""
    apart = abs(ahead)
    if apart <= TOLERABLE:
        return [good("clock", url, f"has the same time as this machine (within {duration_text(max(round(apart), 1))})")]
    way = "behind" if ahead > 0 else "ahead of"
    message = (
        f"this machine's clock is {duration_text(round(apart))} {way} the service's: signed addresses and certificates "
        "may count as expired or not yet valid"
    )
    return [warning("clock", url, message, "let the machine keep time: timedatectl set-ntp true")]


async def _models(case: Target, api: Runflow) -> list[Finding]:
    try:
        found = await compare_with(case.config, api)
    except ApiError as error:
        return [
            warning("models", case.config.service.url, f"the models could not be asked for: {error}", "ask again later")
        ]
    return check_models(case.source, found.mistakes, found.worries, len(case.config.rules))


def check_models(source: Path, mistakes: list[ValidationIssue], worries: list[str], rules: int) -> list[Finding]:
    """What `check --online` finds, each with its place in the configuration."""
    remedy = "correct that line; `runflowd check --online` tells all of them in the form of a compiler"
    found = [
        problem("models", f"{each.file}:{each.line}:{each.column}", f"{each.where}: {each.message}", remedy)
        for each in locate(source, mistakes)
    ]
    found += [note("models", "service", worry) for worry in worries]
    return found or [good("models", "rules", f"every rule ({rules}) fits the model that it names")]
