"""Who is let in to the page, asked by browsers, programs and strangers from here and elsewhere."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from guarded_page import (
    BROWSER,
    ELSEWHERE,
    HERE,
    PASSWORDS,
    PROXY,
    SAME,
    Guarded,
    guarded,
    kept,
    log_in,
    tokens,
    write_users,
)
from web_rig import config_over, sign, told, web

from runflowd.config.essentials import Listen
from runflowd.config.snapshot import Access
from runflowd.core.login_throttle import TRIES
from runflowd.web import logins, passwords
from runflowd.web.forms import MAX_FORM_BYTES
from runflowd.web.login import destination
from runflowd.web.rights import Right
from runflowd.web.sessions import IDLE, LONGEST, MOST_OF_ONE, Sessions
from runflowd.web.users_file import User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


pytest.importorskip("argon2", reason="users need the extra `users`")
pytestmark = pytest.mark.anyio


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Guarded]:
    """The usual one: users, and no proxy."""
    async with guarded(tmp_path) as made:
        yield made


async def test_a_person_is_led_to_the_form_and_back_to_where_they_wanted_to_go(page: Guarded) -> None:
    """With a cookie that no script reads and no other site sends."""
    async with page.browser() as browser:
        led = await browser.get("/?retried=2")
        entered = await log_in(browser, "anna", to="/?retried=2")
        shown = await browser.get("/")

    assert (303, "/login?to=/%3Fretried%3D2") == (led.status_code, led.headers["location"])
    assert (303, "/?retried=2") == (entered.status_code, entered.headers["location"])
    cookie = entered.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert (200, True) == (shown.status_code, "studio" in shown.text)


async def test_by_https_the_cookie_is_for_https_alone(page: Guarded) -> None:
    """Under a name that browsers take from this host by https only."""
    async with page.browser(ELSEWHERE, "https") as browser:
        entered = await log_in(browser, "anna")

    for cookie in entered.headers.get_list("set-cookie"):
        assert re.match(r"__Host-runflowd(-familiar)?=", cookie)
        assert "Secure" in cookie


@pytest.mark.parametrize("path", ["/", "/status.json", "/metrics"])
async def test_a_stranger_sees_nothing(page: Guarded, path: str) -> None:
    """Neither as a browser nor as a script."""
    async with page.browser() as browser:
        answers = [await browser.get(path), await browser.get(path, headers={"Sec-Fetch-Mode": "cors"})]

    assert [] == [answer for answer in answers if answer.status_code not in {303, 401} or "studio" in answer.text]


async def test_health_and_callbacks_ask_nobody_who_they_are(page: Guarded) -> None:
    """Two words for those who watch over the machine; callbacks prove themselves."""
    body = told(batch_id="b1")
    async with page.browser() as browser:
        health = [(await browser.get(path)).status_code for path in ("/healthz", "/readyz")]
        unsigned = await browser.post("/callbacks/runflow", content=body)
        signed = await browser.post("/callbacks/runflow", content=body, headers=sign(body))

    assert ([200, 200], 401, 204) == (health, unsigned.status_code, signed.status_code)


async def test_who_may_only_see_presses_no_button(page: Guarded) -> None:
    """Also not with the token of their own page."""
    await page.failed_file()
    async with page.browser() as browser:
        await log_in(browser, "ben")
        form = tokens((await browser.get("/")).text)
        answer = await browser.post("/retry", data=form, headers=SAME)

    assert 403 == answer.status_code
    assert "<code>runflowd user change NAME --may spend</code>" in answer.text


async def test_who_may_spend_presses_it_and_is_named_in_the_log(
    page: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log says who it was."""
    await page.failed_file()
    async with page.browser() as browser:
        await log_in(browser, "anna")
        form = tokens((await browser.get("/")).text)
        answer = await browser.post("/retry", data=form, headers=SAME)

    assert 303 == answer.status_code
    assert re.search(r"control\.retry\b.*who=anna", "".join(capsys.readouterr()))


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://studio.example:8080"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/retry", "/approve", "/logout"])
async def test_a_valid_session_does_not_help_a_foreign_page(page: Guarded, path: str, headers: dict[str, str]) -> None:
    """A browser that sent the cookie all the same is not heard, token or not."""
    await page.failed_file()
    async with page.browser() as browser:
        await log_in(browser, "anna")
        form = tokens((await browser.get("/")).text)
        answer = await browser.post(path, data=form, headers=headers)
        still = await browser.get("/")

    assert (403, 200) == (answer.status_code, still.status_code)


