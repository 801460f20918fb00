"""A screen that stood open while the daemon was restarted, or was away, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal
from browser import MISSING, Browser, browser
from pictures import encoded, noise
from shown_files import done, to_review
from web_rig import config_over, web

from runflowd.config.essentials import Listen
from runflowd.config.snapshot import Access
from runflowd.core.review import Review
from runflowd.store.items import item_by_id
from runflowd.store.verdicts import verdicts_of
from runflowd.web.passwords import hashed
from runflowd.web.rights import Right
from runflowd.web.users_file import User, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio.from_thread import BlockingPortal
    from web_rig import Web

    from runflowd.store import Connection
    from runflowd.store.items import Item

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason=MISSING.format("selenium")).Keys

pytestmark = pytest.mark.timeout(240)

PILL = "document.querySelector('#verdict .pill').innerText"
NOTICE = "document.getElementById('notice').innerText"


class Restarted:
    """A daemon's page that can be taken away and comes back at the same address, with two results that wait."""

    def __init__(self, folder: Path, portal: BlockingPortal, seen: Browser) -> None:
        self._folder = folder
        self._portal = portal
        self.seen = seen
        self._port = 0
        self._running: Any = None
        self.rig: Web
        self.users = ""
        self.start()
        self.items = [portal.call(self._waiting, number) for number in range(2)]

    def start(self) -> None:
        """The daemon runs; in each life it has tokens of its own."""
        listen = Listen("127.0.0.1", self._port)
        config = config_over(self._folder, access=Access(self.users)) if self.users else None
        self._running = self._portal.wrap_async_context_manager(web(self._folder, config=config, listen=listen))
        self.rig = self._running.__enter__()
        self._port = self.rig.port
        self.seen.base = f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        """It is away."""
        self._running.__exit__(None, None, None)
        self._running = None

    def begin_anew(self) -> None:
        """Whatever an earlier test left: it runs, asks nobody who they are, and both results wait."""
        if self._running and self.users:
            self.stop()
        self.users = ""
        if not self._running:
            self.start()
        self._portal.call(self.rig.context.store.write, _wait_again)
        self.open()
        self.seen.script("sessionStorage.clear()")

    def restart(self) -> None:
        """It comes back at once; nobody is logged in any more."""
        self.stop()
        self.start()

    def add_user(self) -> None:
        """From its next life on Anna has to say who she is."""
        users = self._folder / "users"
        users.write_bytes(written([User("anna", Right.SPEND, hashed("annas own password"))]))
        users.chmod(0o640)
        self.users = str(users)

    def log_in(self) -> None:
        """Wait until the screen leads to the login by itself, and do as it asks."""
        self.seen.until("location.pathname === '/login' && document.readyState === 'complete'")
        self.seen.press("anna", Keys.TAB, "annas own password", Keys.ENTER)
        self.seen.until("location.pathname !== '/login' && document.readyState === 'complete'")

    def open(self) -> None:
        """Look at the one that came last."""
        self.seen.open(f"/files/{self.items[1]}?state=To+review")
        self.seen.until("document.readyState === 'complete'")
        self.seen.script("window.stayed = true")

    async def _waiting(self, number: int) -> int:
        photo = encoded(noise(16 + number), "JPEG")
        item = await done(self.rig.context, f"{number}.jpg", photo, (f"{number}.jpg", photo), at=1e9)
        await to_review(self.rig.context, item)
        return item

    def review(self) -> Review:
        """How the result that is looked at stands on record."""
        return self.item().review

    def item(self) -> Item:
        """Its item."""
        found = self._portal.call(self.rig.context.store.read, lambda connection: item_by_id(connection, self.items[1]))
        assert found is not None
        return found

    def reasons(self) -> list[str]:
        """What was said of it."""
        read = self.rig.context.store.read
        return [
            each.reason for each in self._portal.call(read, lambda connection: verdicts_of(connection, self.items[1]))
        ]


def _wait_again(connection: Connection) -> None:
    connection.raw.execute("UPDATE item SET review = 'waiting', rerun_requested = 0")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    """One browser and one page for all of these tests."""
    with browser() as driver, start_blocking_portal() as portal:
        made = Restarted(tmp_path_factory.mktemp("restarted"), portal, Browser(driver, ""))
        yield made
        made.stop()


@pytest.fixture
def table(page: Restarted) -> Restarted:
    """As each of them finds it, in whatever order they come."""
    page.begin_anew()
    return page


