"""Whoever is refused, for whatever reason: a person gets a screen, our script a reason, a program a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import anyio
import pytest
from guarded_page import ELSEWHERE, SAME, Guarded, guarded, log_in, tokens, write_users

from runflowd.web import hints
from runflowd.web.actions import ACTIONS
from runflowd.web.rights import Right
from runflowd.web.users_file import User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

pytest.importorskip("argon2", reason="users need the extra `users`")
pytestmark = pytest.mark.anyio

SCRIPT, PROGRAM = {"Accept": "application/json"}, {"Accept": "*/*"}
BACK = "/files?state=Failed"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A page with users."""
    async with guarded(tmp_path) as made:
        yield made


class Cause(NamedTuple):
    """Why something is refused: who presses, with which changes, and what they get."""

    user: str
    form: dict[str, str]
    headers: dict[str, str]
    status: int
    said: str


CAUSES = {
    "an old token": Cause("anna", {"token": "of an earlier life"}, SAME, 403, "The daemon was restarted"),
    "a foreign page": Cause("anna", {}, {"Sec-Fetch-Site": "cross-site"}, 403, "not sent by a page of runflowd"),
    "no right": Cause("ben", {}, SAME, 403, "ben may not do this"),
    "no session": Cause("", {}, SAME, 401, "not logged in, or not any more"),
    "a huge form": Cause("anna", {"reason": "x" * 80_000}, SAME, 413, "too large"),
}


async def pressed(page: Guarded, cause: Cause, action: str, headers: dict[str, str]) -> httpx.Response:
    """What somebody gets who presses a button that they may not."""
    await page.failed_file()
    async with page.browser() as browser:
        if cause.user:
            await log_in(browser, cause.user)
        form = tokens((await browser.get("/")).text) | {"back": BACK} | cause.form
        return await browser.post(f"/{action}", data=form, headers={**headers, **cause.headers})


@pytest.mark.parametrize("name", CAUSES)
async def test_a_person_gets_a_screen_that_leads_on(page: Guarded, name: str) -> None:
    """Back to where it was pressed, or to the form and then back; never bare text at the address of a button."""
    cause = CAUSES[name]
    answer = await pressed(page, cause, "retry", {})
    lost = cause.status == 413
    on = {401: "/login?to=/files%3Fstate%3DFailed"}.get(cause.status, "/" if lost else BACK)

    assert (cause.status, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert (True, True) == (cause.said in answer.text, f'<a href="{on}">' in answer.text)


@pytest.mark.parametrize("name", CAUSES)
async def test_our_script_is_told_why_and_whether_to_try_again(page: Guarded, name: str) -> None:
    """It stays on its screen and says so there."""
    cause = CAUSES[name]
    answer = await pressed(page, cause, "retry", SCRIPT)
    told = answer.json()

    assert (cause.status, True) == (answer.status_code, cause.said in told["said"])
    assert (name == "an old token") == told["stale"]


@pytest.mark.parametrize("action", [*ACTIONS, "logout"])
@pytest.mark.parametrize("headers", [SCRIPT, {}], ids=["script", "person"])
async def test_every_button_is_refused_alike(page: Guarded, action: str, headers: dict[str, str]) -> None:
    """With an old token, as after a restart."""
    cause = CAUSES["an old token"]
    answer = await pressed(page, cause, action, headers)

    assert (403, True) == (answer.status_code, cause.said in answer.text)
    assert "text/plain" not in answer.headers["content-type"]


async def test_a_program_gets_a_line_of_text(page: Guarded) -> None:
    """As it can do nothing with a screen."""
    answer = await pressed(page, CAUSES["an old token"], "retry", PROGRAM)

    assert (403, "text/plain; charset=utf-8", 1) == (
        answer.status_code,
        answer.headers["content-type"],
        answer.text.count("\n"),
    )


async def test_who_may_not_see_the_page_is_shown_nothing_of_it(page: Guarded) -> None:
    """Neither its screens nor its version, whatever they ask for."""
    async with page.browser() as nobody, page.browser(ELSEWHERE) as stranger:
        answers = [await nobody.get("/nowhere"), await nobody.get("/retry"), await stranger.get("/")]

    assert [404, 405, 403] == [answer.status_code for answer in answers]
    assert [] == [answer.text for answer in answers if "<nav" in answer.text or "runflowd 0" in answer.text]
    assert {"text/html; charset=utf-8"} == {answer.headers["content-type"] for answer in answers}


async def test_the_form_to_log_in_outlives_a_restart(page: Guarded) -> None:
    """Whoever filled in one of the earlier life sees it again with what they wrote, and is let in by the second try."""
    async with page.browser() as browser:
        filled = {"token": "of an earlier life", "name": "anna", "password": "annas own password", "to": "/spend"}
        again = await browser.post("/login", data=filled, headers=SAME)
        entered = await log_in(browser, "anna", to="/spend")

    assert (403, True) == (again.status_code, 'value="anna"' in again.text and 'value="/spend"' in again.text)
    assert (303, "/spend") == (entered.status_code, entered.headers["location"])


async def test_a_part_of_a_screen_that_needs_a_session_leads_back_to_its_screen(page: Guarded) -> None:
    """The session ended while it was looked at."""
    async with page.browser() as browser:
        shown = {"Sec-Fetch-Mode": "cors", "HX-Current-URL": "http://studio.example/files?state=Done", "Accept": "*/*"}
        answer = await browser.get("/files?state=Done", headers=shown)

    assert (401, "/login?to=/files%3Fstate%3DDone") == (answer.status_code, answer.headers["hx-redirect"])


async def test_a_moments_wrong_mode_lets_nobody_in_and_logs_nobody_out(page: Guarded) -> None:
    """Such as that of an editor that writes another file; who was logged in goes on when it is mended."""
    async with page.browser() as browser:
        await log_in(browser, "anna")
        (page.folder / "users").chmod(0o644)
        meanwhile = await browser.get("/")
        (page.folder / "users").chmod(0o640)
        after = await browser.get("/")

    assert (303, 200) == (meanwhile.status_code, after.status_code)


@pytest.mark.parametrize(
    "users", [(User("ben", Right.SEE, ""),), (User("anna", Right.SEE, "-"),)], ids=["removed", "changed"]
)
async def test_the_stream_of_who_is_not_let_in_any_more_ends(
    page: Guarded, users: tuple[User, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds, though nothing else happens; they had it from when they were let in."""
    monkeypatch.setattr(hints, "KEEP_ALIVE", 0.01)
    got: list[httpx.Response] = []
    async with page.browser() as browser, anyio.create_task_group() as group:
        await log_in(browser, "anna")

        async def listen() -> None:
            got.append(await browser.get("/events"))  # comes to its end only with the stream

        group.start_soon(listen)
        with anyio.fail_after(30):
            while not page.application.hints.streams:
                await anyio.sleep(0.01)
            write_users(page.folder, *users)
            while page.application.hints.streams:
                await anyio.sleep(0.01)

    assert [200] == [answer.status_code for answer in got]


async def test_what_is_no_file_on_record_is_said_on_a_screen(page: Guarded) -> None:
    """Such as by a link that somebody kept."""
    async with page.browser() as browser:
        await log_in(browser, "anna")
        await page.failed_file()
        answers = [await browser.get(path) for path in ("/files/7", "/files/7/receipt.json", "/files/1/input/0")]

    assert {(404, True)} == {(answer.status_code, '<a href="/files">Back' in answer.text) for answer in answers}
