"""Verdicts on the page: who may give them, on what, and what is said then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pictures import encoded, noise
from shown_files import done, to_review
from web_rig import web

from runflowd.control.handlers import review
from runflowd.core.review import Review
from runflowd.store.items import item_by_id
from runflowd.store.verdicts import Verdict, count_to_review, give_verdicts, verdicts_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from web_rig import Web

pytestmark = pytest.mark.anyio

SAME = {"Sec-Fetch-Site": "same-origin"}
SCRIPT = {**SAME, "Accept": "application/json"}
"""The headers of our script, which is told by the status; a form is led on."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Web]:
    """A listener on loopback over six results that wait, and one that nobody is asked about."""
    async with web(tmp_path) as made:
        for number in range(6):
            folder = "shoes" if number < 3 else "bags"
            photo = encoded(noise(8 + number), "JPEG")
            item = await done(made.context, f"{folder}/{number}.jpg", photo, (f"{folder}/{number}.jpg", photo), at=1e9)
            await to_review(made.context, item)
        await done(made.context, "free.jpg", encoded(noise(40), "JPEG"))
        yield made


async def press(rig: Web, action: str, headers: dict[str, str] = SAME, **fields: str) -> httpx.Response:
    """Send the form of a button."""
    [token] = set(re.findall(r'name="token" value="([^"]+)"', (await rig.http.get("/")).text))
    return await rig.http.post(f"/{action}", data={"token": token, "back": "/files", **fields}, headers=headers)


async def review_of(rig: Web, number: int) -> Review:
    """How a result stands."""
    item = await rig.context.store.read(lambda connection: item_by_id(connection, number))
    assert item is not None
    return item.review


async def test_a_verdict_is_given_and_taken_back_on_the_screen_of_a_file(rig: Web) -> None:
    """It is on record with who gave it, and the screen says so."""
    accepted = await press(rig, "accept", item="1")
    shown = (await rig.http.get("/files/1")).text
    undone = await press(rig, "undo", item="1")
    said = await rig.context.store.read(lambda connection: verdicts_of(connection, 1))

    assert ("did=accepted&count=1", "did=undone&count=1") == tuple(
        answer.headers["location"].partition("?")[2] for answer in (accepted, undone)
    )
    assert "Accepted by page" in shown
    assert [(each.verdict, each.who) for each in said] == [(Verdict.ACCEPT, "page"), (Verdict.UNDO, "page")]
    assert await review_of(rig, 1) is Review.WAITING


async def test_a_file_stands_on_its_own_screen_as_in_the_list(rig: Web) -> None:
    """In the same words: what waits for a verdict is not done yet, and what was rejected is not just done."""
    await press(rig, "accept", item="1")
    await press(rig, "reject", item="2")
    listed = re.findall(r'<td><span class="pill ([^"]*)">([^<]*)<', (await rig.http.get("/files?view=list")).text)
    files = [(await rig.http.get(f"/files/{number}")).text for number in (7, 6, 5, 4, 3, 2, 1)]

    assert listed == [re.findall(r'<p><span class="pill ([^"]*)">([^<]*)<', file)[0] for file in files]
    assert [("good", "Done"), ("warn", "To review")] == listed[:2]
    assert [("bad", "Rejected"), ("good", "Done")] == listed[-2:]


async def test_a_screen_says_that_an_edited_result_stays_where_it_is(rig: Web) -> None:
    """Beside the verdict, which does not move it."""
    await press(rig, "reject", item="1")
    await rig.context.store.write(lambda each: each.raw.execute("UPDATE output SET edited = 1 WHERE item = 1"))

    assert "It was edited since it was delivered, so it stays where it is" in (await rig.http.get("/files/1")).text


async def test_the_second_of_two_reviewers_sees_that_it_is_done(rig: Web) -> None:
    """Both are on record; another verdict would count."""
    await rig.context.store.write(lambda connection: give_verdicts(connection, [1], Verdict.ACCEPT, "anna", "", 1e9))
    same = await press(rig, "accept", item="1")
    other = await press(rig, "reject", item="1")

    assert "shoes/0.jpg: accepted already by anna" in (await rig.http.get(same.headers["location"])).text
    assert (303, Review.REJECTED) == (other.status_code, await review_of(rig, 1))


async def test_who_changes_a_verdict_is_told_what_was_said_before(rig: Web) -> None:
    """On the screen that follows, as the command line says it; who takes one back knows."""
    await rig.context.store.write(lambda connection: give_verdicts(connection, [1], Verdict.ACCEPT, "anna", "", 1e9))
    other = await press(rig, "reject", item="1", back="/files/1", onward="/files/2")
    following = await rig.http.get(other.headers["location"])
    undone = await press(rig, "undo", item="1")

    assert "/files/2" == following.url.path
    assert "shoes/0.jpg: rejected; accepted before by anna" in following.text
    assert "/files?did=undone&count=1" == undone.headers["location"]


