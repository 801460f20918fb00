"""Files, one file and spend: what they show of the facts, and that any address is borne."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from pictures import encoded, noise
from shown_files import ENDED, done, to_review
from web_rig import web

from runflowd.core.lifecycle import ItemState
from runflowd.web import files_view, screens
from runflowd.web.actions import ACTIONS
from runflowd.web.file_filter import FileFilter, filter_from
from runflowd.web.flash import flash
from runflowd.web.forms import way_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from web_rig import Web

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

PHOTO = encoded(noise(), "JPEG")
SAME = {"Sec-Fetch-Site": "same-origin"}
SCRIPT = {**SAME, "Accept": "application/json"}
"""The headers of our script, which is told by the status; a form is led on."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Web]:
    """A listener on loopback."""
    async with web(tmp_path) as made:
        yield made


def names(page: str) -> list[str]:
    """The files that a screen lists."""
    return re.findall(r'<span class="name">([^<]*)</span>', page)


async def test_the_list_is_asked_by_its_address(rig: Web) -> None:
    """By rule, state, folder, day and name, alone and together."""
    await done(rig.context, "shoes/a.jpg", PHOTO, at=ENDED)
    await done(rig.context, "shoes/low/b.jpg", PHOTO + b"1", at=ENDED + 86_400 * 3)
    await done(rig.context, "shoes-old/c.jpg", PHOTO + b"2", at=ENDED)
    await rig.set_aside("shoes/d.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "no")
    asked = {
        "": ["d.jpg", "c.jpg", "b.jpg", "a.jpg"],
        "state=Done": ["c.jpg", "b.jpg", "a.jpg"],
        "folder=shoes": ["d.jpg", "b.jpg", "a.jpg"],
        "name=B.JP": ["b.jpg"],
        "day=2027-01-15": ["c.jpg", "a.jpg"],
        "rule=studio&state=Failed": ["d.jpg"],
        "rule=other": [],
        "folder=shoes&state=Done&day=2027-01-15": ["a.jpg"],
    }

    assert asked == {query: names((await rig.http.get(f"/files?{query}")).text) for query in asked}


async def test_pages_follow_each_other_and_lose_nothing(rig: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the link at their end, whatever comes meanwhile."""
    monkeypatch.setattr(screens, "PAGE", 2)
    monkeypatch.setattr(files_view, "PAGE", 2)
    for number in range(5):
        await done(rig.context, f"{number}.jpg", PHOTO + bytes([number]))
    page = (await rig.http.get("/files?state=Done")).text
    await done(rig.context, "new.jpg", PHOTO + b"new")
    found = names(page)
    while further := re.search(r'rel="next" href="([^"]+)"', page):
        page = (await rig.http.get(further[1].replace("&amp;", "&"))).text
        found += names(page)

    assert ["4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg"] == found


@pytest.mark.parametrize("path", ["/files", "/files/1"])
async def test_any_address_is_borne(rig: Web, path: str) -> None:
    """Whoever wrote it gets a screen, and nothing of theirs in it is markup."""
    await done(rig.context, "a.jpg", PHOTO)
    days = ["before=x", "before=" + "9" * 40, "day=2026-99-99", "day=9999-12-31"]
    for query in [*days, "state=<b>", "name=<b>%00%ff", "folder=../..", "x&" * 5000]:
        answer = await rig.http.get(f"{path}?{query}")

        assert (200, False) == (answer.status_code, "<b>" in answer.text), query


async def test_a_folder_whose_name_is_no_text_is_found_by_its_link(rig: Web) -> None:
    """Its bytes go into the address and come back."""
    folder = os.fsdecode(b"caf\xe9")
    await done(rig.context, f"{folder}/a.jpg", PHOTO)
    page = (await rig.http.get("/files?view=list")).text
    (link,) = re.findall(r'href="(/files\?[^"]*folder=[^"]*)"', page)

    assert names((await rig.http.get(link.replace("&amp;", "&"))).text) == ["a.jpg"]
    assert folder == filter_from(FileFilter(folder=folder).query.encode()).folder


async def test_one_file_tells_its_story_its_cost_and_its_neighbours(rig: Web) -> None:
    """Within the list that one came from."""
    first = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO), cost="0.0125")
    await rig.set_aside("b.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "no")
    third = await done(rig.context, "c.jpg", PHOTO + b"1")
    page = (await rig.http.get(f"/files/{first}?state=Done")).text

    assert f'id="newer" rel="prev" href="/files/{third}?state=Done"' in page
    assert 'id="older"' not in page
    assert "$0.0125" in page
    assert "Its result is in place" in page
    assert f'href="/files/{first}/output/0" download' in page


async def test_what_is_not_on_record_has_no_screen(rig: Web) -> None:
    """Neither a file nor a receipt."""
    paths = ("/files/7", "/files/7/receipt.json", f"/files/{1 << 63}", "/files/x")

    assert [404] * 4 == [(await rig.http.get(path)).status_code for path in paths]


async def test_a_receipt_says_what_was_delivered(rig: Web) -> None:
    """Also where the rule writes none beside its results."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", PHOTO))

    answer = await rig.http.get(f"/files/{item}/receipt.json")

    assert ["a.png"] == [each["path"] for each in answer.json()["outputs"]]
    assert ("done", "attachment") == (answer.json()["state"], answer.headers["content-disposition"])


