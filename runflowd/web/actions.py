"""What people can do on the screens: each button is a command of runflowd, with what it was pressed for."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from runflowd.errors import RunflowdError
from runflowd.web.file_filter import TO_REVIEW, filter_from
from runflowd.web.flash import Outcome, flash, offer
from runflowd.web.forms import field, led, read_form, way_back
from runflowd.web.rights import Right, visitor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.web.forms import Form
    from runflowd.web.page_state import PageState

    Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    Action = Callable[[Form, Ask], Awaitable[int | str | Outcome]]

NOT_TRIED = frozenset({"charged", "refused"})
"""What `retry` says of a file that it left as it is."""

_NO_RERUN = {
    "same": "The rule has not changed since this file was bought: to run it again would bring the same.",
    "gone": "It is not done any more, or its source is gone. Look at how it stands now.",
}


MAX_REASON = 500
"""Letters of the reason of a verdict."""


class Undone(RunflowdError):
    """There was nothing to do; the sentence says why."""


class BadForm(RunflowdError):
    """A form that no screen has."""

    def __init__(self) -> None:
        super().__init__("That is no form of this page. Reload the page and try again.")


async def _pause(form: Form, ask: Ask) -> int:
    await ask("pause", _rules(form) | {"reason": field(form, "reason")})
    return 0


async def _resume(form: Form, ask: Ask) -> int:
    await ask("resume", _rules(form))
    return 0


async def _approve(form: Form, ask: Ask) -> int:
    """Let as many files pass as the screen showed, never more than wait: what came since then waits."""
    asked = {"rule": field(form, "rule"), "files": _number(form, "files"), "waiting_only": True}
    return int((await ask("approve", asked))["passing"])


async def _retry(form: Form, ask: Ask) -> int:
    """One file, or all of a rule that failed for one cause."""
    if field(form, "reference"):
        return await _tried({"reference": field(form, "reference")}, ask)
    if not (field(form, "rule") and field(form, "code")):
        raise BadForm
    return await _tried({"rule": field(form, "rule"), "code": field(form, "code")}, ask)


async def _buy_again(form: Form, ask: Ask) -> int:
    if not field(form, "reference"):
        raise BadForm
    return await _tried({"reference": field(form, "reference"), "buy_again": True}, ask)


async def _tried(asked: dict[str, Any], ask: Ask) -> int:
    """How many files are tried again."""
    found = (await ask("retry", asked))["items"]
    tried = sum(each["what"] not in NOT_TRIED for each in found)
    if not tried:
        raise Undone(f"{found[0]['path']}: {found[0]['words']}")
    return tried


async def _rerun(form: Form, ask: Ask) -> int:
    """One file, if its rule has changed since it was bought."""
    number = _number(form, "item")
    asked = {"rule": field(form, "rule"), "after": number - 1, "limit": 1}
    found = (await ask("rerun-choose", asked))["items"]
    what = found[0]["what"] if found and found[0]["id"] == number else "gone"
    if what != "buy":
        raise Undone(_NO_RERUN.get(what, _NO_RERUN["gone"]))
    item = {"id": number, "reference": field(form, "reference")}
    if not (await ask("rerun", {"items": [item]}))["marked"]:
        raise Undone(_NO_RERUN["gone"])
    return 1


async def _judge(form: Form, ask: Ask, verdict: str) -> int | str | Outcome:
    """Give a verdict on the result of one `item`, or on all that waited in a list with `query`."""
    asked: dict[str, Any] = {"verdict": "reject" if verdict == "reject" else "accept", "undo": verdict == "undo"}
    asked |= {"reason": field(form, "reason")[:MAX_REASON]}
    if field(form, "item"):
        [given] = (await ask("verdict", asked | {"item": _number(form, "item")}))["items"]
        said = _said_of(given, verdict)
        return Outcome(said, why=given["id"]) if verdict == "reject" and not asked["reason"] else said
    asked |= _that_waited(form)
    count, first, last = 0, 0, 0
    while (answer := await ask("verdict", asked | {"everything": True}))["items"]:  # others are served between pages
        count += sum(1 + each["alike"] for each in answer["items"])
        first, last = first or answer["first"], answer["last"]
    return Outcome(count, f"undo-{asked['verdict']}-{first}-{last}" if count else "")


async def _reason(form: Form, ask: Ask) -> str:
    """Say why a result was rejected, once it is."""
    reason = field(form, "reason").strip()[:MAX_REASON]
    if not reason:
        raise Undone("Nothing was written, so no reason was added.")
    asked = {"verdict": "reject", "item": _number(form, "item"), "reason": reason, "still": True}
    [given] = (await ask("verdict", asked))["items"]
    return f"{given['path']}: rejected: {reason}"


async def _undo_all(form: Form, ask: Ask) -> int:
    """Take back what one verdict said of many, as far as nobody has said anything since."""
    if field(form, "verdict") not in {"accept", "reject"}:
        raise BadForm
    asked: dict[str, Any] = {"verdict": field(form, "verdict"), "last": _number(form, "last")}
    count, first = 0, _number(form, "first")
    while first:
        answer = await ask("verdict", asked | {"first": first})
        count += sum(1 + each["alike"] for each in answer["items"])
        first = answer["next"]
    return count


def _said_of(given: dict[str, Any], verdict: str) -> int | str:
    """The number of files, or a sentence for who has to know that another verdict was in force."""
    before = given["before"]
    who = f" by {before['who']}" if before and before["who"] else ""
    if not given["changed"]:
        raise Undone(f"{given['path']}: {before['verdict']}ed already{who}" if before else "It waits already.")
    if verdict == "undo" or (verdict == "accept" and not before):
        return 1 + int(given["alike"])
    others = f", and {given['alike']} with the same result" if given["alike"] else ""
    earlier = f"; {before['verdict']}ed before{who}" if before else ""
    return f"{given['path']}: {verdict}ed{others}{earlier}"


def _that_waited(form: Form) -> dict[str, Any]:
    """What a list of what waits showed, or had on its further pages; what came since then waits."""
    wanted = filter_from(field(form, "query").encode("ascii", "replace"))
    if wanted.state != TO_REVIEW:
        raise BadForm
    span = {name: _number(form, name) for name in ("since", "until")}
    return {"rule": wanted.rule or None, "folder": wanted.folder.strip("/"), "name": wanted.name, **span}


ACTIONS: dict[str, tuple[Action, str]] = {
    "pause": (_pause, "paused"),
    "resume": (_resume, "resumed"),
    "approve": (_approve, "approved"),
    "retry": (_retry, "retried"),
    "buy-again": (_buy_again, "bought"),
    "rerun": (_rerun, "rerun"),
    "accept": (partial(_judge, verdict="accept"), "accepted"),
    "reject": (partial(_judge, verdict="reject"), "rejected"),
    "undo": (partial(_judge, verdict="undo"), "undone"),
    "undo-all": (_undo_all, "undone"),
    "reason": (_reason, "rejected"),
}
"""By the address that the form is sent to: what is done, and the word under which that is said."""


def needed(name: str) -> Right:
    """The right that an action takes."""
    return Right.REVIEW if name in {"accept", "reject", "undo", "undo-all", "reason"} else Right.SPEND


class Actions:
    """Carries out what was pressed."""

    def __init__(self, state: PageState) -> None:
        self._state = state

    async def carry_out(self, request: Request) -> Response:
        """POST /ACTION: only from a page of ours; leads to a screen that says what was done, or why it was not."""
        form = await read_form(request)
        act, did = ACTIONS[request.url.path.removeprefix("/")]
        try:
            done = await act(form, partial(self._state.commands, who=visitor(request).who))
        except RunflowdError as error:
            code = 400 if isinstance(error, BadForm) else 409
            return led(request, way_back(form, **flash(str(error), visitor(request).token)), code)
        token = visitor(request).token
        done, then, why = done if isinstance(done, Outcome) else Outcome(done)
        says = flash(done, token) if isinstance(done, str) else {"did": did, "count": str(done)}
        says |= offer(then, token) if then else {}
        says |= {"why": str(why)} if why else {}
        return led(request, way_back(form, "onward", **says), 200)


def _rules(form: Form) -> dict[str, Any]:
    return {"rules": [field(form, "rule")]} if field(form, "rule") else {"everything": True}


def _number(form: Form, name: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,14}", field(form, name), re.ASCII):
        raise BadForm
    return int(field(form, name))
