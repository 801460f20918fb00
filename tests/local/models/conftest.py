"""The weights, the eight renders, and runs shared by all tests: one inference takes about a second."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from runflowd.local.models.catalog import catalog
from runflowd.local.models.contract import Result
from runflowd.local.weights import WeightsError, fetch, locate

ROOT = Path(__file__).parents[3]

Run: TypeAlias = Callable[..., Result]


@pytest.fixture(scope="session")
def weights() -> Path:
    """The network's file, fetched where this machine does not have it yet."""
    try:
        return locate()
    except WeightsError:
        return fetch()


@pytest.fixture(scope="session")
def render() -> Callable[[str], bytes]:
    """The bytes of a render by its name."""
    return lambda name: (ROOT / "configs/demo/photos" / f"{name}.jpg").read_bytes()


@pytest.fixture(scope="session")
def run(weights: Path, render: Callable[[str], bytes]) -> Run:
    """Run a model on a render with these inputs; the same run is done once a session."""
    models = catalog(weights)
    done: dict[str, Result] = {}

    def once(model: str, photo: str, **values: Any) -> Result:
        key = json.dumps([model, photo, values], sort_keys=True)
        if key not in done:
            done[key] = models[f"runflow/{model}"].process(values, {"image_url": render(photo)})
        return done[key]

    return once


@pytest.fixture(scope="session")
def studio(run: Run) -> Run:
    """Run a model on the mug, already cut out and small: quick, and no second inference."""
    small = opened(run("background-removal", "mug")).resize((500, 450))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    models = catalog()
    return lambda model, **values: models[f"runflow/{model}"].process(values, {"image_url": buffer.getvalue()})


def opened(result: Result) -> Image.Image:
    """The one picture of a result, decoded."""
    (image,) = result.files
    picture = Image.open(io.BytesIO(image.data))
    picture.load()
    return picture


@pytest.fixture(scope="session")
def picture() -> Callable[[Result], Image.Image]:
    """Decode the one picture of a result."""
    return opened
