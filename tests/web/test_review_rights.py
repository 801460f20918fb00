"""Who may judge on the page: those with the right to review, and nobody who may only see."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from guarded_page import SAME, Guarded, guarded, kept, log_in, tokens, write_users
from pictures import encoded, noise
from shown_files import done, to_review

from runflowd.core.review import Review
from runflowd.store.items import item_by_id
from runflowd.web.rights import Right
from runflowd.web.users_file import User

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

pytest.importorskip("argon2", reason="users need the extra `users`")
pytestmark = pytest.mark.anyio

JUDGING = ("accept", "reject", "undo")
ALL_OF_THEM = {"review": "waiting", "state": "To review"}
SCREENS = ("/", "/files", "/files?state=To+review", "/files?state=To+review&view=list", "/files/1")


async def waiting_result(page: Guarded) -> None:
    """A result that waits for a verdict."""
    context, photo = page.site.context, encoded(noise(8), "JPEG")
    await to_review(context, await done(context, "a.jpg", photo, ("a.jpg", photo)))


async def stands(page: Guarded) -> Review:
    """How that result stands."""
    item = await page.site.context.store.read(partial(item_by_id, number=1))
    assert item is not None
    return item.review


async def press(browser: httpx.AsyncClient, action: str, **fields: str) -> httpx.Response:
    """Send the form of a button with the token that the visitor has."""
    token = tokens((await browser.get("/")).text)["token"]
    return await browser.post(f"/{action}", data={"token": token, "back": "/files", **fields}, headers=SAME)


@pytest.mark.parametrize("screen", SCREENS)
async def test_who_may_only_see_sees_what_waits_and_no_button_for_it(tmp_path: Path, screen: str) -> None:
    """Nor the token that the keys would send."""
    async with guarded(tmp_path) as page:
        await waiting_result(page)
        async with page.browser() as browser:
            await log_in(browser, "ben")
            answer = await browser.get(screen)

        assert (200, True) == (answer.status_code, "review" in answer.text.lower())
        assert [] == re.findall(rf'action="/(?:{"|".join(JUDGING)})"|data-token="[^"]+"', answer.text)


@pytest.mark.parametrize("action", JUDGING)
@pytest.mark.parametrize("fields", [{"item": "1"}, ALL_OF_THEM], ids=["one", "all"])
async def test_who_may_only_see_judges_nothing(tmp_path: Path, action: str, fields: dict[str, str]) -> None:
    """Also not with the token of their own page; they are told what it takes, and nothing is on record."""
    async with guarded(tmp_path) as page:
        await waiting_result(page)
        async with page.browser() as browser:
            await log_in(browser, "ben")
            answer = await press(browser, action, **fields)

        assert (403, Review.WAITING) == (answer.status_code, await stands(page))
        assert "<code>runflowd user change NAME --may review</code>" in answer.text


async def test_who_may_review_judges_and_buys_nothing(tmp_path: Path) -> None:
    """The right to review is none to spend."""
    (folder := tmp_path / "reviewers").mkdir()
    users = write_users(folder, User("ben", Right.REVIEW, kept("ben")))
    async with guarded(tmp_path, users_file=users) as page:
        await waiting_result(page)
        async with page.browser() as browser:
            await log_in(browser, "ben")
            shown = (await browser.get("/files/1")).text
            judged = await press(browser, "accept", item="1")
            bought = await press(browser, "rerun", rule="studio", item="1", reference="x")

        assert (303, Review.ACCEPTED, 403) == (judged.status_code, await stands(page), bought.status_code)
        assert ('action="/accept"' in shown, 'action="/rerun"' in shown) == (True, False)


async def test_why_a_result_was_rejected_is_asked_of_those_who_may_say_it(tmp_path: Path) -> None:
    """Whatever the address asks for."""
    async with guarded(tmp_path) as page:
        await waiting_result(page)
        async with page.browser() as browser, page.browser() as other:
            await log_in(browser, "anna")
            await press(browser, "reject", item="1")
            await log_in(other, "ben")
            asked = ["Why was" in (await each.get("/files?why=1")).text for each in (browser, other)]

    assert [True, False] == asked


async def test_who_is_not_logged_in_any_more_is_led_back_to_the_form_they_sent(tmp_path: Path) -> None:
    """And to the screen that renews itself, with the reason it asks for and without what was said there once."""
    shown = "http://studio.example/files/2?state=To+review&name=&message=done&seal=of+before&why=1"
    async with guarded(tmp_path) as page, page.browser() as browser:
        sent = await browser.post("/files/1/redo", data={"back": "/files/1/redo"}, headers=SAME)
        renewed = await browser.get("/files/2", headers={"hx-current-url": shown, "Sec-Fetch-Mode": "cors"})

    assert (401, True) == (sent.status_code, 'href="/login?to=/files/1/redo"' in sent.text)
    assert "/login?to=/files/2%3Fstate%3DTo%2Breview%26why%3D1" == renewed.headers["hx-redirect"]