@pytest.mark.parametrize("item", ["7", "999", "x", ""])
async def test_what_nobody_is_asked_about_is_not_judged(rig: Web, item: str) -> None:
    """Nor what is not on record, nor a form of nobody's."""
    answer = await press(rig, "accept", SCRIPT, item=item)

    assert answer.status_code in {400, 409}
    assert {"studio": 6} == await rig.context.store.read(count_to_review)


async def test_one_verdict_on_all_that_fits_the_list(rig: Web) -> None:
    """By what its address asks for; what waits elsewhere, and what ends later, goes on waiting."""
    page = (await rig.http.get("/files?state=To+review&folder=shoes")).text
    fields = dict(re.findall(r'name="(query|since|until)" value="([^"]*)"', page))
    fields["query"] = fields["query"].replace("&amp;", "&")
    early = await press(rig, "reject", **{**fields, "until": "5"})
    answer = await press(rig, "reject", **fields)

    assert ["2.jpg", "1.jpg", "0.jpg"] == re.findall(r'<span class="name">([^<]*)</span>', page)
    assert ["0", "3"] == [re.findall(r"count=(\d+)", each.headers["location"])[0] for each in (early, answer)]
    assert {"studio": 3} == await rig.context.store.read(count_to_review)
    assert 400 == (await press(rig, "reject", SCRIPT, query="rule=studio", since="1", until="9")).status_code


async def test_the_neighbours_are_those_that_wait(rig: Web) -> None:
    """Whoever goes through the list is not led to what is judged already."""
    await press(rig, "accept", item="3")
    page = (await rig.http.get("/files/4?state=To+review")).text

    assert 'rel="prev" href="/files/5?state=To+review"' in page
    assert 'rel="next" href="/files/2?state=To+review"' in page


def form_of(page: str, action: str) -> Any:
    """The fields of a form on a screen, save where it leads back to."""
    [form] = re.findall(rf'<form class="follow" method="post" action="/{action}">(.*?)</form>', page, re.DOTALL)
    return {name: value for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form) if name != "back"}


async def test_a_reason_is_added_once_a_result_is_rejected(rig: Web) -> None:
    """On the screen that follows; both are on record, equal files take it along, and what waits again needs none."""
    rejected = await press(rig, "reject", item="1", back="/files/1", onward="/files/2")
    page = (await rig.http.get(rejected.headers["location"])).text
    form = form_of(page, "reason")
    added = await press(rig, "reason", **form, reason=" blurred ")
    nothing = await press(rig, "reason", SCRIPT, **form, reason=" ")
    said = await rig.context.store.read(lambda connection: verdicts_of(connection, 1))
    await press(rig, "undo", item="1")
    late = await press(rig, "reason", SCRIPT, **form, reason="dark")

    assert "shoes/0.jpg: rejected" in page
    assert "shoes/0.jpg: rejected: blurred" in (await rig.http.get(added.headers["location"])).text
    assert [(Verdict.REJECT, ""), (Verdict.REJECT, "blurred")] == [(each.verdict, each.reason) for each in said]
    assert (409, 409, Review.WAITING) == (nothing.status_code, late.status_code, await review_of(rig, 1))


async def test_one_verdict_on_many_is_taken_back_by_one_button(rig: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as nobody has said anything since, however many pages of them there are."""
    monkeypatch.setattr(review, "PAGE", 2)
    page = (await rig.http.get("/files?state=To+review&folder=shoes")).text
    fields = dict(re.findall(r'name="(query|since|until)" value="([^"]*)"', page))
    judged = await press(rig, "reject", **{**fields, "query": "state=To+review&folder=shoes"})
    await rig.context.store.write(lambda connection: give_verdicts(connection, [2], Verdict.ACCEPT, "anna", "", 1e9))
    form = form_of((await rig.http.get(judged.headers["location"])).text, "undo-all")
    undone = await press(rig, "undo-all", **form)
    again = await press(rig, "undo-all", **form)

    assert ["count=2", "count=0"] == [each.headers["location"][-7:] for each in (undone, again)]
    assert [Review.WAITING, Review.ACCEPTED, Review.WAITING] == [await review_of(rig, number) for number in (1, 2, 3)]


async def test_nobody_else_offers_anything_on_a_screen(rig: Web) -> None:
    """A link with another seal, or none, has no form."""
    for then in ("then=undo-reject-1-99.0", "then=undo-reject-1-99.", "then=.", "why=1", "why=99", "why=x", "why="):
        assert 'class="follow"' not in (await rig.http.get(f"/files?{then}")).text
