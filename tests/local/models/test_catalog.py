"""The catalog: cheap to list, true to its documentation, and able to pass a file through."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runflowd.local.models import vocabulary
from runflowd.local.models.camera import MOVES
from runflowd.local.models.catalog import catalog
from runflowd.local.models.contract import EncodedFile, InputSpec, Model, ModelFailure
from runflowd.local.models.processes import late

DOCUMENT = Path(__file__).parents[3] / "docs" / "local-models.md"


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without backquotes; a missing heading fails."""
    section = re.split(r"^#+ ", DOCUMENT.read_text().split(f" {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]


def hexadecimal(colour: vocabulary.Colour) -> str:
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def named(spec: InputSpec) -> str:
    return f"**{spec.name}**" if spec.required else spec.name


def priced(model: Model) -> str:
    return f"{model.price} a second" if model.unit == "second" else str(model.price)


def test_listing_the_models_loads_no_image_library() -> None:
    """The service starts without numpy, Pillow and onnxruntime, and says per run what is missing."""
    code = (
        "import sys; from runflowd.local.models.catalog import catalog; assert len(catalog()) == 12; "
        "print(sorted({'numpy', 'PIL', 'onnxruntime', 'av', 'hibari', 'lameenc'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_document_lists_every_model_as_it_is() -> None:
    """Ids, prices, inputs and output shapes in the page are those of the code."""
    expected = [
        [model.id, priced(model), ", ".join(map(named, model.inputs)), model.output_shape]
        for model in catalog().values()
    ]

    assert expected == table("The models")


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Colours", [[word, hexadecimal(colour)] for word, colour in vocabulary.COLOURS.items()]),
        ("Modifiers", [[word, effect] for word, effect in vocabulary.MODIFIERS.items()]),
        (
            "Surfaces",
            [
                [word, surface.value, hexadecimal(vocabulary.SURFACE_COLOURS[word])]
                for word, surface in vocabulary.SURFACES.items()
            ],
        ),
        ("Other spellings", [[word, other] for word, other in vocabulary.SPELLINGS.items()]),
    ],
)
def test_the_documented_vocabulary_is_the_codes(heading: str, expected: list[list[str]]) -> None:
    """Every word that is understood is documented, and none that is not."""
    assert expected == table(heading)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Backdrop", [[word, shade.value] for word, shade in vocabulary.SHADES.items()]),
        ("Shadows", [[word, shadow.value] for word, shadow in vocabulary.SHADOWS.items()]),
    ],
)
def test_the_documented_kinds_are_the_codes(heading: str, expected: list[list[str]]) -> None:
    """The third column is prose, the first two are the code's tables."""
    assert expected == [row[:2] for row in table(heading)]


def test_every_move_of_the_camera_is_documented() -> None:
    """In the order of the code."""
    assert list(MOVES) == [row[0] for row in table("The camera's words")]


def test_pass_through_returns_the_bytes_unread() -> None:
    """Even a broken JPEG: only the first bytes are looked at."""
    data = b"\xff\xd8\xff broken"
    result = catalog()["runflow/pass-through"].process({}, {"image_url": data})

    assert (EncodedFile("result_0.jpg", "image/jpeg", data, 0, 0),) == result.files


def test_pass_through_is_free() -> None:
    """It costs nothing, so that trials do not look like purchases."""
    assert Decimal(0) == catalog()["runflow/pass-through"].price


def test_a_missing_library_is_a_failure_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, a run names the package and the command."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for module in ("cutting", "cutout", "segmentation"):
        monkeypatch.delitem(sys.modules, f"runflowd.local.models.{module}", raising=False)
    with pytest.raises(ModelFailure, match=r"onnxruntime.*pip install 'runflowd\[local\]'") as caught:
        late("cutting", "remove_background", tmp_path)({}, {"image_url": b""})

    assert caught.value.code == "DEPENDENCY_MISSING"


def test_a_missing_video_library_is_named_with_its_own_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It weighs more than all the others, so nobody gets it unasked."""
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "runflowd.local.models.video", raising=False)
    with pytest.raises(ModelFailure, match=r"package av,.*pip install 'runflowd\[local,video\]'"):
        catalog()["runflow/image-to-video"].process({}, {})


@pytest.mark.parametrize("model", [model for model in catalog().values() if model.needs], ids=lambda model: model.id)
def test_a_model_needs_what_it_says(model: Model) -> None:
    """Run without each of its packages in turn, it misses that one; and nothing that is not declared is loaded."""
    code = (
        "import sys; from runflowd.local.models.catalog import catalog; from contextlib import suppress\n"
        f"with suppress(Exception): catalog()[{model.id!r}].process({{}}, {{}})\n"
        "print(*sorted({'numpy', 'PIL', 'onnxruntime', 'av', 'hibari', 'lameenc'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= set(model.needs)


@pytest.mark.parametrize(
    ("model", "given", "price"),
    [
        ("runflow/image-to-video", {"duration": 3}, "0.336"),
        ("runflow/image-to-video", {}, "0.56"),
        ("runflow/text-to-speech", {"text": "a" * 100}, "0.025"),
        ("runflow/text-to-speech", {"text": "a" * 100, "speed": 2.0}, "0.0125"),
        ("runflow/upscale", {}, "0.08"),
    ],
)
def test_what_a_run_will_cost_follows_its_input(model: str, given: dict[str, Any], price: str) -> None:
    """Defaults count as if they had been sent."""
    assert Decimal(price) == catalog()[model].projected(given)
