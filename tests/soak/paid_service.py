"""`python -m tests.soak.paid_service`: the local service, which charges for handing images through."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import patch

from runflowd.local import context
from runflowd.local.__main__ import main
from runflowd.local.models.catalog import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.local.models.contract import Model

PRICE = Decimal("0.30")
MODEL = "runflow/pass-through"


def paid_catalog(weights: Path | None = None) -> dict[str, Model]:
    """The usual models, that one at a price."""
    models = catalog(weights)
    return {**models, MODEL: replace(models[MODEL], price=PRICE)}


if __name__ == "__main__":
    with patch.object(context, "catalog", paid_catalog):
        sys.exit(main())