async def test_the_token_of_one_session_is_of_no_use_in_another(page: Guarded) -> None:
    """Ben, who may see, cannot lend his to a page that Anna is lured to."""
    await page.failed_file()
    async with page.browser() as anna, page.browser() as ben:
        await log_in(anna, "anna")
        await log_in(ben, "ben")
        form = tokens((await ben.get("/")).text)
        answer = await anna.post("/retry", data=form, headers=SAME)

    assert 403 == answer.status_code


async def test_a_foreign_page_cannot_log_somebody_in(page: Guarded) -> None:
    """Under an attacker's name they would show what they do."""
    async with page.browser() as browser:
        form = tokens((await browser.get("/login")).text)
        data = {**form, "name": "ben", "password": PASSWORDS["ben"]}
        answers = [
            await browser.post("/login", data=data, headers={"Sec-Fetch-Site": "cross-site"}),
            await browser.post("/login", data={**data, "token": "x"}, headers=SAME),
        ]

    assert [403, 403] == [answer.status_code for answer in answers]


async def test_a_session_that_somebody_brings_along_is_never_taken(page: Guarded) -> None:
    """What a thief has set before is worth nothing afterwards (session fixation)."""
    async with page.browser() as browser, page.browser() as thief:
        for each in (browser, thief):
            each.cookies.set("runflowd", "chosen-by-a-thief", domain="studio.example", path="/")
        entered = await log_in(browser, "anna")
        own, stolen = await browser.get("/"), await thief.get("/")

    assert (303, 200, 303) == (entered.status_code, own.status_code, stolen.status_code)
    assert "chosen-by-a-thief" not in entered.headers["set-cookie"]


async def test_logging_out_ends_the_session_here_and_not_just_the_cookie(page: Guarded) -> None:
    """A copy of the cookie opens nothing any more."""
    async with page.browser() as browser, page.browser() as thief:
        await log_in(browser, "anna")
        thief.cookies = browser.cookies
        await page.failed_file()
        before = await thief.get("/")
        form = {"token": tokens(before.text)["token"]}
        left = await browser.post("/logout", data=form, headers=SAME)
        after = await thief.get("/")

    assert (200, 303, 303) == (before.status_code, left.status_code, after.status_code)


@pytest.mark.parametrize(
    "users",
    [
        [User("ben", Right.SEE, "")],
        [User("anna", Right.SEE, "unchanged"), User("ben", Right.SEE, "")],
        [User("anna", Right.SPEND, ""), User("ben", Right.SEE, "")],
    ],
    ids=["removed", "another right", "another password"],
)
async def test_the_session_of_who_was_removed_or_changed_ends(page: Guarded, users: list[User]) -> None:
    """At the next request, without a restart."""
    async with page.browser() as browser:
        await log_in(browser, "anna")
        before = await browser.get("/")
        same = [User(each.name, each.right, kept("anna") if each.password else "") for each in users]
        write_users(page.folder, *same)
        after = await browser.get("/")

    assert (200, 303) == (before.status_code, after.status_code)


async def test_a_file_of_users_that_is_open_to_others_lets_nobody_in(page: Guarded) -> None:
    """Nor does it let everybody in."""
    async with page.browser() as browser:
        await log_in(browser, "anna")
        (page.folder / "users").chmod(0o644)
        shown, entered = await browser.get("/"), await log_in(browser, "anna")

    assert (303, 503) == (shown.status_code, entered.status_code)
    assert "cannot be used" in entered.text


