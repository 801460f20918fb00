"""The listener on real sockets: who is served, what every answer carries, and where it listens."""

from __future__ import annotations

import re
import socket
import stat
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
import uvicorn
from web_rig import config_over, site_over, web

from runflowd.config.essentials import Listen
from runflowd.core.approval import APPROVAL_NEEDED, Crowd
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.undeliverable import recipe_of
from runflowd.observability.incidents import IncidentReport
from runflowd.store.approvals import approval_of, save_crowd
from runflowd.web import counted_socket, timeout_protocol
from runflowd.web.address import AddressUnusable, bind
from runflowd.web.host_guard import names_this_machine
from runflowd.web.listener import ListenerManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from web_rig import Web

pytestmark = pytest.mark.anyio

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Web]:
    """A listener on loopback."""
    async with web(tmp_path) as made:
        yield made


def forms(page: str, action: str) -> list[dict[str, str]]:
    """The fields of every form of a screen that does this."""
    found = re.findall(rf'<form method="post" action="/{action}">(.*?)</form>', page, re.DOTALL)
    return [dict(re.findall(r'name="(\w+)" value="([^"]*)"', each)) for each in found]


async def failed_file(rig: Web, name: str = "a.jpg") -> tuple[str, str]:
    """A failed file on the page; gives the token and the reference of its form."""
    await rig.set_aside(name, ItemState.FAILED, "NOT_AN_IMAGE", "this is text")
    (form,) = forms((await rig.http.get("/")).text, "retry")
    return form["token"], form["reference"]