async def test_spend_is_shown_for_a_span(rig: Web) -> None:
    """By day, rule and model."""
    for query in ("", "span=1d", "span=all", "span=x", "since=2026-11-01&until=2026-11-30", "since=7d"):
        page = (await rig.http.get(f"/spend?{query}")).text

        assert ["By day", "By rule", "By model"] == re.findall(r"<h2>(By \w+)", page), query


async def test_a_span_that_makes_no_sense_is_said_to_make_none(rig: Web) -> None:
    """In the words of the command."""
    answer = await rig.http.get("/spend?since=<b>yesterday", headers={"Accept": "text/html"})

    assert (400, True, False) == (answer.status_code, "is no day" in answer.text, "<b>" in answer.text)


async def test_buttons_are_the_commands(rig: Web) -> None:
    """A rule is paused and goes on, and what cannot be done says why in the words of the command."""
    (token,) = set(re.findall(r'name="token" value="([^"]+)"', (await rig.http.get("/")).text))
    back = "/files?name=a&did=retried&count=9"

    async def press(action: str, **fields: str) -> tuple[int, str]:
        answer = await rig.http.post(f"/{action}", data={"token": token, "back": back, **fields}, headers=SCRIPT)
        return answer.status_code, answer.json()["address"]

    answers = [await press(each, rule="studio") for each in ("pause", "resume", "resume")]

    assert (200, "/files?name=a&did=paused&count=0") == answers[0]
    assert (200, "/files?name=a&did=resumed&count=0") == answers[1]
    assert 409 == answers[2][0]
    assert "none of these is paused" in (await rig.http.get(answers[2][1])).text
    assert 409 == (await press("pause", rule="nobody"))[0]
    assert 400 == (await press("retry"))[0]
    assert 400 == (await press("rerun", item="x"))[0]
    assert 400 == (await press("buy-again"))[0]


@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_whatever_is_refused_leads_back_to_a_screen_that_says_why_and_can_be_asked_anew(
    rig: Web, action: str
) -> None:
    """A page at the address of a button asks there for news, is refused, and takes the daemon for dead."""
    item = await done(rig.context, "a.jpg", PHOTO)
    page = (await rig.http.get(f"/files/{item}")).text
    token = re.findall(r'name="token" value="([^"]+)"', page)[0]
    fields = {"token": token, "back": f"/files/{item}", "onward": "/files", "rule": "nobody", "item": "999"}
    refused = await rig.http.post(f"/{action}", data={**fields, "reference": "x", "files": "0"}, headers=SAME)
    back = await rig.http.get(refused.headers["location"])

    assert (303, 200) == (refused.status_code, back.status_code)
    assert re.search(r'<p class="said message" role="status">[^<]{9,}', back.text)
    assert [f"/files/{item}"] == re.findall(r'id="frame" hx-get="([^"]*)"', back.text)


async def test_nobody_else_puts_a_sentence_on_a_screen(rig: Web) -> None:
    """Not by a link to it: the seal is that of one sentence and of one visitor."""
    (token,) = set(re.findall(r'name="token" value="([^"]+)"', (await rig.http.get("/")).text))
    sealed, foreign = flash("All is lost.", token), flash("All is lost.", "x")
    asked = (
        sealed,
        {**sealed, "message": "All is fine."},
        foreign,
        {**sealed, "seal": "\u00e9"},
    )

    assert [True, False, False, False] == [
        'class="said message"' in (await rig.http.get("/", params=query)).text for query in asked
    ]


