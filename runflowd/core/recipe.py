"""What is bought, by one name: one content under one recipe is bought once."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from runflowd.core.template import references_in, symbols

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import Json


def recipe_hash(model: str, symbolic: Json, select: str, references: Mapping[str, str]) -> str:
    """Return the hex name of a recipe: one content under one recipe is bought once.

    `references` maps the name of each reference file to the hash of its content, so that a changed
    logo is a changed recipe. References that the input does not use do not count.
    """
    used = references_in(symbols(symbolic)) if references else ()
    facts = {
        "model": model,
        "input": symbolic,
        "select": select,
        "references": {name: digest for name, digest in references.items() if name in used},
    }

    return hashlib.sha256(canonical_json(facts)).hexdigest()


def canonical_json(value: Json) -> bytes:
    """The one spelling of a JSON value: keys sorted, no spaces, UTF-8; raise ValueError on NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