async def press_retry(rig: Web, token: str, reference: str, headers: dict[str, str]) -> httpx.Response:
    """What the browser does when the button is pressed."""
    return await rig.http.post("/retry", data={"token": token, "reference": reference}, headers=headers)


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("127.0.0.1:8787", True),
        ("127.0.0.1", True),
        ("127.5.5.5:80", True),
        ("localhost:8787", True),
        ("LOCALHOST", True),
        ("[::1]:8787", True),
        ("evil.example:8787", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example/127.0.0.1", False),
        ("127.evil", False),
        ("192.168.1.10", False),
        ("[::2]", False),
        ("[::1", False),
        ("localhost:99999", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_count(host: str, *, served: bool) -> None:
    """A page that reached us under another name is a foreign page."""
    assert served is names_this_machine([host])


async def test_connections_beyond_a_number_are_closed_at_once(rig: Web) -> None:
    """A thousand idle ones took every file descriptor of the daemon, which then did nothing more (scenario 150)."""
    async with AsyncExitStack() as stack:
        idle = [
            await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", rig.port))
            for _ in range(counted_socket.MAX_CONNECTIONS)
        ]
        for each in idle:  # an answer proves that it was taken
            await each.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await each.receive()).startswith(b"HTTP/1.1 200")
        async with await anyio.connect_tcp("127.0.0.1", rig.port) as beyond:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await beyond.receive()
        await idle[0].aclose()

        with anyio.fail_after(60):
            while not await is_served(rig):
                await anyio.sleep(0.01)


async def is_served(rig: Web) -> bool:
    """Whether a new connection gets an answer."""
    try:
        return (await rig.http.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def test_every_answer_is_dated_by_its_own_moment(rig: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over one connection, and though a server at rest looks at no clock."""
    days = iter(["Mon, 01 Jan 2029 00:00:00 GMT", "Tue, 02 Jan 2029 00:00:00 GMT"])
    monkeypatch.setattr(timeout_protocol, "formatdate", lambda **_: next(days))

    dates = [(await rig.http.get("/healthz")).headers.get_list("date") for _ in range(2)]

    assert [["Mon, 01 Jan 2029 00:00:00 GMT"], ["Tue, 02 Jan 2029 00:00:00 GMT"]] == dates


async def test_a_server_at_rest_does_not_wake(rig: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten looks a second were most of what an idle daemon used."""
    ticks: list[int] = []

    async def on_tick(_: object, counter: int) -> bool:
        ticks.append(counter)
        return False

    monkeypatch.setattr(uvicorn.Server, "on_tick", on_tick)
    await rig.http.get("/healthz")
    await anyio.sleep(0.3)

    assert [] == ticks


async def test_an_answer_that_nobody_reads_is_given_up(rig: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow readers kept the places of all others for ever (scenario 150)."""
    monkeypatch.setattr(counted_socket, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(timeout_protocol, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(timeout_protocol, "READ_TIMEOUT", 0.1)
    for number in range(40):
        await rig.set_aside(f"{'x' * 200}{number}.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "y" * 500)
    async with await anyio.connect_tcp("127.0.0.1", rig.port) as slow:
        await slow.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        before = await is_served(rig)

        with anyio.fail_after(60):
            while not await is_served(rig):
                await anyio.sleep(0.01)

    assert before is False


@pytest.mark.parametrize("path", ["/", "/status.json", "/metrics", "/healthz", "/readyz", "/retry", "/nothing"])
async def test_a_rebound_name_sees_nothing(rig: Web, path: str) -> None:
    """DNS rebinding points a foreign name at loopback; the Host header still shows it."""
    answer = await rig.http.get(path, headers={"Host": f"evil.example:{rig.port}"})

    assert (answer.status_code, "studio" in answer.text) == (421, False)


@pytest.mark.parametrize("path", ["/", "/files", "/spend", "/status.json", "/metrics", "/healthz", "/nothing"])
async def test_every_answer_is_fenced_in(rig: Web, path: str) -> None:
    """No frames, no guessing of types, no foreign resources, no keeping, no sharing."""
    headers = (await rig.http.get(path, headers={"Origin": "https://evil.example"})).headers

    assert ("nosniff", "DENY", "no-store") == (
        headers["x-content-type-options"],
        headers["x-frame-options"],
        headers["cache-control"],
    )
    assert "default-src 'none'" in headers["content-security-policy"]
    assert [name for name in headers if name.startswith("access-control")] == []
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/", "/files", "/files?view=list", "/spend"])
async def test_a_screen_has_nothing_inline(rig: Web, path: str) -> None:
    """So its policy allows nothing inline, and nothing from elsewhere."""
    answer = await rig.http.get(path)

    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:|<style|<script(?! defer src)", answer.text)


async def test_what_a_screen_loads_is_kept_for_good(rig: Web) -> None:
    """Its address has a mark of its content; under another mark it is not there."""
    (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)">', (await rig.http.get("/")).text)
    mark = style.split("/")[2]

    there, gone, outside = [
        await rig.http.get(path) for path in (style, style.replace(mark, "0" * 12), f"/static/{mark}/..%2fapp.py")
    ]

    assert (200, "text/css; charset=utf-8") == (there.status_code, there.headers["content-type"])
    assert "immutable" in there.headers["cache-control"]
    assert (404, 404) == (gone.status_code, outside.status_code)


async def test_a_retry_looks_at_the_file_again(rig: Web) -> None:
    """The button does what touching the file does, and leads back to the page."""
    answer = await press_retry(rig, *await failed_file(rig, "shoes/a.jpg"), SAME)

    assert (answer.status_code, answer.headers["location"]) == (303, "/?did=retried&count=1")
    assert "Another try for 1 file." in (await rig.http.get(answer.headers["location"])).text
    assert [(look.rule, look.folder) for look in rig.context.hints] == [("studio", "shoes")]


async def test_an_approval_lets_as_many_pass_as_the_page_showed(rig: Web) -> None:
    """What came since then waits, a second press approves nothing, and a page of somebody else is not heard."""
    rule = rig.context.rules["studio"]
    held = IncidentReport(ScopeKind.BUDGET.of(rule.name), APPROVAL_NEEDED, "2 files are held", "approve")
    await rig.context.store.write(partial(save_crowd, rule=rule.name, crowd=Crowd(2)))
    await rig.context.incidents.report(held)
    (form,) = forms((await rig.http.get("/")).text, "approve")
    await rig.context.store.write(partial(save_crowd, rule=rule.name, crowd=Crowd(5)))
    answers = [
        await rig.http.post("/approve", data=data, headers=SAME)
        for data in ({**form, "token": "x"}, {**form, "files": "-1"}, form, {**form, "files": "9"}, form)
    ]
    found = await rig.context.store.read(partial(approval_of, rule=rule.name, recipe=recipe_of(rule)))

    assert "2" == form["files"]
    assert [403, 303, 303, 303, 303] == [answer.status_code for answer in answers]
    assert ["message", "did", "did", "message"] == [
        re.findall("did|message", each.headers["location"])[0] for each in answers[1:]
    ]
    assert 5 == found.approved


async def test_a_retry_of_a_group_takes_its_cause_alone(rig: Web) -> None:
    """Of one rule; a file that failed for another cause stays as it is."""
    await rig.set_aside("other.jpg", ItemState.FAILED, "TOO_LARGE", "no")
    await rig.set_aside("b.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "this is text")
    await rig.set_aside("a.jpg", ItemState.FAILED, "NOT_AN_IMAGE", "this is text")
    (group,) = (form for form in forms((await rig.http.get("/")).text, "retry") if form["code"] == "NOT_AN_IMAGE")
    answer = await rig.http.post("/retry", data=group, headers=SAME)

    assert (303, "/?did=retried&count=2") == (answer.status_code, answer.headers["location"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://[::1"},
    ],
)
async def test_a_foreign_page_cannot_press_the_button(rig: Web, headers: dict[str, str]) -> None:
    """Not even one that has the token."""
    answer = await press_retry(rig, *await failed_file(rig), headers)

    assert (answer.status_code, list(rig.context.hints)) == (403, [])


@pytest.mark.parametrize("token", ["", "x" * 32, "\ud800"])
async def test_a_form_without_the_pages_token_is_refused(rig: Web, token: str) -> None:
    """The token is new in every life of the daemon."""
    _, reference = await failed_file(rig)

    answer = await press_retry(rig, token.encode("utf-8", "replace").decode(), reference, SAME)

    assert (answer.status_code, list(rig.context.hints)) == (403, [])


async def test_a_program_that_has_the_token_may_retry(rig: Web) -> None:
    """Neither Origin nor Fetch Metadata: no browser sent it."""
    assert (await press_retry(rig, *await failed_file(rig), {})).status_code == 303


async def test_the_page_of_the_same_host_may_retry_without_fetch_metadata(rig: Web) -> None:
    """Browsers leave it out over plain http from another machine; the Origin then has to match."""
    origin = {"Origin": f"http://127.0.0.1:{rig.port}"}

    assert (await press_retry(rig, *await failed_file(rig), origin)).status_code == 303


async def test_a_second_press_finds_nothing_more_to_do(rig: Web) -> None:
    """What does not stand as failed is not touched."""
    token, reference = await failed_file(rig)
    await rig.set_aside("a.jpg", ItemState.WAITING, "UNREADABLE", "no")

    assert "/?message=" in (await press_retry(rig, token, reference, SAME)).headers["location"]


async def test_a_huge_form_is_refused(rig: Web) -> None:
    """Nobody fills in that much."""
    answer = await rig.http.post("/retry", content=b"token=" + b"x" * 100_000, headers=SAME)

    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/", "/files", "/spend", "/events", "/metrics", "/status.json", "/healthz"])
async def test_nothing_but_the_routes_for_it_takes_a_post(rig: Web, path: str) -> None:
    """Reading changes nothing, so it is read with GET."""
    assert (await rig.http.post(path)).status_code == 405


async def test_healthy_and_ready_while_all_stages_turn(rig: Web) -> None:
    """Both are for programs."""
    answers = [await rig.http.get(path) for path in ("/healthz", "/readyz")]

    assert [(200, "ok\n"), (200, "ready\n")] == [(each.status_code, each.text) for each in answers]


async def test_not_ready_before_the_first_rescan(rig: Web) -> None:
    """The reason is in the answer, and on the page."""
    del rig.context.heartbeats["intake"]

    ready, page = await rig.http.get("/readyz"), await rig.http.get("/")

    assert (ready.status_code, ready.text) == (503, "intake has not begun\n")
    assert "intake has not begun" in page.text


async def test_not_ready_but_healthy_while_stopping(rig: Web) -> None:
    """Restarting what stops already helps nobody."""
    rig.site.stopping = True

    answers = [(await rig.http.get(path)).status_code for path in ("/healthz", "/readyz")]

    assert answers == [200, 503]


async def test_neither_ready_nor_healthy_when_a_stage_hangs(rig: Web) -> None:
    """What the service watchdog would see."""
    rig.site.is_alive = lambda: False

    answers = [(await rig.http.get(path)).status_code for path in ("/healthz", "/readyz")]

    assert answers == [503, 503]


async def test_a_unix_socket_serves_owner_and_group_under_any_name(tmp_path: Path) -> None:
    """No foreign page can reach it, so its proxy may use the public name."""
    path = tmp_path / "web.sock"
    async with web(tmp_path, listen=Listen(socket=str(path))) as rig:
        answer = await rig.http.get("/healthz", headers={"Host": "status.example.com"})

        assert (answer.status_code, stat.S_IMODE(path.stat().st_mode)) == (200, 0o660)
    assert not path.exists()


def test_the_socket_file_of_a_crashed_daemon_is_replaced(tmp_path: Path) -> None:
    """Nobody listens on it."""
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    bound = bind(Listen(socket=str(path)))

    assert stat.S_ISSOCK(path.stat().st_mode)
    bound.close()


def test_a_socket_in_use_and_other_files_are_left_alone(tmp_path: Path) -> None:
    """Both are refused with a sentence."""
    used, file = tmp_path / "web.sock", tmp_path / "notes.txt"
    file.write_text("keep")
    bound = bind(Listen(socket=str(used)))

    for path in (used, file):
        with pytest.raises(AddressUnusable):
            bind(Listen(socket=str(path)))

    assert (used.exists(), file.read_text()) == (True, "keep")
    bound.close()


def test_a_port_in_use_is_named_with_its_remedy() -> None:
    """The sentence says where, what and how to find out who."""
    bound = bind(Listen("127.0.0.1", 0))
    port = bound.socket.getsockname()[1]

    with pytest.raises(AddressUnusable, match=rf"127\.0\.0\.1:{port}: another program listens there .* `ss -ltnp`"):
        bind(Listen("127.0.0.1", port))
    bound.close()


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_what_counts_as_loopback_is_what_was_bound(host: str, *, loopback: bool) -> None:
    """Not how the configuration spells it."""
    bound = bind(Listen(host, 0))

    assert loopback is bound.loopback
    bound.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    bound = bind(Listen("127.0.0.1", 0))
    port: int = bound.socket.getsockname()[1]
    bound.close()
    return port


async def answers(port: int) -> bool:
    """Whether something healthy listens there."""
    async with httpx.AsyncClient(timeout=30) as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
            return False


async def test_a_reload_moves_the_listener_only_when_its_address_changed(tmp_path: Path) -> None:
    """An open connection shows it: it lives through the first reload and not through the second (scenario 110)."""
    first, second = free_port(), free_port()
    async with site_over(tmp_path) as site, anyio.create_task_group() as group:
        config = replace(config_over(tmp_path), web=Listen("127.0.0.1", first))
        current = [config]
        site.config = lambda: current[0]
        await group.start(ListenerManager(site).run)
        async with await anyio.connect_tcp("127.0.0.1", first) as kept:
            current[0] = replace(config, digest="another")
            site.reloaded.notify()
            with anyio.fail_after(60):
                taken = site.config_taken
                while site.config_taken == taken:
                    await anyio.sleep(0.05)
            await kept.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            alive = await kept.receive()

        current[0] = replace(config, web=Listen("127.0.0.1", second))
        site.reloaded.notify()
        with anyio.fail_after(60):
            while not await answers(second):
                await anyio.sleep(0.05)

        assert (b"HTTP/1.1 200 OK", False) == (alive[:15], await answers(first))
        group.cancel_scope.cancel()


async def test_a_bad_new_address_keeps_the_old_listener_and_is_an_incident(tmp_path: Path) -> None:
    """It is taken by itself once the address is free (scenario 110)."""
    port = free_port()
    blocker = bind(Listen("127.0.0.1", 0))
    wanted = Listen("127.0.0.1", blocker.socket.getsockname()[1])
    async with site_over(tmp_path) as site, anyio.create_task_group() as group:
        current = [replace(config_over(tmp_path), web=Listen("127.0.0.1", port))]
        site.config = lambda: current[0]
        await group.start(ListenerManager(site).run)

        current[0] = replace(current[0], web=wanted)
        site.reloaded.notify()
        with anyio.fail_after(60):
            while not site.context.incidents.snapshot():
                await anyio.sleep(0.05)
        still = await answers(port)
        blocker.close()
        with anyio.fail_after(60):
            while site.context.incidents.snapshot():
                await anyio.sleep(0.05)

        assert (True, False, True) == (still, await answers(port), await answers(wanted.port))
        group.cancel_scope.cancel()


async def test_at_the_start_an_address_in_use_is_an_error(tmp_path: Path) -> None:
    """Whoever starts it is there to read it."""
    blocker = bind(Listen("127.0.0.1", 0))
    config = replace(config_over(tmp_path), web=Listen("127.0.0.1", blocker.socket.getsockname()[1]))
    async with site_over(tmp_path, config) as site:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                await group.start(ListenerManager(site).run)

    assert caught.group_contains(AddressUnusable)
    blocker.close()


async def test_a_socket_from_systemd_outlives_the_listener(tmp_path: Path) -> None:
    """Turned off and on again, it is the same socket; whatever `listen` says."""
    passed = bind(Listen("127.0.0.1", 0)).socket
    port = passed.getsockname()[1]
    async with site_over(tmp_path) as site, anyio.create_task_group() as group:
        on = config_over(tmp_path)
        current = [on]
        site.config = lambda: current[0]
        await group.start(ListenerManager(site, [passed]).run)
        first = await answers(port)
        taken = site.config_taken
        current[0] = replace(on, web=None)
        site.reloaded.notify()
        with anyio.fail_after(60):
            while site.config_taken == taken:
                await anyio.sleep(0.05)
        current[0] = replace(on, digest="again")
        site.reloaded.notify()
        with anyio.fail_after(60):
            while not await answers(port):
                await anyio.sleep(0.05)
        group.cancel_scope.cancel()

    assert (first, passed.getsockname()[1]) == (True, port)
    passed.close()


def test_without_a_listener_no_page_and_no_metrics_are_imported() -> None:
    """A daemon with `web` off pays for the server of its control socket alone."""
    code = (
        "import sys, runflowd.app.daemon; "
        "print([name for name in ('prometheus_client', 'jinja2', 'runflowd.web.app') if name in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
