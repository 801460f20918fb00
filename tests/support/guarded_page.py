"""A page with users, asked by browsers from here and elsewhere, without a socket."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
from web_rig import config_over, site_over

from runflowd.config.snapshot import Access
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Stat
from runflowd.store.arrivals import set_aside
from runflowd.web import passwords
from runflowd.web.app import Application
from runflowd.web.rights import Right
from runflowd.web.users_file import User, written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runflowd.web.page_state import PageState

HERE, ELSEWHERE, PROXY = "127.0.0.1", "203.0.113.5", "10.0.0.5"
SAME = {"Sec-Fetch-Site": "same-origin"}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
PASSWORDS = {"anna": "annas own password", "ben": "bens own password"}
RIGHTS = {"anna": Right.SPEND, "ben": Right.SEE}


@cache
def kept(name: str) -> str:
    """The hash of somebody's password, made once for all tests."""
    return passwords.hashed(PASSWORDS[name])


def write_users(folder: Path, *users: User) -> str:
    """The file of users: Anna, who may spend, Ben, who may see, and Carla, whom only a proxy knows; or these."""
    path = folder / "users"
    usual = (*(User(name, right, kept(name)) for name, right in RIGHTS.items()), User("carla", Right.REVIEW, ""))
    path.write_bytes(written(users or usual))
    path.chmod(0o640)
    return str(path)


class Guarded:
    """A page with users, and browsers that ask it from somewhere."""

    def __init__(self, site: PageState, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.application = Application(site)
        self._asgi = self.application.asgi(guarded=False)

    def browser(self, address: str = HERE, scheme: str = "http") -> httpx.AsyncClient:
        """A browser with cookies of its own."""
        transport = httpx.ASGITransport(self._asgi, client=(address, 5555))
        return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://studio.example", headers=BROWSER)

    async def failed_file(self) -> None:
        """A file on the page that can be tried again, by who may."""
        stat = Stat(1, 1, 1)
        await self.site.context.store.write(
            lambda connection: set_aside(
                connection, "studio", "a.jpg", stat, ItemState.FAILED, "NOT_AN_IMAGE", "this is text", 1e9
            )
        )


@asynccontextmanager
async def guarded(folder: Path, **access: Any) -> AsyncIterator[Guarded]:
    """The page of a configuration with users."""
    config = config_over(folder, access=Access(**{"users_file": write_users(folder), **access}))
    async with site_over(folder, config) as site:
        yield Guarded(site, folder)


async def log_in(browser: httpx.AsyncClient, name: str, password: str = "", **form: str) -> httpx.Response:
    """Fill in the form and press the button."""
    shown = await browser.get("/login")
    found = re.search(r'name="token" value="([^"]*)"', shown.text)
    data = {"token": found[1] if found else "", "name": name, "password": password or PASSWORDS[name], **form}
    return await browser.post("/login", data=data, headers=SAME)


def tokens(html: str) -> dict[str, str]:
    """The hidden fields of the last form of a page."""
    return dict(re.findall(r'name="(token|reference|rule|code)" value="([^"]*)"', html))