async def test_a_screen_that_makes_no_sense_is_not_asked_for_anew(rig: Web) -> None:
    """The same refusal again would pass for a daemon that does not answer."""
    assert "hx-get" not in (await rig.http.get("/spend?since=x")).text


@pytest.mark.parametrize(
    "back",
    [
        *("https://evil.example/", "//evil.example/files", "/\\evil.example", "javascript:alert(1)"),
        *("/static/x", "/files/1/input/0", "", "/files\n//x", "https://[evil/"),
    ],
)
def test_an_action_leads_back_to_a_screen_of_ours_alone(back: str) -> None:
    """Whatever a form says."""
    assert way_back({"back": [back]}, did="paused").rpartition("?")[0] in {"/", "/files"}


async def test_a_charged_failure_is_bought_again_on_its_own_screen_only(rig: Web) -> None:
    """Retry leaves it as it is and says so; to buy again says what it cost."""
    await rig.set_aside("a.jpg", ItemState.FAILED, "X", "no")
    await rig.context.store.write(lambda connection: connection.raw.execute("UPDATE item SET cost = '0.5'").rowcount)
    now, page = [(await rig.http.get(path)).text for path in ("/", "/files/1")]
    fields = dict(re.findall(r'name="(token|reference)" value="([^"]+)"', page))

    refused, bought = [await rig.http.post(f"/{each}", data=fields, headers=SCRIPT) for each in ("retry", "buy-again")]

    assert ('action="/retry"' in now, 'action="/retry"' in page, "It cost $0.50 before" in page) == (False, False, True)
    assert (409, 200) == (refused.status_code, bought.status_code)
    assert quote("did=bought&count=1", safe="=&") in bought.json()["address"]


async def test_a_file_is_run_again_only_when_its_rule_has_changed(rig: Web) -> None:
    """Under the same recipe the same would come."""
    item = await done(rig.context, "a.jpg", PHOTO)
    page = (await rig.http.get(f"/files/{item}")).text
    fields = dict(re.findall(r'name="(token|reference|item|rule)" value="([^"]+)"', page))

    changed = await rig.http.post("/rerun", data=fields, headers=SCRIPT)
    again = await rig.http.post("/rerun", data={**fields, "reference": "x"}, headers=SCRIPT)

    assert (200, 409) == (changed.status_code, again.status_code)
    assert [("studio", "")] == [(look.rule, look.folder) for look in rig.context.hints]


async def test_every_count_is_that_of_the_list_behind_it(rig: Web) -> None:
    """No file is in two sets, each list has as many rows as its number says, and they add up to all files."""
    for number in range(5):
        item = await done(rig.context, f"{number}.jpg", PHOTO + bytes([number]))
        if number < 2:
            await to_review(rig.context, item)
    await rig.set_aside("bad.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "no")
    await rig.set_aside("late.jpg", ItemState.WAITING, "STILL_CHANGING", "no")
    await rig.batch("b", "run")
    for number, state in enumerate(("done", "failed", "submitted")):  # older contents of files that were done again
        await rig.context.store.write(partial(older_content, number=number, state=state))
    page = (await rig.http.get("/")).text
    tops = re.findall(r'<div class="value"><a href="([^"]+)"[^>]*>(\d+)</a>', page)
    top = [len(names((await rig.http.get(link.replace("&amp;", "&"))).text)) for link, _ in tops]
    [(batch, size)] = re.findall(r'<a href="([^"]+)"[^>]*>\d+ of (\d+)</a>', page)
    linked = re.findall(r'<td[^>]*data-name="[^"]*"[^>]*><a href="([^"]+)"[^>]*>(\d+)</a>', page)
    rows = {link: len(names((await rig.http.get(link.replace("&amp;", "&"))).text)) for link, _ in linked}

    assert {link: int(count) for link, count in linked} == rows
    assert 9 == sum(rows.values()) == len(names((await rig.http.get("/files")).text))
    assert [2, 3, 1] == top == [int(count) for _, count in tops]
    assert ["run.jpg"] * int(size) == names((await rig.http.get(batch)).text)


def older_content(connection: Connection, number: int, state: str) -> None:
    """A row of a file whose place another one took."""
    connection.raw.execute(
        "INSERT INTO item (rule, dir, basename, state, reference, size, mtime_ns, inode, found_at, current) "
        "VALUES ('studio', x'', ?, ?, ?, 1, 1, 1, 1, 0)",
        (b"%d.jpg" % number, state, b"older %d" % number),
    )
