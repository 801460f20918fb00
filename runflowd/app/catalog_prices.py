"""What the service says of prices and of what is left on the account, asked once and not waited for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from runflowd.api.errors import ApiError
from runflowd.app.service_factory import open_remote
from runflowd.config import CredentialError, service_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from runflowd.config import Config
    from runflowd.core.pricing import PricingRule

ANSWER_TIMEOUT = 3.0
"""Seconds that the answers are waited for, all together."""


@dataclass(slots=True)
class ServiceAnswers:
    """The pricing rules by model, for those that the catalogue answered about, and the balance where it was answers."""

    prices: dict[str, tuple[PricingRule, ...]] = field(default_factory=dict)
    balance: Decimal | None = None


async def ask_service(config: Config, models: Iterable[str]) -> ServiceAnswers:
    """What the service says now, as far as it answers in time; nothing without a key, or of this machine."""
    answers = ServiceAnswers()
    if config.service.local is not None or not _has_key(config):
        return answers
    with anyio.move_on_after(ANSWER_TIMEOUT):
        async with open_remote(config) as remote:
            try:
                for model in models:
                    answers.prices[model] = await remote.api.pricing(model)
                credit = await remote.api.credit()
                answers.balance = credit.balance if credit else None
            except ApiError:
                return answers  # what is not known is said to be unknown
    return answers


def _has_key(config: Config) -> bool:
    try:
        return service_key(config) is not None
    except CredentialError:
        return False