@pytest.mark.parametrize("name", ["nobody", "carla", "an\x1bna", "anna:spend", "\u0430nna", "x" * 2000, ""])
async def test_what_is_wrong_with_name_or_password_is_not_told(
    page: Guarded, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same words for a name that is not there, and one without a password; none of it steers a terminal."""
    async with page.browser() as browser:
        answer = await log_in(browser, name, "some password or other")
        known = await log_in(browser, "anna", "some password or other")

    said = [re.search(r'role="alert">([^<]*)', each.text) for each in (answer, known)]
    assert (401, 401, "Name or password is wrong.") == (answer.status_code, known.status_code, said[1] and said[1][1])
    assert (said[0] and said[0][1]) == "Name or password is wrong."
    logged = "".join(capsys.readouterr())
    assert "\x1bna" not in logged
    assert "some password" not in logged


async def test_an_unknown_name_costs_as_much_work_as_a_wrong_password(
    page: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in hashes: the time would tell who is here."""
    looked: list[str] = []
    real = passwords._hasher().verify

    class Counting:
        @staticmethod
        def hash(_: str) -> str:
            return kept("ben")

        @staticmethod
        def verify(hashed: str, password: str) -> bool:
            looked.append(hashed.rpartition("$")[0].rpartition("$")[0])
            return bool(real(hashed, password))

    passwords._nobody.cache_clear()
    monkeypatch.setattr(passwords, "_hasher", lambda: Counting)
    async with page.browser() as browser:
        for name in ("anna", "nobody", "carla"):
            await log_in(browser, name, "some password or other")
    passwords._nobody.cache_clear()

    assert (3, 1) == (len(looked), len(set(looked)))


async def test_guessing_is_slowed_down_and_a_familiar_browser_is_not(page: Guarded) -> None:
    """Strangers who try Anna's name from many addresses do not keep Anna out."""
    async with page.browser() as own:
        await log_in(own, "anna")
        own.cookies.delete("runflowd")
        answers = []
        for number in range(TRIES + 3):
            async with page.browser(f"127.0.1.{number}") as stranger:
                answers.append(await log_in(stranger, "anna", "some password or other"))
        async with page.browser("127.0.2.1") as stranger:
            right = await log_in(stranger, "anna")
        familiar = await log_in(own, "anna")

    assert [401] * TRIES + [429] * 3 == [answer.status_code for answer in answers]
    assert (429, 303) == (right.status_code, familiar.status_code)
    assert "The next one can be made in" in right.text


async def test_one_address_cannot_try_many_names(page: Guarded) -> None:
    """What it used up for one name it lacks for the others."""
    async with page.browser() as stranger, page.browser("127.0.9.9") as elsewhere:
        answers = [await log_in(stranger, f"name{number}", "some password") for number in range(TRIES + 1)]
        entered = await log_in(elsewhere, "anna")

    assert [401] * TRIES + [429] == [answer.status_code for answer in answers]
    assert 303 == entered.status_code


async def test_tries_that_come_at_once_are_not_looked_at_at_once(
    page: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 46 MiB: beyond a number they are sent away."""
    monkeypatch.setattr(logins, "MOST_WAITING", 0)
    async with page.browser() as browser:
        answer = await log_in(browser, "anna")

    assert 429 == answer.status_code


async def test_programs_say_name_and_password_each_time(page: Guarded) -> None:
    """On what is made for programs, and nowhere else: a browser that kept them must not press buttons by them."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"ben:{PASSWORDS['ben']}".encode()).decode()}
    wrong = {"Authorization": "Basic " + base64.b64encode(b"ben:another password").decode()}
    broken = httpx.Headers([(b"Authorization", b"Basic \xff")])
    async with page.browser() as program:
        good = [(await program.get(path, headers=basic)).status_code for path in ("/metrics", "/status.json", "/")]
        bad = [(await program.get("/metrics", headers=each)).status_code for each in (wrong, broken)]
        asked = await program.get("/metrics")

    assert ([200, 200, 303], [401, 401]) == (good, bad)
    assert asked.headers["www-authenticate"].startswith("Basic ")


async def test_a_program_whose_user_is_removed_is_not_let_in_any_more(page: Guarded) -> None:
    """What was proven once is held against the file each time, and hashed only once."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"ben:{PASSWORDS['ben']}".encode()).decode()}
    async with page.browser() as program:
        before = [(await program.get("/status.json", headers=basic)).status_code for _ in range(TRIES + 2)]
        write_users(page.folder, User("anna", Right.SEE, kept("anna")))
        after = await program.get("/status.json", headers=basic)

    assert ([200] * (TRIES + 2), 401) == (before, after.status_code)


async def test_an_oversized_form_is_refused(page: Guarded) -> None:
    """Unread."""
    async with page.browser() as browser:
        answer = await log_in(browser, "anna", "x" * MAX_FORM_BYTES)

    assert 413 == answer.status_code


async def test_what_comes_in_the_clear_from_elsewhere_is_not_served(page: Guarded) -> None:
    """Whatever it asks for: a password on its way would be anybody's."""
    async with page.browser(ELSEWHERE) as stranger:
        answers = [(await stranger.get(path)).status_code for path in ("/", "/login", "/healthz", "/metrics")]

    assert [403] * 4 == answers


async def test_without_users_only_this_machine_is_served(tmp_path: Path) -> None:
    """An edit that removes them counts before the listener has moved: nobody else gets in meanwhile."""
    async with guarded(tmp_path, users_file="") as page, page.browser(ELSEWHERE, "https") as stranger:
        far = await stranger.get("/")
        async with page.browser() as own:
            near = await own.get("/")

    assert (403, 200) == (far.status_code, near.status_code)


FORWARDED = {"X-Forwarded-For": ELSEWHERE, "X-Forwarded-Proto": "https"}
NAMED = {**FORWARDED, "X-Remote-User": "carla"}


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A page behind a proxy that names the user."""
    async with guarded(tmp_path, proxies=("10.0.0.0/24",), user_header="X-Remote-User") as made:
        yield made


async def test_the_user_that_the_proxy_names_is_believed(proxied: Guarded) -> None:
    """With the right that the file of users gives them, and a token of their own."""
    async with proxied.browser(PROXY) as browser:
        await proxied.failed_file()
        shown = await browser.get("/", headers=NAMED)
        answer = await browser.post("/retry", data=tokens(shown.text), headers={**NAMED, **SAME})
        unknown = await browser.get("/", headers={**NAMED, "X-Remote-User": "dora"})

    assert (200, 403, 403) == (shown.status_code, answer.status_code, unknown.status_code)
    assert "carla may not do this" in answer.text
    assert "<code>runflowd user add dora --may see --no-password</code>" in unknown.text


@pytest.mark.parametrize("address", [HERE, ELSEWHERE, "10.0.1.5", "::ffff:10.0.1.5"])
async def test_the_same_header_from_another_address_is_nobodys_word(proxied: Guarded, address: str) -> None:
    """Anybody can write it; the addresses that it was forwarded for as well."""
    spoofed = {**NAMED, "X-Remote-User": "anna", "X-Forwarded-For": PROXY}
    async with proxied.browser(address) as stranger:
        answer = await stranger.get("/", headers=spoofed)

    assert answer.status_code in {303, 403}
    assert "studio" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": ELSEWHERE, "X-Forwarded-Proto": "http"},
        {"X-Forwarded-For": ELSEWHERE},
        {"X-Forwarded-For": "garbage", "X-Forwarded-Proto": "https"},
        {"X-Forwarded-Proto": "https"},
        {},
    ],
    ids=str,
)
async def test_what_a_proxy_does_not_say_it_brought_by_https_is_refused(
    proxied: Guarded, headers: dict[str, str]
) -> None:
    """Also from a user that it names: a password and a session would cross the network in the clear."""
    async with proxied.browser(PROXY) as browser:
        answers = [(await browser.get(path, headers={**headers, "X-Remote-User": "anna"})) for path in ("/", "/login")]

    assert [403, 403] == [answer.status_code for answer in answers]


async def test_a_proxy_lets_nobody_in_without_users(tmp_path: Path) -> None:
    """An edit that removes them counts before anybody has looked at the configuration again."""
    async with guarded(tmp_path, users_file="", proxies=("10.0.0.5",)) as page, page.browser(PROXY) as browser:
        answer = await browser.get("/", headers=FORWARDED)

    assert 403 == answer.status_code


async def test_a_header_that_comes_twice_names_nobody(proxied: Guarded) -> None:
    """One of them the client has smuggled past the proxy."""
    headers = httpx.Headers([*FORWARDED.items(), ("X-Remote-User", "anna"), ("X-Remote-User", "carla")])
    async with proxied.browser(PROXY) as browser:
        answer = await browser.get("/", headers=headers)

    assert 303 == answer.status_code


async def test_a_header_that_nobody_configured_names_nobody(tmp_path: Path) -> None:
    """Also not from the proxy."""
    async with guarded(tmp_path, proxies=("10.0.0.5",)) as page, page.browser(PROXY) as browser:
        answer = await browser.get("/", headers=NAMED)

    assert 303 == answer.status_code


async def test_behind_a_proxy_tries_count_for_who_made_them(proxied: Guarded) -> None:
    """By the last address that is not the proxy's own: what stands before it the client may have made up."""
    async with proxied.browser(PROXY) as browser:
        answers = []
        for number in range(TRIES + 1):
            made_up = {"X-Forwarded-For": f"198.51.100.{number}, {ELSEWHERE}, {PROXY}", "X-Forwarded-Proto": "https"}
            data = {"token": proxied.application._logins.token_for(""), "name": f"name{number}", "password": "x"}
            answers.append(await browser.post("/login", data=data, headers={**SAME, **made_up}))

    assert [401] * TRIES + [429] == [answer.status_code for answer in answers]


async def test_over_a_unix_socket_the_proxy_is_who_connects(tmp_path: Path) -> None:
    """Its mode says who that may be."""
    write_users(tmp_path)
    access = Access(str(tmp_path / "users"), proxies=("unix",), user_header="X-Remote-User")
    config = config_over(tmp_path, access=access)
    async with web(tmp_path, config=config, listen=Listen(socket=str(tmp_path / "web.sock"))) as rig:
        named, nameless = [await rig.http.get("/", headers=each) for each in (NAMED, {**BROWSER, **FORWARDED})]

    assert (200, 303) == (named.status_code, nameless.status_code)


@pytest.mark.parametrize(
    ("to", "leads"),
    [
        ("/files?rule=a", "/files?rule=a"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_the_form_leads_to_this_page_alone(to: str, leads: str) -> None:
    """Whatever the address says that somebody was sent."""
    assert leads == destination(to)


def test_a_session_ends_when_nobody_does_anything_and_after_a_day_of_work_in_any_case() -> None:
    """A page that renews itself keeps none alive."""
    anna = User("anna", Right.SEE, "")
    sessions, users = Sessions(), {"anna": anna}
    left, worked = sessions.open(anna, 0.0), sessions.open(anna, 0.0)
    renewed = [sessions.find(left, users, float(now), person=False) for now in range(0, int(IDLE) + 60, 60)]
    used = [sessions.find(worked, users, float(now), person=True) for now in range(0, int(LONGEST) + 60, 600)]

    assert ([None], True) == (renewed[-1:], all(renewed[:-2]))
    assert ([None], True) == (used[-1:], all(used[:-2]))


def test_one_user_has_so_many_sessions() -> None:
    """The one that was left alone longest gives way."""
    anna, ben = User("anna", Right.SEE, ""), User("ben", Right.SEE, "")
    sessions, users = Sessions(), {"anna": anna, "ben": ben}
    other = sessions.open(ben, 0.0)
    secrets = [sessions.open(anna, float(number)) for number in range(MOST_OF_ONE + 1)]
    found = [bool(sessions.find(each, users, 100.0, person=True)) for each in secrets]

    assert [False] + [True] * MOST_OF_ONE == found
    assert sessions.find(other, users, 100.0, person=True)
