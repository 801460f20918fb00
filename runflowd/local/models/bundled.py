"""Models as some of their pages describe them: one zip archive, and the names of the files inside it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from runflowd.local.models.contract import InputSpec, Json, Model, ModelFailure, Process, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

REPLACE = "runflow/background-replace"
BUNDLED = frozenset({REPLACE, "runflow/pass-through"})
"""The model whose page and guide disagree, and the one for trials."""

ZIP = InputSpec("zip_url", "file", required=True, description="A zip archive with the files that are named.")
IMAGE = InputSpec("file_image", "string", required=True, description="The photo's name inside the archive.")
REFERENCE = InputSpec("file_reference", "string", description="The reference's name inside the archive.")

MAX_BYTES = 52_428_800
"""Largest file taken out of an archive, which may be packed to a thousandth of it."""


def bundled(model: Model) -> Model:
    """The same model with an archive in the place of `image_url`. Only the photo in it is looked at."""
    reference = replace(REFERENCE, required=model.id == REPLACE)
    rest = tuple(spec for spec in model.inputs if spec.name != "image_url")
    return replace(model, inputs=(ZIP, IMAGE, reference, *rest), process=partial(_process, model.process))


def _process(inner: Process, values: Mapping[str, Json], files: Mapping[str, bytes]) -> Result:
    names = {"zip_url", "file_image", "file_reference"}
    photo = _taken(files["zip_url"], values["file_image"])
    if reference := values.get("file_reference"):
        _taken(files["zip_url"], reference)
    result = inner({name: value for name, value in values.items() if name not in names}, {"image_url": photo})
    note = ("The reference image was not looked at.",) if reference else ()
    return replace(result, notes=(*result.notes, *note))


def _taken(archive: bytes, name: str) -> bytes:
    """One file of an archive. Raises ModelFailure."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if opened.getinfo(name).file_size > MAX_BYTES:
                raise ModelFailure("INPUT_VALIDATION_FAILED", f"{name!r} is larger than {MAX_BYTES} bytes.")
            return opened.read(name)
    except KeyError:
        raise ModelFailure("INPUT_VALIDATION_FAILED", f"There is no {name!r} in the archive.") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelFailure("INPUT_VALIDATION_FAILED", f"The archive cannot be read: {error}") from None
