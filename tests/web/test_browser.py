"""The screens in a real browser, under their real content policy: a person at a keyboard, and one with a phone."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal
from browser import MISSING, NARROW, WIDE, Browser, browser
from pictures import encoded, noise
from PIL import Image
from shown_files import delivered, done
from web_rig import config_over, web

from runflowd.config.snapshot import Access
from runflowd.core.lifecycle import ItemState
from runflowd.store.batches import batch_from
from runflowd.store.items import item_by_id, items_of_batch
from runflowd.store.ledger import Stated, settle
from runflowd.web.passwords import hashed
from runflowd.web.rights import Right
from runflowd.web.users_file import User, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio.from_thread import BlockingPortal
    from web_rig import Web

    from runflowd.store import Connection

ActionChains = pytest.importorskip(
    "selenium.webdriver.common.action_chains", reason=MISSING.format("selenium")
).ActionChains
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

pytestmark = pytest.mark.timeout(240)

HOSTILE = "\u202egpj.<img src=x onerror=alert(1)>.jpg"


WHAT_IS_SEEN = """
return ["before", "after"].filter((e) => getComputedStyle(document.querySelector("." + e)).visibility === "visible")
"""


FITS = """
return [...document.querySelectorAll(".shot")].every((shot) => {
  const [inner, outer] = [shot, shot.parentElement].map((each) => each.getBoundingClientRect());
  return inner.height <= outer.height && inner.width <= outer.width && getComputedStyle(shot).objectFit === "contain";
})
"""


UNDER_ITS_HEADING = """
const seen = (each) => each.offsetParent !== null;
return [...document.querySelectorAll("tbody tr")].filter((row) => seen(row.closest("table").tHead)).every((row) =>
  [...row.cells].filter(seen).length === [...row.closest("table").tHead.rows[0].cells].filter(seen).length)
