"""The screens. Each handler asks for the facts, and gives them to a pure function that words them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from runflowd.core.receipt import Ended
from runflowd.core.review import Review
from runflowd.errors import RunflowdError
from runflowd.store.browsing import newer, older
from runflowd.store.items import item_by_id
from runflowd.store.listing import rules_with_items
from runflowd.store.outputs import outputs_of
from runflowd.store.receipts import draw, receipt_of
from runflowd.web import screen
from runflowd.web.file_filter import filter_from
from runflowd.web.file_view import Neighbours, file_page
from runflowd.web.files_view import PAGE, files_page
from runflowd.web.limit_rows import limit_rows
from runflowd.web.page import view
from runflowd.web.refusal import Refused
from runflowd.web.rights import Right, visitor
from runflowd.web.spend_view import GROUPINGS, SPANS, spend_page

if TYPE_CHECKING:
    from datetime import tzinfo

    from starlette.requests import Request
    from starlette.responses import HTMLResponse

    from runflowd.store import Connection
    from runflowd.store.browsing import Sheet, Sought
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output
    from runflowd.web.page_state import PageState
    from runflowd.web.previews import Previews

    Outputs = dict[int, list[Output]]


class Screens:
    """Now, Files, one file, Spend."""

    def __init__(self, state: PageState, previews: Previews) -> None:
        self._state = state
        self._previews = previews

    async def now(self, request: Request) -> Response:
        """GET /: how things stand."""
        context = self._state.context
        pace = context.service.api.pace()
        shown = view(await self._state.status(grouped=True), self._state.unready(), set(context.rules), pace)
        return await self._answer(request, "now.html", screen="Now", page=shown)

    async def files(self, request: Request) -> Response:
        """GET /files: what the query of the address asks for, the latest first."""
        wanted = filter_from(request.scope["query_string"])
        zone = self._zone()
        sought = wanted.sought(zone)
        sheet, outputs = await self._state.context.store.read(
            partial(_sheet, sought=sought, before=wanted.start, limit=PAGE)
        )
        rules = await self._state.context.store.read(rules_with_items)
        names = sorted({*rules, *self._state.context.rules})
        now = self._state.context.clock.wall()
        page = files_page(wanted, sheet, outputs, names, zone, now, previews=self._previews.on)
        return await self._answer(request, "files.html", screen="Files", page=page)

    async def file(self, request: Request) -> Response:
        """GET /files/ITEM: one file; the query says in which list its neighbours are."""
        wanted = filter_from(request.scope["query_string"])
        sought = wanted.sought(self._zone())
        number = request.path_params["item"]
        found = await self._state.context.store.read(partial(_around, number=number, sought=sought))
        if found is None:
            raise _unknown()
        item, around = found
        versions = (await self._state.commands("logs", {"item": item.id}, visitor(request).who))["versions"]
        if not versions:
            raise _unknown()
        in_force = item.rule in self._state.context.rules
        page = file_page(
            *(wanted, item, around.outputs[item.id], around, versions[0], self._zone()),
            in_force=in_force,
            previews=self._previews.on,
        )
        return await self._answer(request, "file.html", screen="Files", page=page)

    async def receipt(self, request: Request) -> Response:
        """GET /files/ITEM/receipt.json: what the file cost and how its result came about, as of now."""

        def read(connection: Connection) -> bytes | None:
            item = _item(connection, request.path_params["item"])
            if item is None or not item.snapshot or item.input is None:
                return None
            # Without one that was written, the outputs on record say what was delivered.
            ended = None if receipt_of(connection, item) else Ended(item.state, item.failure_code, item.failure)
            return draw(connection, item, ended).data

        data = await self._state.context.store.read(read)
        if data is None:
            raise _unknown()
        return Response(data, media_type="application/json", headers={"content-disposition": "attachment"})

    async def spend(self, request: Request) -> Response:
        """GET /spend: `span` is one of `SPANS`; else `since` and `until` are days, or spans such as 7d."""
        asked = request.query_params
        since, until = asked.get("since", ""), asked.get("until", "")
        chosen = "" if since or until else asked.get("span", "30d")
        span = SPANS.get(chosen, ("", since))[1]
        parameters = {name: value for name, value in (("since", span), ("until", until)) if value}
        try:
            reports = {
                by: await self._state.commands("spend", {"by": by, **parameters}, visitor(request).who)
                for by in GROUPINGS
            }
        except RunflowdError as error:
            raise Refused(str(error), 400, back="/spend") from error
        page = spend_page(chosen, since, until, reports, list(limit_rows(await self._state.status(grouped=True))))
        return await self._answer(request, "spend.html", screen="Spend", page=page)

    async def _answer(self, request: Request, template: str, **values: Any) -> HTMLResponse:
        """A screen, with a field for why a result was rejected where its address asks for that."""
        return await screen.answer(request, template, why=await self._asked_why(request), **values)

    async def _asked_why(self, request: Request) -> Item | None:
        number = request.query_params.get("why", "")
        if visitor(request).right < Right.REVIEW or not re.fullmatch("[1-9][0-9]{0,17}", number, re.ASCII):
            return None
        item = await self._state.context.store.read(partial(_item, number=int(number)))
        return item if item is not None and item.review is Review.REJECTED else None

    def _zone(self) -> tzinfo | None:
        return self._state.config().money.zone


def _unknown() -> Refused:
    return Refused("There is no such file on record.", 404, back="/files")


def _item(connection: Connection, number: int) -> Item | None:
    return item_by_id(connection, number) if number < 1 << 63 else None


def _sheet(connection: Connection, sought: Sought, before: int | None, limit: int) -> tuple[Sheet, Outputs]:
    sheet = older(connection, sought, before, limit)
    return sheet, {item.id: outputs_of(connection, item.id) for item in sheet.items}


def _around(connection: Connection, number: int, sought: Sought) -> tuple[Item, Neighbours] | None:
    item = _item(connection, number)
    if item is None:
        return None
    behind = older(connection, sought, item.id, 1).items
    before = newer(connection, sought, item)
    shown = [each for each in (item, before, *behind) if each is not None]
    outputs = {each.id: outputs_of(connection, each.id) for each in shown}
    return item, Neighbours(before, behind[0] if behind else None, outputs)
