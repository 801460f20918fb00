"""Originals: only what is on record is served, in the parts that a player asks for, and never as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pictures import encoded, noise
from shown_files import done
from web_rig import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from web_rig import Web

pytestmark = pytest.mark.anyio

PHOTO = encoded(noise(), "JPEG")
RESULT = encoded(noise(), "PNG")
PAGE = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Web]:
    """A listener on loopback."""
    async with web(tmp_path) as made:
        yield made


async def test_a_file_and_its_result_are_attachments_of_their_own_type(rig: Web) -> None:
    """Opened by itself, nothing that a stranger wrote becomes a page of ours."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", RESULT))

    before, after = [await rig.http.get(f"/files/{item}/{side}/0") for side in ("input", "output")]

    assert (PHOTO, RESULT) == (before.content, after.content)
    assert ["image/jpeg", "image/png"] == [each.headers["content-type"] for each in (before, after)]
    for each in (before, after):
        assert each.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in each.headers["content-security-policy"]
        assert "nosniff" == each.headers["x-content-type-options"]


async def test_what_no_browser_shows_is_bytes(rig: Web) -> None:
    """Whatever its name says: the type is that of its first bytes."""
    strange = [PAGE, b"%PDF-1.7 x", b"GIF8" + PAGE, b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
    item = await done(rig.context, "a.jpg", PHOTO, *((f"{number}.png", each) for number, each in enumerate(strange)))

    answers = [await rig.http.get(f"/files/{item}/output/{number}") for number in range(len(strange))]

    assert [(each, "application/octet-stream") for each in strange] == [
        (each.content, each.headers["content-type"]) for each in answers
    ]


async def test_a_player_gets_the_part_it_asks_for(rig: Web) -> None:
    """So that video can be sought in; what makes no sense as one range is answered by the whole."""
    item = await done(rig.context, "a.jpg", PHOTO)
    size = len(PHOTO)
    parts = {
        "bytes=0-9": (206, PHOTO[:10], f"bytes 0-9/{size}"),
        "bytes=10-": (206, PHOTO[10:], f"bytes 10-{size - 1}/{size}"),
        "bytes=-4": (206, PHOTO[-4:], f"bytes {size - 4}-{size - 1}/{size}"),
        "bytes=5-999999999": (206, PHOTO[5:], f"bytes 5-{size - 1}/{size}"),
        **dict.fromkeys(("bytes=999999999-", "bytes=9-3", "bytes=-"), (416, b"", f"bytes */{size}")),
        **dict.fromkeys(("bytes=a", "x=0-1", "bytes=0-1,4-5"), (200, PHOTO, None)),
    }
    found = {}
    for asked in parts:
        answer = await rig.http.get(f"/files/{item}/input/0", headers={"Range": asked})
        found[asked] = answer.status_code, answer.content, answer.headers.get("content-range")

    assert parts == found


def link_in_place_of(place: Path, target: Path) -> None:
    """What somebody does who wants us to read elsewhere."""
    place.rename(place.with_name("moved"))
    place.symlink_to(target)


async def test_no_link_leads_out_of_a_folder(rig: Web, tmp_path: Path) -> None:
    """A file on record that is a link now, or lies in a folder that is one, is not followed."""
    item = await done(rig.context, "shoes/a.jpg", PHOTO, ("shoes/a.png", RESULT))
    (rule,) = rig.context.rules.values()
    secret = tmp_path / "secrets"
    secret.mkdir()
    (secret / "a.png").write_bytes(RESULT)
    link_in_place_of(Path(rule.watch, "shoes", "a.jpg"), secret / "a.png")
    link_in_place_of(Path(rule.output, "shoes"), secret)

    answers = [await rig.http.get(f"/files/{item}/{side}/0") for side in ("input", "output")]

    assert [404, 404] == [each.status_code for each in answers]


async def test_what_is_not_on_record_is_not_there(rig: Web) -> None:
    """A path is never a client's word."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", RESULT))
    wrong = ["99/input/0", f"{item}/output/7", f"{item}/etc/0", f"{item}/input/..%2f0", f"{1 << 63}/input/0"]
    wrong += [f"{item}/input/1"]

    assert [404] * 6 == [(await rig.http.get(f"/files/{each}")).status_code for each in wrong]


async def test_the_files_of_a_rule_that_was_removed_are_not_served(rig: Web) -> None:
    """Its folders are nobody's any more."""
    item = await done(rig.context, "a.jpg", PHOTO)
    rig.context.rules = {}

    assert (await rig.http.get(f"/files/{item}/input/0")).status_code == 404


async def test_a_hostile_name_stays_within_its_header(rig: Web) -> None:
    """It becomes percent signs and letters."""
    name = 'a"\r\nSet-Cookie: x=1; é\u202e.jpg'
    item = await done(rig.context, name, PHOTO)

    answer = await rig.http.get(f"/files/{item}/input/0")

    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].isascii()
