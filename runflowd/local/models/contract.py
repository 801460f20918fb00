"""What a local model promises to the service that runs it.

Only the standard library is imported here, in `catalog` and in `processes`: listing the models must be cheap and must
work on a machine without numpy, Pillow or onnxruntime. `Model.process` imports what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

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
class EncodedFile:
    """One finished file: its bytes and what they are.

    `width` and `height` are pixels, `seconds` is how long it plays; 0 where unknown or where it has none.
    """

    name: str
    mime_type: str
    data: bytes
    width: int = 0
    height: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave. `notes` are sentences for the run's log: what was understood, changed or ignored."""

    files: tuple[EncodedFile, ...]
    notes: tuple[str, ...] = ()


class ModelFailure(Exception):
    """A run cannot give a result, for a reason its owner can act on.

    `code` is stable and upper-case: INPUT_VALIDATION_FAILED, UNREADABLE_IMAGE, IMAGE_TOO_LARGE,
    NO_SUBJECT_FOUND, NOTHING_TO_SAY, TEXT_TOO_LONG, WEIGHTS_MISSING, DEPENDENCY_MISSING. `stage` is where it
    happened: preprocess, inference or postprocess.
    """

    def __init__(self, code: str, message: str, stage: str = "preprocess") -> None:
        self.code = code
        self.message = message
        self.stage = stage
        super().__init__(f"{code}: {message}")


Process: TypeAlias = Callable[[Mapping[str, Json], Mapping[str, bytes]], Result]
"""(validated input, bytes of each file by input name, or `name[i]` for lists) -> result.

Blocks, is bound by the CPU and may be called from several threads: inference is serialised inside.
Raises ModelFailure.
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalog.

    `price` is US dollars for a run or, where `seconds` says from the values about how long the result will play,
    for a second of it. `output_shape` is `image_urls` (a list of URLs) or `outputs` (a list of objects with a
    `url`), whichever the hosted model of that name answers with; `makes` is the kind of what comes out: image,
    video, audio or file. `needs` are the packages, as they are imported, without which it cannot run,
    `cuts_out` that it needs the network's weights.
    """

    id: str
    name: str
    description: str
    price: Decimal
    inputs: tuple[InputSpec, ...]
    output_shape: str
    takes_batches: bool
    process: Process
    makes: str = "image"
    seconds: Callable[[Mapping[str, Json]], float] | None = None
    needs: tuple[str, ...] = ()
    cuts_out: bool = False

    @property
    def unit(self) -> str:
        """What the price is for: `request` or `second`."""
        return "second" if self.seconds else "request"

    def projected(self, given: Mapping[str, Json]) -> Decimal:
        """About what a run with this input will cost, in US dollars."""
        return self.cost_of(self.seconds(self.values(given))) if self.seconds else self.price

    def cost_of(self, seconds: float) -> Decimal:
        """What that much of what this model makes costs where it is paid by the second, in US dollars."""
        return self.price * Decimal(f"{seconds:.2f}")

    def values(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """What was given, and the defaults of what was not."""
        defaults = {spec.name: spec.default for spec in self.inputs if spec.default is not None}
        return defaults | {name: value for name, value in given.items() if value is not None}