def test_a_key_works_after_a_restart_as_before(table: Restarted) -> None:
    """Though the screen is of the daemon's earlier life: what it offers is still there."""
    table.stop()
    table.start()
    table.seen.press("r")
    table.seen.until(f"location.pathname === '/files/{table.items[0]}' && document.readyState === 'complete'")
    rejected = table.review()
    table.seen.press("u")
    table.seen.until(lambda: table.review() is Review.WAITING)

    assert Review.REJECTED is rejected


def test_a_key_while_the_daemon_is_away_leaves_the_screen_as_it_was(table: Restarted) -> None:
    """It says so, shows no verdict that is not on record, and works once there is a daemon again."""
    table.stop()
    table.seen.press("a")
    table.seen.until(f"{NOTICE}.includes('The daemon does not answer')")
    shown = table.seen.script(f"return [window.stayed, {PILL}]")
    table.start()
    table.seen.press("a")
    table.seen.until(lambda: table.review() is Review.ACCEPTED)

    assert [True, "To review"] == shown


@pytest.mark.parametrize("away", [True, False], ids=["away", "restarted"])
def test_any_button_stays_on_its_screen(table: Restarted, away: bool) -> None:
    """Such as that which pauses all; after a restart it works."""
    table.seen.open("/")
    table.seen.until("document.readyState === 'complete'")
    table.stop()
    if not away:
        table.start()
    table.seen.script("window.stayed = true; document.querySelector('form[action=\"/pause\"] button').click()")
    if away:
        table.seen.until(f"{NOTICE}.includes('The daemon does not answer')")
        stayed = table.seen.script("return window.stayed")
        table.start()
    else:
        table.seen.until("document.querySelector('p.said')?.innerText === 'Paused.'")
        stayed = True

    assert stayed


def test_what_the_new_screen_does_not_offer_is_not_done(table: Restarted) -> None:
    """Another state file may know another file by the same number; a person looks again before they judge."""
    table.seen.script("document.querySelector('h1.path').textContent = 'another.jpg'")
    table.stop()
    table.start()
    before = table.review()
    table.seen.press("r")
    table.seen.until(f"{NOTICE}.includes('this screen has changed since')")

    assert (True, before) == (table.seen.script("return window.stayed"), table.review())


def test_a_reason_that_is_being_written_is_added_after_a_restart(table: Restarted) -> None:
    """The field is for a result that stands rejected, whoever asks; the old screen's button works."""
    table.seen.press("r")
    table.seen.until("document.getElementById('reason')")
    table.seen.press("w", "blurred")
    table.restart()
    table.seen.press(Keys.ENTER)
    table.seen.until(lambda: "blurred" in table.reasons())


def test_what_was_typed_is_there_again_after_logging_in(table: Restarted) -> None:
    """A reason, a filter and a prompt: at the same address, for the same person, and they work; then they are gone."""
    pytest.importorskip("argon2", reason="users need the extra `users`")
    seen = table.seen
    seen.press("r")
    seen.until(lambda: table.review() is Review.REJECTED)
    table.add_user()
    table.restart()
    seen.open(f"/files/{table.items[0]}?state=To+review&why={table.items[1]}")
    table.log_in()
    seen.press("w", "and dark")
    table.restart()
    table.log_in()
    seen.press("w", Keys.ENTER)
    seen.until(lambda: "and dark" in table.reasons())

    seen.open("/files")
    seen.script("document.getElementById('filter-name').focus()")
    table.stop()
    seen.press("1.j")
    table.start()
    table.log_in()
    seen.until("document.querySelectorAll('.tile').length === 1 && location.search.includes('name=1.j')")

    seen.open(f"/files/{table.items[1]}/redo")
    seen.script("document.activeElement.select()")
    seen.press("another")
    table.stop()
    seen.until("!document.getElementById('dead').hidden")
    table.start()
    table.log_in()
    kept = seen.script("return [location.pathname, document.activeElement.value]")
    seen.press(Keys.TAB, Keys.ENTER)
    seen.until(lambda: table.item().rerun_requested)
    seen.until(f"location.pathname === '/files/{table.items[1]}' && document.readyState === 'complete'")

    assert [f"/files/{table.items[1]}/redo", "another"] == kept
    assert {"image_url": "another"} == dict(table.item().rerun_settings.values)
    assert seen.script("return sessionStorage.getItem('runflowd.typed')") is None
