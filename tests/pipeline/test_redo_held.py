"""A file that is made again on the page while something keeps purchases back: what is said, and what is bought."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from stage_rig import rule, running

from runflowd.config import Config, Service
from runflowd.control.carrying_out import Commands
from runflowd.core.approval_policy import ApprovalPolicy
from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.core.money import Budget, Money, RuleMoney
from runflowd.local.models.contract import InputSpec
from runflowd.web.app import Application
from runflowd.web.page_state import PageState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

PRICE = Decimal("0.08")
SAME = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


def priced(**limits: Any) -> Money:
    """Files of the rule cost eight cents; beside that, what `limits` says."""
    approve = limits.pop("approve", ApprovalPolicy())
    return Money(budget=Budget(**limits), rules={"studio": RuleMoney(price=PRICE, approve=approve)})


def words(html: str) -> str:
    """What a person reads of a screen."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.partition("<main")[2])).split())


class Page:
    """The page of a running pipeline, with a person before it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        context = rig.engine.context
        self._state = PageState(context, self._config, lambda: True, Commands(context, self._config, dict))
        app = Application(self._state).asgi(guarded=False)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5555))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=SAME)

    def _config(self) -> Config:
        context = self.rig.engine.context
        return Config((), "", Service("test"), tuple(context.rules.values()), money=context.money)

    async def words(self, path: str) -> str:
        """What a person reads on a screen."""
        return words((await self.http.get(path)).text)

    async def redo(self, item: int, prompt: str) -> tuple[str, str]:
        """Open the form, write a prompt, press the button; the words of the form, and of the screen that follows."""
        path = f"/files/{item}/redo"
        form = await self.http.get(path)
        fields = dict(
            re.findall(r'name="(token|back|agreed)" value="([^"]*)"', form.text.partition('id="redo-form"')[2])
        )
        answer = await self.http.post(path, data={**fields, "set.prompt": prompt})
        return words(form.text), await self.words(answer.headers.get("location", path))

    async def standing(self) -> tuple[ItemState, str]:
        """How the file stands, and the words of its own screen."""
        [item] = [each for each in await self.rig.items() if each.current]
        return item.state, await self.words(f"/files/{item.id}")


def spend_up(rig: Rig) -> Callable[[], Awaitable[None]]:
    """The day's limit has no room for one more."""
    rig.engine.context.money = priced(per_day=Decimal("0.05"))
    return _edited(rig, priced(per_day=Decimal(5)))


def ask_first(rig: Rig) -> Callable[[], Awaitable[None]]:
    """Every file waits for an approval."""
    rig.engine.context.money = priced(approve=ApprovalPolicy(first=0))

    async def approve() -> None:
        await rig.ask("approve", rule="studio", files=1)

    return approve


def run_out_of_credit(rig: Rig) -> Callable[[], Awaitable[None]]:
    """The service answers 402."""
    rig.engine.context.money = priced()
    rig.switch(faults={"requests": [{"route": "POST /v1/models/*", "kind": "status", "status": 402, "count": None}]})

    async def pay() -> None:
        rig.switch(faults={})

    return pay


def _edited(rig: Rig, money: Money) -> Callable[[], Awaitable[None]]:
    async def edit() -> None:
        rig.engine.context.money = money

    return edit


@pytest.mark.promise
@pytest.mark.parametrize(
    ("holds", "said", "where"),
    [
        (spend_up, "money.budget.per_day has no room for it", "raise money.budget.per_day"),
        (ask_first, "rules.studio.approve.first is 0", "runflowd approve studio"),
        (run_out_of_credit, "It is made again", "Top up the balance"),
    ],
)
async def test_what_is_held_says_so_and_is_bought_once_when_nothing_holds_it(
    tmp_path: Path, holds: Callable[[Rig], Callable[[], Awaitable[None]]], said: str, where: str
) -> None:
    """The price before; after the press by what it is held, and on its screen where that is lifted."""
    prompted = rule(tmp_path, input={"image_url": "${file.url}", "prompt": "grey"}, rescan=300.0)
    async with running(tmp_path, prompted) as rig:
        inputs = (InputSpec("image_url", "image", required=True), InputSpec("prompt", "string"))
        object.__setattr__(rig.local.service.models["runflow/pass-through"], "inputs", inputs)
        rig.drop("a.jpg")
        await rig.settled(1)
        lift, page = holds(rig), Page(rig)
        form, told = await page.redo(1, "blue")
        await page.redo(1, "blue")
        await anyio.sleep(60)
        waiting, screen = await page.standing()
        bought = rig.charged()
        await lift()
        rig.engine.context.stage_events.notify_all()
        await rig.settled(1)
        await anyio.sleep(60)

        assert "It costs $0.08, as its rule says." in form
        assert (True, True) == (where in screen, said in told)
        assert (True, [1]) == (waiting in IN_FLIGHT, bought)
        assert ({"a.jpg": ItemState.DONE}, [1, 1]) == (await rig.states(), rig.charged())
