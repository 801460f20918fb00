"""Models that take one archive and the names of the files inside it."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from runflowd.local.models.bundled import REPLACE, bundled
from runflowd.local.models.catalog import catalog
from runflowd.local.models.contract import ModelFailure

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = catalog()
PASS_THROUGH = bundled(MODELS["runflow/pass-through"])


def archive(**files: bytes) -> bytes:
    """A zip of these files, packed."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return made.getvalue()


def test_the_page_of_background_replace_is_followed() -> None:
    """Prompt, archive, and both names are required; an address is not asked for."""
    assert {"zip_url", "file_image", "file_reference", "prompt"} == {
        spec.name for spec in bundled(MODELS[REPLACE]).inputs if spec.required
    }


def test_the_photo_is_taken_out_of_the_archive() -> None:
    """The other file is not looked at, and the log says so."""
    values = {"file_image": "a", "file_reference": "b"}
    result = PASS_THROUGH.process(values, {"zip_url": archive(a=b"photo", b=b"look")})

    assert ([b"photo"], ("The reference image was not looked at.",)) == (
        [image.data for image in result.files],
        result.notes,
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda: b"no zip at all", "cannot be read"),
        (lambda: archive(b=b"x"), "no 'a' in the archive"),
        (lambda: archive(a=bytes(53_000_000)), "larger than 52428800"),
        (lambda: archive(a=b"photo" * 100)[:60], "cannot be read"),
    ],
    ids=["no zip", "no such file", "a bomb", "cut short"],
)
def test_a_bad_archive_is_a_failure_with_a_reason(content: Callable[[], bytes], told: str) -> None:
    """The run fails as an invalid input does; the service does not."""
    with pytest.raises(ModelFailure, match=told) as caught:
        PASS_THROUGH.process({"file_image": "a"}, {"zip_url": content()})

    assert ("INPUT_VALIDATION_FAILED", "preprocess") == (caught.value.code, caught.value.stage)
