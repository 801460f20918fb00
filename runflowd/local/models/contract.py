"""What a local image model promises to the service that runs it.

Only the standard library is imported here, in `catalog` and in `processes`: listing the models must be cheap and must
work on a machine without numpy, Pillow or onnxruntime. `Model.process` imports what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal

Json: TypeAlias = Any
"""What `json.loads` can give."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model, as the catalog shows it and the service checks it.

    `type` is one of string, image, image_list, file, integer, number, boolean, json. `minimum` and `maximum` are
    inclusive. `choices` are compared with `str(value)`, so that an integer may have choices too.
    """

    name: str
    type: str
    required: bool = False
    default: Json = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """One finished picture: a file's bytes and what they are. `width` and `height` are pixels, 0 if unknown."""

    name: str
    mime_type: str
    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave. `notes` are sentences for the run's log: what was understood, changed or ignored."""

    images: tuple[EncodedImage, ...]
    notes: tuple[str, ...] = ()


class ModelFailure(Exception):
    """A run cannot give a result, for a reason its owner can act on.

    `code` is stable and upper-case: INPUT_VALIDATION_FAILED, UNREADABLE_IMAGE, IMAGE_TOO_LARGE,
    NO_SUBJECT_FOUND, WEIGHTS_MISSING, DEPENDENCY_MISSING. `stage` is where it happened: preprocess, inference
    or postprocess.
    """

    def __init__(self, code: str, message: str, stage: str = "preprocess") -> None:
        self.code = code
        self.message = message
        self.stage = stage
        super().__init__(f"{code}: {message}")


Process: TypeAlias = Callable[[Mapping[str, Json], Mapping[str, bytes]], Result]
"""(validated input, bytes of each image by input name, or `name[i]` for lists) -> result.

Blocks, is bound by the CPU and may be called from several threads: inference is serialised inside.
Raises ModelFailure.
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalog.

    `price` is US dollars per run. `output_shape` is `image_urls` (a list of URLs) or `outputs` (a list of
    objects with a `url`), whichever the hosted model of that name answers with.
    """

    id: str
    name: str
    description: str
    price: Decimal
    inputs: tuple[InputSpec, ...]
    output_shape: str
    takes_batches: bool
    process: Process
