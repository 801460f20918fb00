"""The local models by id: what each is called, takes, costs and does.

Prices are those of the hosted models where they are published; they only exist so that a trial run shows
what the same work would cost. Nothing is charged on this machine.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.local.models.contract import InputSpec, Model
from runflowd.local.models.formats import ONE_K
from runflowd.local.models.media_catalog import media_models
from runflowd.local.models.processes import late, pass_through

if TYPE_CHECKING:
    from pathlib import Path

RATIOS = tuple(ONE_K)
"""The ten aspect ratios that the hosted product-photo models take, width:height."""

LIBRARIES = ("PIL", "numpy", "onnxruntime")

RESOLUTIONS = ("1K", "2K", "4K")

IMAGE = InputSpec("image_url", "image", required=True, description="The product photo: JPEG, PNG or WebP.")
RATIO = InputSpec("aspect_ratio", "string", required=True, choices=RATIOS, description="Width:height.")
RESOLUTION = InputSpec(
    "resolution",
    "string",
    required=True,
    choices=RESOLUTIONS,
    description="About 1, 4 or 17 megapixels, whatever the ratio.",
)
PROMPT = InputSpec(
    "prompt",
    "string",
    required=True,
    description="Backdrop, surface and shadow, such as: white studio, soft shadow.",
)


def catalog(weights: Path | None = None) -> dict[str, Model]:
    """Every local model by its id. `weights` is the network's file; None looks in the usual places.

    Cheap: neither the weights nor numpy, Pillow or onnxruntime are touched before a model runs.
    """
    cutting = (*_cutting(weights), *_isolating(weights), *_reshaping(weights))
    with_network = (replace(model, needs=LIBRARIES, cuts_out=True) for model in cutting)
    models = (*with_network, *_plain(), *media_models(weights))
    return {model.id: model for model in models}


def _cutting(weights: Path | None) -> tuple[Model, ...]:
    """The models that find the product and put it before something else, in the frame of the photo."""
    return (
        Model(
            id="runflow/background-removal",
            name="Background removal (local)",
            description=(
                "Cuts the product out with U2NetP, a 4.6 MB network that looks twice at 320 pixels. PNG with "
                "transparency, same size as the input. Good for one compact object; thin legs, hair, glass and "
                "white on white come out wrong."
            ),
            price=Decimal("0.018"),
            inputs=(IMAGE,),
            output_shape="image_urls",
            takes_batches=True,
            process=late("cutting", "remove_background", weights),
        ),
        Model(
            id="runflow/background-replace",
            name="Background replacement (local)",
            description=(
                "Cuts the product out with U2NetP and sets it into a drawn studio: backdrop, surface and shadow "
                "come from a small fixed vocabulary in the prompt, not from a generative model. What the prompt "
                "says beyond that vocabulary is named in the run's log. JPEG, same size as the input up to "
                "4096 pixels. The light on the product stays as it was photographed."
            ),
            price=Decimal("0.35"),
            inputs=(IMAGE, PROMPT),
            output_shape="outputs",
            takes_batches=True,
            process=late("cutting", "replace_background", weights),
        ),
        Model(
            id="runflow/background-color",
            name="Background colour (local)",
            description=(
                "Cuts the product out with U2NetP and fills everything else with one flat colour. PNG, same "
                "size as the input. No shadow."
            ),
            price=Decimal("0.12"),
            inputs=(IMAGE, *(_channel(name) for name in ("red", "green", "blue"))),
            output_shape="outputs",
            takes_batches=True,
            process=late("cutting", "colour_background", weights),
        ),
    )


def _isolating(weights: Path | None) -> tuple[Model, ...]:
    """The models that find the product and put it into another frame."""
    return (
        Model(
            id="runflow/product-isolation",
            name="Product isolation (local)",
            description=(
                "Cuts the product out with U2NetP and centres it on a transparent canvas of the ratio and "
                "resolution asked for (PNG). With a prompt the canvas is a drawn studio as in "
                "background-replace (JPEG). Hidden parts are not invented, enlarging is Lanczos."
            ),
            price=Decimal("0.27"),
            inputs=(
                IMAGE,
                RATIO,
                RESOLUTION,
                InputSpec("prompt", "string", description="Backdrop instead of transparency."),
            ),
            output_shape="image_urls",
            takes_batches=True,
            process=late("cutting", "isolate_product", weights),
        ),
    )


def _reshaping(weights: Path | None) -> tuple[Model, ...]:
    """The models that change the frame and keep the scene."""
    return (
        Model(
            id="runflow/smart-resize",
            name="Smart resize (local)",
            description=(
                "Moves the frame to the new ratio around the product that U2NetP finds. Where the photo is too "
                "small, its border is mirrored outwards and goes out of focus: nothing new is painted, and planks "
                "or bricks repeat visibly. Enlarging is Lanczos. JPEG."
            ),
            price=Decimal("0.55"),
            inputs=(IMAGE, RATIO, RESOLUTION),
            output_shape="outputs",
            takes_batches=True,
            process=late("framing", "smart_resize", weights),
        ),
        Model(
            id="runflow/outpaint",
            name="Outpaint (local)",
            description=(
                "Continues the backdrop beyond the photo's edges: its border, without the product that U2NetP "
                "finds, is mirrored outwards and goes out of focus. Good on plain or softly textured backdrops, a "
                "visible repetition on planks and bricks; it paints no new objects. JPEG, at most 4096 pixels a side."
            ),
            price=Decimal("0.55"),
            inputs=(IMAGE, *(_expansion(side) for side in ("top", "bottom", "left", "right"))),
            output_shape="outputs",
            takes_batches=True,
            process=late("framing", "outpaint", weights),
        ),
        Model(
            id="runflow/outpaint/aspect-ratio",
            name="Outpaint to a ratio (local)",
            description=(
                "Continues the backdrop on two sides, as runflow/outpaint does, until the photo has the ratio asked "
                "for. The photo itself is kept whole. JPEG, at most 4096 pixels a side."
            ),
            price=Decimal("0.55"),
            inputs=(IMAGE, RATIO),
            output_shape="outputs",
            takes_batches=True,
            process=late("framing", "outpaint_ratio", weights),
        ),
    )


def _plain() -> tuple[Model, ...]:
    """The models that need no network."""
    return (
        Model(
            id="runflow/upscale",
            name="Upscale (local)",
            description=(
                "Enlarges two or four times with Lanczos and sharpens slightly. No learned detail: it looks "
                "like the original, larger. At most 50 megapixels come out."
            ),
            price=Decimal("0.08"),
            inputs=(
                IMAGE,
                InputSpec(
                    "upscale_factor",
                    "integer",
                    default=2,
                    minimum=2,
                    maximum=4,
                    choices=("2", "4"),
                    description="How many times wider and higher.",
                ),
                InputSpec("output_format", "string", default="jpeg", choices=("jpeg", "png")),
            ),
            output_shape="outputs",
            takes_batches=True,
            process=late("framing", "upscale", None),
            needs=LIBRARIES,
        ),
        Model(
            id="runflow/pass-through",
            name="Pass-through (local)",
            description="Returns the file unchanged, without decoding it. For trials and measurements.",
            price=Decimal(0),
            inputs=(IMAGE,),
            output_shape="outputs",
            takes_batches=True,
            process=pass_through,
        ),
    )


def _channel(name: str) -> InputSpec:
    return InputSpec(f"color_{name}", "integer", required=True, minimum=0, maximum=255)


def _expansion(side: str) -> InputSpec:
    return InputSpec(
        f"expand_{side}",
        "integer",
        required=True,
        minimum=0,
        maximum=80,
        description="Percent of the photo's own width or height to add on this side.",
    )
