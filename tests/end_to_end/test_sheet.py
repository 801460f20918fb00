"""`runflowd sheet`: a page of results for any rule."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anyio
import pytest
from pictures import encoded, noise
from shown_files import done
from web_rig import site_over

from runflowd.cli import main

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<img src=x>\n\u202e.jpg"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A rule with two results, of which one has lost its source and the other has a hostile name."""

    async def make() -> None:
        picture = encoded(noise(40, 30), "JPEG")
        async with site_over(tmp_path) as site:
            await done(site.context, "shoes/gone.jpg", picture, ("out/gone.jpg", picture))
            await done(site.context, HOSTILE, picture, ("out/hostile.jpg", picture))

    anyio.run(make)
    (tmp_path / "in" / "shoes" / "gone.jpg").unlink()
    rule = {"watch": f"{tmp_path}/in", "output": f"{tmp_path}/out", "model": "runflow/pass-through"}
    whole = {"service": "local", "state": f"{tmp_path}/state.db", "rules": {"studio": rule}}
    path = tmp_path / "runflowd.yaml"
    path.write_text(json.dumps(whole))
    return path


def test_each_result_stands_beside_its_file_with_links_to_both(config: Path, tmp_path: Path) -> None:
    """A picture where there is one, the name where not; the latest first, and no name becomes markup."""
    target = tmp_path / "sheet.html"
    code = main(["sheet", "studio", "-c", str(config), "--into", str(target)])
    page = target.read_text("utf-8")
    links = re.findall(r'<a href="file://([^"]*)">', page)

    assert (0, 4) == (code, len(links))
    assert [3, 1] == [page.count("data:image/webp;base64,"), page.count("<blockquote>")]
    assert links[3].endswith("/out/gone.jpg")
    assert "<img src=x" not in page
    assert "\u202e" not in page


def test_a_page_that_is_there_is_never_written_over(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be anybody's."""
    target = tmp_path / "sheet.html"
    target.write_text("mine")
    code = main(["sheet", "studio", "-c", str(config), "--into", str(target)])

    assert (1, "mine") == (code, target.read_text())
    assert "Name another file with --into" in capsys.readouterr().err


def test_a_mistyped_rule_is_told_as_everywhere(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the one that is meant."""
    assert 2 == main(["sheet", "studo", "-c", str(config)])
    assert "did you mean 'studio'?" in capsys.readouterr().err