"""
"""Whether each row of a table shows as many cells as its heading."""


class Desk:
    """A daemon's page with some files, and a browser before it."""

    def __init__(self, rig: Web, portal: BlockingPortal, seen: Browser) -> None:
        self.rig = rig
        self.portal = portal
        self.seen = seen
        self.items = [portal.call(self._done, f"shoes/photo-{number}.jpg", number) for number in range(1, 4)]
        portal.call(self._charge)
        portal.call(rig.set_aside, HOSTILE, ItemState.FAILED, "NOT_AN_IMAGE", "this is text")
        portal.call(rig.set_aside, "text.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "this is text")

    async def _charge(self) -> None:
        """Something to show on the screen about spend."""
        number = await self.rig.batch("at-service", "run")

        def settled(connection: Connection) -> None:
            row = connection.one("batch", id=number)
            assert row is not None
            batch = batch_from(row)
            [item] = items_of_batch(connection, batch.id)
            settle(connection, batch, [(item, Stated(Decimal("0.35"), "USD"))], time.time())

        await self.rig.context.store.write(settled)

    async def _done(self, path: str, number: int) -> int:
        after = Image.new("RGBA", (160, 120), (200, 40 * number, 60, 128))
        result = ("out/" + path).replace("jpg", "png"), encoded(after, "PNG")
        return await done(self.rig.context, path, encoded(noise(160, 120), "JPEG"), result, cost="0.012")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One page and one browser for all of these tests."""
    folder = tmp_path_factory.mktemp("desk")
    config = replace(config_over(folder), thumbnails=2**20)
    with (
        browser() as driver,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(web(folder, config=config)) as rig,
    ):
        yield Desk(rig, portal, Browser(driver, f"http://127.0.0.1:{rig.port}"))


@pytest.fixture(autouse=True)
def quiet(desk: Desk) -> None:
    """What the console said of an earlier test is not of this one."""
    desk.seen.driver.get("about:blank")
    desk.seen.complaints()


SCREENS = ("/", "/files", "/files?view=list", "/files/{item}", "/files/{item}/redo", "/spend")


@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_is_for_everybody(desk: Desk, path: str) -> None:
    """axe-core finds nothing: contrast, names, roles; in light and dark, wide and narrow, and nothing is cut off."""
    found = {}
    for size, scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")):
        desk.seen.open(path.format(item=desk.items[0]), size=size, scheme=scheme)
        assert path != "/spend" or "0.35" in desk.seen.script("return document.body.innerText")
        found[size, scheme] = desk.seen.violations()
        assert desk.seen.script("return document.documentElement.scrollWidth") <= size[0]
        assert desk.seen.script(UNDER_ITS_HEADING)

    assert {} == {each: wrong for each, wrong in found.items() if wrong}
    assert [] == desk.seen.complaints()


def test_a_person_at_a_keyboard_finds_a_file_and_compares_it(desk: Desk) -> None:
    """Search, open, flip, zoom and go on by keys alone; the address tells where one is."""
    seen = desk.seen
    seen.open("/files")
    seen.until("document.querySelectorAll('.tile').length >= 5")
    seen.script("document.getElementById('filter-name').focus()")
    seen.press("PHOTO-")
    seen.until("document.querySelectorAll('.tile').length === 3 && location.search.includes('name=PHOTO-')")
    seen.until("[...document.querySelectorAll('.thumb:not(.icon)')].filter((e) => e.naturalWidth === 160).length === 3")
    seen.script(f"document.getElementById('file-{desk.items[2]}').focus()")
    seen.press(Keys.ENTER)
    seen.until(f"location.pathname === '/files/{desk.items[2]}' && !document.querySelector('.modes').hidden")
    seen.script("document.querySelector('[data-set-mode=flip]').click(); document.activeElement.blur()")

    fits = seen.script(FITS)
    ActionChains(seen.driver).key_down(" ").perform()
    held = seen.script(WHAT_IS_SEEN)
    ActionChains(seen.driver).key_up(" ").perform()
    let_go = seen.script(WHAT_IS_SEEN)
    seen.press("z")
    seen.until("[...document.querySelectorAll('.shot')].every((e) => e.naturalWidth === 160 && e.width === 160)")
    seen.press(Keys.ARROW_RIGHT)
    seen.until(f"location.pathname === '/files/{desk.items[1]}' && document.querySelector('.zoomed[data-mode=flip]')")
    seen.press("z", Keys.ARROW_LEFT)
    seen.until(f"location.pathname === '/files/{desk.items[2]}'")

    assert (["before"], ["after"], True) == (held, let_go, fits)
    assert "name=PHOTO-" in seen.driver.current_url
    assert [] == seen.complaints()


def test_a_file_is_made_again_with_another_prompt_by_keys_alone(desk: Desk) -> None:
    """E leads to the form, which has the focus in its first setting; what is set is asked for by its button."""
    seen, item = desk.seen, desk.items[1]
    seen.open(f"/files/{item}")
    seen.until("document.getElementById('redo')")
    seen.press("e")
    seen.until(f"location.pathname === '/files/{item}/redo' && document.activeElement.name === 'set.image_url'")
    seen.script("document.activeElement.select()")
    seen.press("another", Keys.TAB, Keys.ENTER)
    said = seen.until(
        f"location.pathname === '/files/{item}' && document.querySelector('.said:not([hidden])')?.innerText"
    )
    asked = desk.portal.call(desk.rig.context.store.read, lambda connection: item_by_id(connection, item))

    assert "It is made again. Its screen leads to the new result." == said
    assert asked is not None
    assert (True, {"image_url": "another"}) == (asked.rerun_requested, dict(asked.rerun_settings.values))
    assert [] == seen.complaints()


def test_a_result_is_seen_when_it_comes(desk: Desk) -> None:
    """By who looks at its file meanwhile."""
    seen, context = desk.seen, desk.rig.context
    item = desk.portal.call(done, context, "waited-for.jpg", encoded(noise(160, 120), "JPEG"))
    seen.open(f"/files/{item}")
    seen.until("document.querySelector('.after').innerText.includes('No result yet')")
    desk.portal.call(delivered, context, item, "waited-for.png", encoded(noise(160, 120), "PNG"))
    seen.until("document.querySelector('.after .shot')?.naturalWidth === 160")


def test_video_and_sound_play(desk: Desk) -> None:
    """From their own address, in the parts that the player asks for."""
    pytest.importorskip("av")
    from encoded_recordings import recording

    film, sound = recording("webm"), recording("wav")
    item = desk.portal.call(done, desk.rig.context, "film.webm", film, ("film.wav", sound))
    desk.seen.open(f"/files/{item}")
    for player in ("video", "audio"):
        desk.seen.until(f"document.querySelector('{player}')?.duration > 0")
    desk.seen.script("const e = document.querySelector('video'); e.muted = true; return e.play()")
    desk.seen.until("document.querySelector('video').currentTime > 0")

    assert [] == desk.seen.complaints()


def test_keys_are_dead_where_somebody_writes(desk: Desk) -> None:
    """A letter in the search is a letter."""
    desk.seen.open(f"/files/{desk.items[1]}")
    desk.seen.script("document.body.insertAdjacentHTML('afterbegin', '<textarea id=t></textarea>')")
    desk.seen.script("document.getElementById('t').focus()")
    desk.seen.press("z ", Keys.ARROW_RIGHT)

    assert ["z ", False, f"/files/{desk.items[1]}"] == desk.seen.script(
        "return [document.getElementById('t').value, !!document.querySelector('.zoomed'), location.pathname]"
    )


def test_a_person_with_a_phone_tries_a_failed_file_again(desk: Desk) -> None:
    """From the number on the first screen to the button, and back where it was pressed."""
    seen = desk.seen
    seen.open("/", size=NARROW)
    seen.script("document.querySelector('[data-name=Failed] a').click()")
    seen.until("document.querySelectorAll('.tile').length === 2")
    names = seen.script("return [...document.querySelectorAll('.tile .name')].map((e) => e.innerText)")
    seen.script("[...document.querySelectorAll('.tile a')].find((e) => e.innerText.includes('text.jpg')).click()")
    seen.until("document.querySelector('.path')?.innerText === 'text.jpg'")
    seen.script("document.querySelector('form[action=\"/retry\"] button').click()")
    said = seen.until("document.querySelector('.said:not([hidden])')?.innerText")

    assert "Another try for 1 file." == said
    assert "\\u202egpj.<img src=x onerror=alert(1)>.jpg" in names
    assert "/files/" in seen.driver.current_url
    assert [] == seen.complaints()


def test_what_changes_is_seen_at_once_and_a_hidden_tab_asks_nothing(desk: Desk) -> None:
    """By a hint of the daemon, with the focus where it was; the stream ends while nobody looks."""
    seen, hints = desk.seen, desk.rig.application.hints
    seen.open("/")
    seen.until(lambda: hints.streams == 1)
    seen.script("[...document.querySelectorAll('button')].find((e) => e.innerText === 'Pause all').focus()")
    desk.portal.call(desk.rig.set_aside, "later.jpg", ItemState.WAITING, "BUSY", "it is open")
    seen.until("document.body.innerText.includes('It is open')")
    focused = seen.focused
    shown = seen.driver.current_window_handle
    seen.driver.switch_to.new_window("tab")
    seen.until(lambda: hints.streams == 0, "the stream of the hidden tab ends")
    seen.driver.close()
    seen.driver.switch_to.window(shown)
    seen.until(lambda: hints.streams == 1, "it begins anew")

    assert "Pause all rules" == focused


def test_a_daemon_that_does_not_answer_is_unmistakable(desk: Desk) -> None:
    """Within ten seconds what is shown is called old, and it is taken back when the daemon answers again."""
    seen = desk.seen
    seen.open("/")
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    seen.driver.execute_cdp_cmd("Network.enable", {})
    seen.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**conditions, "offline": True})
    seen.until("!document.getElementById('dead').hidden && document.title.includes('no answer')")
    seen.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**conditions, "offline": False})
    seen.script("document.dispatchEvent(new Event('visibilitychange'))")
    seen.until("document.getElementById('dead').hidden && document.title.startsWith('runflowd: ')")


AHEAD = "const real = Date.now; window.ahead = 0; Date.now = () => real() + window.ahead"
"""Lets the clock of a screen be set forward, by seconds that nobody has to wait for."""


def test_a_daemon_of_which_nothing_is_heard_is_called_dead_by_the_clock(desk: Desk) -> None:
    """Within ten seconds, even if no request ever ends: the deadline is the screen's own."""
    seen = desk.seen
    seen.open("/")
    seen.until("document.getElementById('beat').innerText === 'live'")
    seen.script(AHEAD)
    seen.script("XMLHttpRequest.prototype.send = () => { window.asked = (window.asked ?? 0) + 1; }")
    seen.script("window.ahead += 5000")
    seen.until("window.asked")
    early = seen.script("return document.getElementById('dead').hidden")
    seen.script("window.ahead += 4000")
    seen.until("!document.getElementById('dead').hidden")

    assert early


def test_a_machine_that_has_slept_calls_no_daemon_dead(desk: Desk) -> None:
    """It asks at once, and what it is answered counts."""
    seen = desk.seen
    seen.open("/")
    seen.until("document.getElementById('beat').innerText === 'live'")
    seen.script(
        "const bar = document.getElementById('dead'); window.died = false;"
        "new MutationObserver(() => { window.died ||= !bar.hidden; }).observe(bar, {attributes: true})"
    )
    seen.script("document.addEventListener('htmx:afterRequest', () => { window.answered = true; })")
    seen.script(AHEAD)
    seen.script("window.ahead += 3600000")
    seen.until("window.answered")

    assert seen.script("return window.died") is False


def test_a_person_logs_in_and_is_asked_again_when_the_session_has_ended(desk: Desk, tmp_path: Path) -> None:
    """By the form, as a keyboard fills it in; a screen that is open leads there by itself."""
    pytest.importorskip("argon2", reason="users need the extra `users`")
    seen, site, users = desk.seen, desk.rig.site, tmp_path / "users"
    users.write_bytes(written([User("anna", Right.SEE, hashed("annas own password"))]))
    users.chmod(0o640)
    without = site.config
    site.config = lambda: replace(without(), access=Access(str(users)))
    try:
        found = {}
        for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
            seen.open("/files?view=list", size=size, scheme=scheme)
            seen.until("location.pathname === '/login'")
            found[size, scheme] = seen.violations()
        seen.press("anna", Keys.TAB, "annas own password", Keys.ENTER)
        seen.until("location.pathname === '/files' && document.querySelector('.user')?.innerText === 'anna'")
        said = seen.complaints()
        users.write_bytes(written([]))
        seen.until("location.pathname === '/login'")
    finally:
        site.config = without

    assert {} == {each: wrong for each, wrong in found.items() if wrong}
    assert [] == said
