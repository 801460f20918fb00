"""The models that make something else than a picture: what each is called, takes, costs and does."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.local.models.contract import InputSpec, Json, Model
from runflowd.local.models.formats import ONE_K
from runflowd.local.models.processes import late

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LETTERS_PER_SECOND = 10.0
"""How quickly the voice speaks at least; figures take longer than they are written."""


def media_models(weights: Path | None) -> tuple[Model, ...]:
    """Video by the second, speech by the second, and a kit of several files by the run."""
    return (_video(), _speech(), _kit(weights))


def _video() -> Model:
    return Model(
        id="runflow/image-to-video",
        name="Image to video (local)",
        description=(
            "Moves a camera over the photo: a zoom or a pan that a few words in the prompt choose. Nothing in the "
            "photo itself moves. H.264 in MP4, 25 frames a second, no sound."
        ),
        price=Decimal("0.112"),
        inputs=(
            InputSpec("start_image_url", "image", required=True, description="The photo: JPEG, PNG or WebP."),
            InputSpec("prompt", "string", description="The camera's move, such as: zoom in, pan left, still."),
            InputSpec("duration", "integer", default=5, minimum=1, maximum=10, description="Seconds."),
            InputSpec("aspect_ratio", "string", choices=tuple(ONE_K), description="Width:height; the photo's own."),
            InputSpec(
                "resolution",
                "string",
                default="720p",
                choices=("480p", "720p", "1080p"),
                description="Pixels of the shorter side.",
            ),
        ),
        output_shape="outputs",
        takes_batches=False,
        process=late("video", "image_to_video", None),
        makes="video",
        seconds=lambda values: float(values["duration"]),
        needs=("PIL", "av"),
    )


def _speech() -> Model:
    return Model(
        id="runflow/text-to-speech",
        name="Text to speech (local)",
        description=(
            "Reads English text aloud with Hibari, a network of 8 MB with one voice, at 24 kHz. Numbers, dates and "
            "amounts are spelled out; other languages are misread. At most 5,000 characters."
        ),
        price=Decimal("0.0025"),
        inputs=(
            InputSpec("text", "string", required=True, description="What is said, in English."),
            InputSpec("speed", "number", default=1.0, minimum=0.5, maximum=2.0, description="1 is its usual pace."),
            InputSpec("output_format", "string", default="mp3", choices=("mp3", "wav")),
        ),
        output_shape="outputs",
        takes_batches=False,
        process=late("speech", "text_to_speech", None),
        makes="audio",
        seconds=_speaking_time,
        needs=("hibari", "lameenc", "numpy", "onnxruntime"),
    )


def _speaking_time(values: Mapping[str, Json]) -> float:
    return len(values["text"]) / LETTERS_PER_SECOND / float(values["speed"])


def _kit(weights: Path | None) -> Model:
    return Model(
        id="runflow/product-kit",
        name="Product kit (local)",
        description=(
            "Four files of one photo: the product in a drawn studio (JPEG), cut out (PNG), described by its place, "
            "size and colours (JSON), and that description read aloud (MP3). It does not know what the product is; "
            "`name` says it. At most 2048 pixels a side."
        ),
        price=Decimal("0.40"),
        inputs=(
            InputSpec("image_url", "image", required=True, description="The product photo: JPEG, PNG or WebP."),
            InputSpec("prompt", "string", default="white studio, soft shadow", description="As in background-replace."),
            InputSpec("name", "string", description="What the product is called, for the words about it."),
        ),
        output_shape="outputs",
        takes_batches=True,
        process=late("kit", "product_kit", weights),
        makes="file",
        needs=("PIL", "hibari", "lameenc", "numpy", "onnxruntime"),
        cuts_out=True,
    )
