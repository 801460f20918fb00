"""The screen on which one file is made again another way: its settings, what one costs, what is left; and the purchase.

What is sent is held against the offer that was shown: where it would cost something else, or is to be had for nothing,
the screen comes again with that, and nothing is bought yet. It works without a script, and keeps what was written.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from runflowd.errors import RunflowdError
from runflowd.store.items import item_by_id
from runflowd.web import screen
from runflowd.web.flash import flash
from runflowd.web.formatting import plain_sentences
from runflowd.web.forms import ensure_ours, field, parsed_form
from runflowd.web.redo_view import AGREED, REFUSED, agreement, answer_to, redo_page
from runflowd.web.refusal import Refused
from runflowd.web.rights import visitor

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.store.items import Item
    from runflowd.web.forms import Form
    from runflowd.web.page_state import PageState

SETTING = "set."
"""What the names of fields begin with that are settings."""

GONE = "It was not done: the file is not as it was on this screen. Look at how it stands now."

STALE = (
    "The daemon was restarted since this page was loaded, so nothing was done. What was written is still here: look at "
    "it and at the price, and press the button again."
)


class RedoScreen:
    """Shows the form, and carries it out."""

    def __init__(self, state: PageState) -> None:
        self._state = state

    async def form(self, request: Request) -> Response:
        """GET /files/ITEM/redo: the settings that the file was made with, to be changed."""
        item = await self._item(request)
        try:
            offer = await self._offer(request, item, {}, forget=False)
        except RunflowdError as refused:
            raise Refused(str(refused), 409, back=f"/files/{item.id}") from refused
        return await self._shown(request, item, offer, {}, "", 200)

    async def carry_out(self, request: Request) -> Response:
        """POST /files/ITEM/redo: have it made with these settings, for the price that was agreed to."""
        form, item = await parsed_form(request), await self._item(request)
        try:
            ensure_ours(request, form)
        except Refused as refused:
            if not refused.stale:
                raise
            return await self._again(request, item, _given(form), STALE)
        return await self._carried_out(request, item, form)

    async def _carried_out(self, request: Request, item: Item, form: Form) -> Response:
        given = _given(form)
        try:
            offer = await self._offer(request, item, given, forget=True)
        except RunflowdError as refused:
            return await self._again(request, item, given, plain_sentences(str(refused)))
        [found] = offer["items"]
        if found["what"] in REFUSED:
            return await self._shown(request, item, offer, given, REFUSED[found["what"]], 409)
        if field(form, "agreed") != agreement(offer):
            return await self._shown(request, item, offer, given, AGREED[found["what"]], 409)
        asked = {"items": [{name: found[name] for name in ("id", "reference", "settings")}]}
        try:
            marked = (await self._state.commands("rerun", asked, visitor(request).who))["marked"]
        except RunflowdError as refused:
            return await self._again(request, item, given, str(refused))
        if not marked:
            return await self._again(request, item, given, GONE)
        message = flash(answer_to(found), visitor(request).token)
        return RedirectResponse(screen.address(f"/files/{item.id}", "", **message), 303)

    async def _item(self, request: Request) -> Item:
        number = request.path_params["item"]
        read = partial(item_by_id, number=number)
        item = await self._state.context.store.read(read) if number < 1 << 63 else None
        if item is None:
            raise Refused("There is no such file on record.", 404, back="/files")
        return item

    async def _offer(self, request: Request, item: Item, given: dict[str, str], *, forget: bool) -> dict[str, Any]:
        asked = {"rule": item.rule, "item": item.id, "settings": given, "forget": forget}
        return await self._state.commands("rerun-with", asked, visitor(request).who)

    async def _again(self, request: Request, item: Item, given: dict[str, str], sentence: str) -> Response:
        """The form as it was sent, with what is wrong; the offer is that of the file as it is."""
        try:
            offer = await self._offer(request, item, {}, forget=False)
        except RunflowdError as refused:
            raise Refused(str(refused), 409, back=f"/files/{item.id}") from refused
        return await self._shown(request, item, offer, given, sentence, 409)

    async def _shown(
        self, request: Request, item: Item, offer: dict[str, Any], given: dict[str, str], sentence: str, status: int
    ) -> Response:
        page = redo_page(item, offer, given, sentence)
        found = await screen.answer(request, "redo.html", screen="Files", page=page)
        found.status_code = status
        return found


def _given(form: Form) -> dict[str, str]:
    """The settings of a form; one that is left empty is as the rule says. Browsers end lines with two characters."""
    return {
        name.removeprefix(SETTING): values[0].replace("\r\n", "\n")
        for name, values in form.items()
        if name.startswith(SETTING)
    }
