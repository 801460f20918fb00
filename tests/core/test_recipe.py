"""One content under one recipe is bought once."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from runflowd.core.recipe import canonical_json, recipe_hash


def test_recipe_has_one_name_whatever_the_order_of_keys() -> None:
    """The order in which people write keys changes nothing that is bought."""
    first = recipe_hash("a/b", {"x": 1, "y": 2}, "", {})

    assert first == recipe_hash("a/b", {"y": 2, "x": 1}, "", {})


@pytest.mark.parametrize(
    "changed",
    [
        ("a/c", {"x": "${files.logo.url}"}, "", {"logo": "h1"}),
        ("a/b", {"x": "${files.logo.url} "}, "", {"logo": "h1"}),
        ("a/b", {"x": "${files.logo.url}"}, "result_*", {"logo": "h1"}),
        ("a/b", {"x": "${files.logo.url}"}, "", {"logo": "h2"}),
    ],
)
def test_recipe_changes_with_what_is_bought(changed: tuple[str, Any, str, dict[str, str]]) -> None:
    """Model, input, selection and the content of a reference each make another recipe."""
    usual = recipe_hash("a/b", {"x": "${files.logo.url}"}, "", {"logo": "h1"})

    assert usual != recipe_hash(*changed)


def test_reference_that_is_not_used_does_not_count() -> None:
    """A changed file that no input mentions buys nothing anew."""
    assert recipe_hash("a/b", {"x": 1}, "", {"logo": "h1"}) == recipe_hash("a/b", {"x": 1}, "", {"logo": "h2"})


def test_recipe_name_does_not_change_between_versions() -> None:
    """A new spelling would buy every image again: change this text only with a migration."""
    spelled = '{"input":{"image_url":"${file.url}","prompt":"é"},"model":"a/b","references":{},"select":""}'
    expected = hashlib.sha256(spelled.encode()).hexdigest()

    assert expected == recipe_hash("a/b", {"image_url": "${file.url}", "prompt": "é"}, "", {})


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    """NaN would reach the service as a syntax error."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})
