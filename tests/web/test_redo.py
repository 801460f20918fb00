"""Making one file again on the page: the form, what it agrees to, and who may send it."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from pictures import encoded, noise
from shown_files import done
from web_rig import config_over, rule, web

from runflowd.core.money import Budget, Money, RuleMoney
from runflowd.store.items import item_by_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from web_rig import Web

    from runflowd.store.items import Item

pytestmark = pytest.mark.anyio

PHOTO = encoded(noise(), "JPEG")
SAME = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
INPUT = {"image_url": "${file.url}", "prompt": "grey <b>", "seed": 7}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Web]:
    """A page over a rule with a prompt, whose files cost 8 cents, under a limit of a dollar a day."""
    prompted = replace(rule(tmp_path), input=INPUT)
    money = Money(budget=Budget(per_day=Decimal(1)), rules={"studio": RuleMoney(price=Decimal("0.08"))})
    async with web(tmp_path, config=config_over(tmp_path, rules=(prompted,), money=money)) as made:
        made.context.money = money
        yield made


async def sent(rig: Web, item: int, agreed: str = "buy:0.08", **settings: str) -> httpx.Response:
    """Send the form of a file."""
    fields = {f"set.{name}": value for name, value in settings.items()}
    form = {"token": rig.site.token, "back": f"/files/{item}", "agreed": agreed, **fields}
    return await rig.http.post(f"/files/{item}/redo", data=form, headers=SAME)


async def found(rig: Web, number: int) -> Item:
    """An item as it is on record."""
    item = await rig.context.store.read(lambda connection: item_by_id(connection, number))
    assert item is not None
    return item


async def test_the_form_has_what_the_file_was_made_with_and_says_what_one_costs(rig: Web) -> None:
    """And what is left of each limit; nothing in it is markup, and what sends the file is not in it."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO), in_force=True)
    page = (await rig.http.get(f"/files/{item}/redo", headers=SAME)).text

    assert ["prompt", "seed"] == re.findall(r'name="set\.([^"]*)"', page)
    assert "\ngrey &lt;b&gt;</textarea>" in page
    assert "It costs $0.08, as its rule says." in page
    assert "$1.00 of $1.00 left today for all rules." in page
    assert f'id="redo" href="/files/{item}/redo"' in (await rig.http.get(f"/files/{item}")).text


async def test_a_file_is_asked_for_with_the_settings_that_were_changed(rig: Web) -> None:
    """Only they are its own, and they are on record before anything is bought."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO), in_force=True)
    answer = await sent(rig, item, prompt="blue\r\nsky", seed="7")
    asked = await found(rig, item)

    assert (303, f"/files/{item}") == (answer.status_code, answer.headers["location"].partition("?")[0])
    assert (True, {"prompt": "blue\nsky"}) == (asked.rerun_requested, dict(asked.rerun_settings.values))


@pytest.mark.parametrize(
    ("settings", "agreed", "said"),
    [
        ({"prompt": "grey <b>", "seed": "7"}, "buy:0.08", "Its result was made with these settings"),
        ({"prompt": "blue", "seed": "many"}, "buy:0.08", "seed must be a number"),
        ({"prompt": "${file.stm}"}, "buy:0.08", "did you mean ${file.stem}?"),
        ({"prompt": "blue"}, "buy:0.04", "Nothing is bought yet: press the button to agree."),
        ({"image_url": "x"}, "buy:0.08", "image_url cannot be set for one file"),
    ],
)
async def test_what_is_not_agreed_to_or_cannot_be_sent_asks_for_nothing(
    rig: Web, settings: dict[str, str], agreed: str, said: str
) -> None:
    """The form comes again with the reason, the price, and what was written."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO), in_force=True)
    answer = await sent(rig, item, agreed, **settings)

    assert (409, True) == (answer.status_code, said in answer.text)
    assert 'name="agreed" value="buy:0.08"' in answer.text
    assert not (await found(rig, item)).rerun_requested
    if "prompt" in settings:
        assert settings["prompt"].replace("<b>", "&lt;b&gt;") in answer.text


async def test_a_form_that_is_not_ours_or_of_a_file_that_is_not_there_asks_for_nothing(rig: Web) -> None:
    """Whoever sends it."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO), in_force=True)
    form = {"agreed": "buy:0.08", "set.prompt": "blue"}
    foreign = await rig.http.post(f"/files/{item}/redo", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    unknown = await rig.http.get("/files/99/redo", headers=SAME)

    assert ((403, False), 404) == (
        (foreign.status_code, (await found(rig, item)).rerun_requested),
        unknown.status_code,
    )


async def test_a_form_from_before_a_restart_comes_again_with_what_was_written(rig: Web) -> None:
    """With a token that holds; nothing is asked for by it. A foreign page learns nothing in this way."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO), in_force=True)
    form = {"agreed": "buy:0.08", "set.prompt": "blue sky", "token": "of another life"}
    answer = await rig.http.post(f"/files/{item}/redo", data=form, headers=SAME)
    foreign = await rig.http.post(f"/files/{item}/redo", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    asked = (await found(rig, item)).rerun_requested
    [token] = set(re.findall(r'name="token" value="([^"]+)"', answer.text))
    again = await rig.http.post(f"/files/{item}/redo", data={**form, "token": token}, headers=SAME)

    assert (409, True, True) == (answer.status_code, "\nblue sky</textarea>" in answer.text, "restarted" in answer.text)
    assert (403, False, False) == (foreign.status_code, "blue sky" in foreign.text, asked)
    assert (303, {"prompt": "blue sky"}) == (again.status_code, dict((await found(rig, item)).rerun_settings.values))
