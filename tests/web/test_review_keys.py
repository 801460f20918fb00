"""Verdicts by keys alone in a real browser, under the real content policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal
from browser import MISSING, NARROW, WIDE, Browser, browser
from pictures import encoded, noise
from shown_files import done, to_review
from web_rig import web

from runflowd.core.review import Review
from runflowd.store.items import item_by_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal
    from web_rig import Web

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason=MISSING.format("selenium")).Keys

pytestmark = pytest.mark.timeout(240)

COUNT = 18

SENT_ELSEWHERE = """
const {item, token} = document.getElementById("verdict").dataset, body = new URLSearchParams({item, token});
return fetch("/reject", {method: "POST", redirect: "manual", body}).then(() => true);
"""
"""The verdict of another tab."""


class Table:
    """A reviewer before a list of results that wait."""

    def __init__(self, rig: Web, portal: BlockingPortal, seen: Browser) -> None:
        self.rig = rig
        self.portal = portal
        self.seen = seen
        self.items = [portal.call(self._waiting, number) for number in range(COUNT)]

    async def _waiting(self, number: int) -> int:
        photo = encoded(noise(16 + number), "JPEG")
        item = await done(self.rig.context, f"{number}.jpg", photo, (f"{number}.jpg", photo), at=1e9)
        await to_review(self.rig.context, item)
        return item

    def review(self, item: int) -> Review:
        """How a result stands on record."""
        found = self.portal.call(self.rig.context.store.read, lambda connection: item_by_id(connection, item))
        assert found is not None
        return found.review

    def open(self, item: int) -> None:
        """Show one that waits, among those that do."""
        self.seen.open(f"/files/{item}?state=To+review")
        self.seen.until("document.readyState === 'complete'")

    def shows(self, item: int) -> None:
        """Wait until the screen of this item is there, with its keys."""
        self.seen.until(f"location.pathname === '/files/{item}' && document.readyState === 'complete'")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """One page and one browser for all of these tests."""
    with (
        browser() as driver,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(web(tmp_path_factory.mktemp("table"))) as rig,
    ):
        yield Table(rig, portal, Browser(driver, f"http://127.0.0.1:{rig.port}"))


@pytest.fixture(autouse=True)
def quiet(table: Table) -> None:
    """What the console said of an earlier test is not of this one."""
    table.seen.driver.get("about:blank")
    table.seen.complaints()


def test_a_list_is_judged_by_keys_alone(table: Table) -> None:
    """One key a verdict; the next that waits follows by itself, and the last verdict can be taken back."""
    first, *others = judged = table.items[:9:-1]
    table.open(first)
    for number, item in enumerate(judged):
        table.shows(item)
        table.seen.press("r" if number % 3 == 2 else "A")
    table.shows(table.items[9])
    expected = [Review.REJECTED if number % 3 == 2 else Review.ACCEPTED for number in range(len(judged))]
    found = [table.review(item) for item in judged]
    table.seen.press("u")
    table.shows(others[-1])

    assert (expected, Review.WAITING) == (found, table.review(others[-1]))
    assert [] == table.seen.complaints()


def test_a_verdict_is_taken_back_where_it_was_given(table: Table) -> None:
    """On the screen of a result that is judged."""
    last = table.items[0]
    table.open(last)
    table.seen.press("a")
    table.seen.until("document.querySelector('#verdict .pill').innerText === 'Accepted'")
    table.seen.until(lambda: table.review(last) is Review.ACCEPTED)
    table.seen.press("u")
    table.seen.until(lambda: table.review(last) is Review.WAITING)

    assert "To review" == table.seen.script("return document.querySelector('#verdict .pill').innerText")


def test_keys_of_verdicts_are_dead_where_somebody_writes_and_while_help_is_open(table: Table) -> None:
    """A letter is a letter; arrows lead on in every mode all the same."""
    item = table.items[5]
    table.open(item)
    table.seen.script("document.body.insertAdjacentHTML('afterbegin', '<textarea id=t></textarea>')")
    table.seen.script("document.getElementById('t').focus()")
    table.seen.press("aru")
    table.seen.script("document.activeElement.blur()")
    table.seen.press("?", "a")
    helped = table.seen.script("return document.getElementById('keys').open")
    table.seen.press("?", "z", Keys.ARROW_RIGHT)
    table.shows(table.items[4])

    assert (True, Review.WAITING) == (helped, table.review(item))


def test_where_a_verdict_is_refused_the_answer_says_why(table: Table) -> None:
    """Another reviewer was first, with the same verdict."""
    item = table.items[7]
    table.open(item)
    table.seen.script(SENT_ELSEWHERE)
    table.seen.press("r")
    table.seen.until("document.body.innerText.includes('rejected already by page')")

    assert table.review(item) is Review.REJECTED


def test_the_second_reviewer_is_told_of_the_first_on_the_next_screen(table: Table) -> None:
    """Their page was old: it showed what somebody had rejected as waiting."""
    item = table.items[3]
    table.open(item)
    table.seen.script(SENT_ELSEWHERE)
    table.seen.press("a")
    table.shows(table.items[2])

    assert "3.jpg: accepted; rejected before by page" == table.seen.script(
        "return document.querySelector('.message')?.innerText"
    )


def test_a_verdict_that_is_given_twice_leaves_a_screen_that_lives(table: Table) -> None:
    """At the end of a list one stays; pressed again, the screen says why not, asks for news, and takes keys."""
    last = table.items[0]
    table.open(last)
    table.seen.script("sessionStorage.clear()")
    table.seen.press("a")
    table.seen.until("sessionStorage.length === 1")  # the verdict is on record, and the next key is heard
    table.seen.press("a")
    table.seen.until("document.readyState === 'complete' && document.querySelector('.message')")
    said = table.seen.script("return document.querySelector('.message').innerText")
    table.seen.script("window.swapped = 0; document.addEventListener('htmx:afterSwap', () => { window.swapped = 1; })")
    table.seen.script("htmx.trigger(document.getElementById('frame'), 'refresh')")
    table.seen.until("window.swapped === 1")
    hidden = table.seen.script("return document.getElementById('dead').hidden")
    table.seen.press("u")
    table.seen.until(lambda: table.review(last) is Review.WAITING)

    assert ("0.jpg: accepted already by page", True) == (said, hidden)


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_the_screens_of_verdicts_are_for_everybody(table: Table, size: tuple[int, int], scheme: str) -> None:
    """axe-core finds nothing, and nothing is cut off."""
    found = {}
    for path in (f"/files/{table.items[2]}?state=To+review", "/files?state=To+review"):
        table.seen.open(path, size=size, scheme=scheme)
        table.seen.script("document.querySelector('details')?.setAttribute('open', '')")
        found[path] = table.seen.violations()
        assert table.seen.script("return document.documentElement.scrollWidth") <= size[0]

    assert {} == {path: wrong for path, wrong in found.items() if wrong}
