"""Callbacks on a real socket: only a proven one has an effect, and the effect is a poll."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import pytest
import structlog
from web_rig import LATER, PREVIOUS, SECRET, config_over, sign, told, web, without_callbacks

from runflowd.api import callback_signature
from runflowd.api.callback_signature import Hint
from runflowd.core.rate_counter import WINDOW, RateCounter
from runflowd.web import callback_endpoint, counted_socket, timeout_protocol
from runflowd.web.callback_wakeups import PERIOD

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.model import Json

pytestmark = pytest.mark.anyio

FORGED = f"POST /callbacks/runflow HTTP/1.1\r\nHost: h\r\nRunflow-Signature: {'0' * 64}\r\n".encode()
"""The beginning of a request whose body has to be read before it can be refused."""

BODY = b'{"event":"batch.succeeded","batch_id":"b-1"}'


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        # RFC 4231, test case 2; the others by `openssl dgst -hmac`.
        ("Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ("whsec_a", b"", "ec0e85048483614e2af1f178571541270713206d1682063665bef39a0ca86275"),
        ("whsec_a", '{"é":1}'.encode(), "521620bf43b8430f897ccd92dd91503b0054cfd524bbc42736e63e6341420724"),
    ],
)
def test_known_signatures_are_found_good(secret: str, body: bytes, signature: str) -> None:
    """The key is the secret as text, `whsec_` included; the message is the raw body."""
    verification = callback_signature.Verification(signature, [secret])
    verification.update(body)

    assert verification.holds()


@pytest.mark.parametrize(
    "signature", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "sha256=" + "0" * 57, "0" * 63 + "\n", "\u0660" * 64]
)
def test_what_is_not_64_lowercase_hex_digits_is_no_signature(signature: str) -> None:
    """The service sends nothing else."""
    assert not callback_signature.well_formed(signature)


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        ({"batch_id": "b"}, Hint(batch="b")),
        ({"run_id": "r", "batch_id": None}, Hint(run="r")),
        ({"batch_id": "b", "run_id": "r"}, Hint("b", "r")),
        ({"batch_id": 7}, None),
        ({"batch_id": "x" * 201}, None),
        ({"batch_id": "\ud800"}, None),
        ({"batch_id": "a\nb"}, None),
        ({"batch_id": ["b"]}, None),
        ({}, None),
        (["b"], None),
        ("b", None),
    ],
)
def test_only_short_printable_ids_are_taken(payload: Json, hint: Hint | None) -> None:
    """Whatever else the payload says is not looked at."""
    assert hint == callback_signature.read_hint(json.dumps(payload).encode())


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"{", b"NaN"])
def test_a_body_that_is_no_object_holds_no_ids(body: bytes) -> None:
    """Depth and encoding are the sender's choice and cost nothing here."""
    assert callback_signature.read_hint(body) is None


@pytest.mark.parametrize(
    ("public", "expected"),
    [
        ("https://h.test", "https://h.test/callbacks/runflow"),
        ("https://h.test/rf/", "https://h.test/rf/callbacks/runflow"),
        ("https://h.test/callbacks/runflow", "https://h.test/callbacks/runflow"),
    ],
)
def test_the_service_is_given_the_whole_address(public: str, expected: str) -> None:
    """`public_url` may be written with and without the path."""
    assert expected == callback_signature.address(public)


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
async def test_a_signed_callback_makes_its_batch_due(tmp_path: Path, secret: str) -> None:
    """Either secret counts during a rotation (scenario 107)."""
    async with web(tmp_path) as rig:
        batch = await rig.batch("b-1")
        body = told(batch_id="b-1")

        answer = await rig.callback(body, sign(body, secret))
        await rig.until_due(batch)

        assert answer.status_code == 204


async def test_only_the_named_batch_becomes_due(tmp_path: Path) -> None:
    """A callback says nothing about other batches."""
    async with web(tmp_path) as rig:
        other, batch = await rig.batch("b-0"), await rig.batch("b-1")

        await rig.callback(told(batch_id="b-1"))
        await rig.until_due(batch)

        assert await rig.due_at(other) == LATER


async def test_a_run_makes_the_batch_of_its_item_due(tmp_path: Path) -> None:
    """Items bought one by one are reported one by one."""
    async with web(tmp_path) as rig:
        batch = await rig.batch(None, "r-1", "r-2")

        await rig.callback(told(run_id="r-2"))
        await rig.until_due(batch)

        assert await rig.metric("runflowd_callbacks_total", outcome="woken") == 1


async def test_a_callback_rings_the_bell_of_the_polls(tmp_path: Path) -> None:
    """The loop that polls is woken; it does not find the due batch by chance later."""
    async with web(tmp_path) as rig:
        await rig.batch("b-1")
        notified = []

        async def wait() -> None:
            notified.append(await rig.context.stage_events.track.wait(20))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await rig.callback(told(batch_id="b-1"))

        assert notified == [True]


async def test_a_callback_during_a_poll_is_kept_until_the_poll_ends(tmp_path: Path) -> None:
    """That poll may have read the state a moment before the end; its result would put the batch off (scenario 104)."""
    async with web(tmp_path) as rig:
        batch = await rig.batch("b-1", due_at=0)
        held = await rig.hold(batch)
        await rig.callback(told(batch_id="b-1"))
        for _ in range(3):
            await rig.context.store.write(lambda _: None)

        await rig.release(held)
        await rig.until_due(batch)

        assert await rig.metric("runflowd_callbacks_total", outcome="woken") == 1


@pytest.mark.parametrize("sent", [told(batch_id="nobody's"), told(run_id="nobody's")])
async def test_unknown_and_finished_batches_are_thanked_and_counted(tmp_path: Path, sent: bytes) -> None:
    """An error would only make the service send it again (scenario 105)."""
    async with web(tmp_path) as rig:
        answer = await rig.callback(sent)
        await rig.until_counted("nothing")

        assert answer.status_code == 204


async def test_a_callback_that_comes_ten_times_changes_nothing_more(tmp_path: Path) -> None:
    """Delivery is at least once, and a signature without a date can be replayed for ever (scenarios 102, 103)."""
    async with web(tmp_path) as rig:
        batch = await rig.batch("b-1")
        body = told(batch_id="b-1")

        answers = {(await rig.callback(body)).status_code for _ in range(10)}
        await rig.until_due(batch)

        assert answers == {204}


async def test_replays_of_a_true_callback_have_a_batch_polled_once_a_second(tmp_path: Path) -> None:
    """Whoever saw one may send it for ever: the next poll they cause is a second after the last (scenario 152)."""
    async with web(tmp_path) as rig:
        batch = await rig.batch("b-1", "r-1")
        await rig.callback(told(batch_id="b-1"))
        await rig.until_due(batch)
        first = rig.context.clock.wall()
        await rig.context.store.write(
            lambda connection: connection.raw.execute("UPDATE batch SET due_at = ?", (LATER,))
        )

        for body in (told(batch_id="b-1"), told(run_id="r-1")):
            await rig.callback(body)
        await rig.until_counted("woken", 3)

        assert first - 0.5 < await rig.due_at(batch) - PERIOD <= first


async def test_a_signed_callback_without_ids_is_thanked_and_counted(tmp_path: Path) -> None:
    """The event's name and the rest of the payload play no part."""
    async with web(tmp_path) as rig:
        answer = await rig.callback(b"[]")

        assert (answer.status_code, await rig.metric("runflowd_callbacks_total", outcome="unreadable")) == (204, 1)


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, "unsigned"),
        ({"Runflow-Signature": "A" * 64}, "malformed"),
        ({"Runflow-Signature": "0" * 64}, "forged"),
        (sign(BODY, "whsec_other"), "forged"),
        (sign(BODY, "current"), "forged"),
        (sign(BODY + b"\n"), "forged"),
    ],
)
async def test_what_is_not_proven_is_refused_alike_and_has_no_effect(
    tmp_path: Path, headers: dict[str, str], outcome: str
) -> None:
    """401 without a word of help; the log and the metrics know more (scenario 101)."""
    async with web(tmp_path) as rig:
        batch = await rig.batch("b-1")

        answer = await rig.callback(BODY, headers)

        assert (answer.status_code, answer.text) == (401, "Unauthorized")
        assert (await rig.metric("runflowd_callbacks_total", outcome=outcome), await rig.due_at(batch)) == (1, LATER)


async def test_two_signatures_are_none(tmp_path: Path) -> None:
    """Which of them a proxy looked at cannot be known."""
    async with web(tmp_path) as rig:
        twice = [*sign(BODY).items(), *sign(BODY).items()]

        answer = await rig.http.post("/callbacks/runflow", content=BODY, headers=twice)

        assert answer.status_code == 401


async def test_the_log_names_the_proxy_as_a_cause_of_mismatch_once(tmp_path: Path) -> None:
    """A hundred forged callbacks are one line; a person who set up a proxy reads the cause in it (scenario 106)."""
    async with web(tmp_path) as rig:
        with structlog.testing.capture_logs() as lines:
            for _ in range(100):
                await rig.callback(BODY, sign(BODY, "whsec_other"))

    refusals = [line for line in lines if line["action"] == "callback.refused"]
    assert (len(refusals), refusals[0]["count"]) == (1, 1)
    assert "re-encoded by a proxy" in refusals[0]["event"]


async def test_an_announced_body_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    """The answer comes before a byte of the body was sent (scenario 109)."""
    async with web(tmp_path) as rig, await anyio.connect_tcp("127.0.0.1", rig.port) as raw:
        await raw.send(FORGED + b"Content-Length: 99999999\r\n\r\n")

        assert (await raw.receive()).startswith(b"HTTP/1.1 413 ")


def test_unproven_bodies_are_bounded_together() -> None:
    """A body is kept before it is proven: all connections at once may cost a few megabytes (scenario 150)."""
    assert counted_socket.MAX_CONNECTIONS * callback_endpoint.MAX_BYTES <= 8 << 20


async def test_bodies_that_break_off_are_one_line(tmp_path: Path) -> None:
    """Two hundred of them were two hundred tracebacks (scenario 150)."""
    async with web(tmp_path) as rig:
        with structlog.testing.capture_logs() as lines:
            for _ in range(20):
                async with await anyio.connect_tcp("127.0.0.1", rig.port) as raw:
                    await raw.send(FORGED + b"Content-Length: 50\r\n\r\n" + b"{")
            await rig.until_counted("cut off", 20)

    assert ["cut off"] == [line.get("kind") for line in lines]


async def test_a_chunked_body_that_grows_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an announcement the bytes are counted (scenario 109)."""
    monkeypatch.setattr(callback_endpoint, "MAX_BYTES", 10_000)
    async with web(tmp_path) as rig, await anyio.connect_tcp("127.0.0.1", rig.port) as raw:
        await raw.send(FORGED + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

        assert (await raw.receive()).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole body has one deadline, however often a byte comes (scenario 109)."""
    monkeypatch.setattr(callback_endpoint, "MAX_SECONDS", 0.2)
    async with web(tmp_path) as rig, await anyio.connect_tcp("127.0.0.1", rig.port) as raw:
        await raw.send(FORGED + b"Content-Length: 50\r\n\r\n" + b"{")

        assert (await raw.receive()).startswith(b"HTTP/1.1 408 ")


async def test_headers_that_never_end_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing whole is closed (scenario 109)."""
    monkeypatch.setattr(timeout_protocol, "HEADERS_TIMEOUT", 0.2)
    async with web(tmp_path) as rig, await anyio.connect_tcp("127.0.0.1", rig.port) as raw:
        await raw.send(b"POST /callbacks/runflow HTTP/1.1\r\nHost:")

        with pytest.raises(anyio.EndOfStream):
            await raw.receive()


async def test_second_headers_on_a_connection_that_never_end_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good first request buys no more patience."""
    monkeypatch.setattr(timeout_protocol, "HEADERS_TIMEOUT", 0.2)
    async with web(tmp_path) as rig, await anyio.connect_tcp("127.0.0.1", rig.port) as raw:
        await raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok\n"):
            answer += await raw.receive()
        await raw.send(b"GET /healthz HT")

        with pytest.raises(anyio.EndOfStream):
            await raw.receive()


async def test_a_rotated_secret_counts_from_the_next_callback_on(tmp_path: Path) -> None:
    """The secret files are read when they are needed; nothing is to be reloaded (scenario 107)."""
    async with web(tmp_path) as rig:
        body = told(batch_id="b-1")
        before = (await rig.callback(body, sign(body, "whsec_new"))).status_code
        (tmp_path / "secret").write_text("whsec_new\n")

        after = (await rig.callback(body, sign(body, "whsec_new"))).status_code

        assert (before, after) == (401, 204)


async def test_without_a_readable_secret_the_service_is_asked_to_try_again(tmp_path: Path) -> None:
    """Nothing can be proven, so nothing is taken; the log says what is missing."""
    async with web(tmp_path) as rig:
        (tmp_path / "secret").unlink()

        answer = await rig.callback(told(batch_id="b-1"))

        assert (answer.status_code, answer.text) == (503, "Service Unavailable")


async def test_where_no_callbacks_are_configured_there_is_no_such_address(tmp_path: Path) -> None:
    """A stranger learns nothing."""
    async with web(tmp_path, config=without_callbacks(config_over(tmp_path))) as rig:
        assert (await rig.callback(told(batch_id="b-1"))).status_code == 404


async def test_callbacks_come_under_any_host_name(tmp_path: Path) -> None:
    """A proxy passes on the public name; the signature is the proof."""
    async with web(tmp_path) as rig:
        body = told(batch_id="b-1")

        answer = await rig.callback(body, sign(body) | {"Host": "hooks.example.com"})

        assert answer.status_code == 204


def test_a_flood_is_reported_once_a_minute_with_its_count() -> None:
    """The first is told at once, the others together when the minute is over (scenario 101)."""
    tally: RateCounter[str] = RateCounter()
    told_now = [tally.note("forged", float(second)) for second in (0, 1, 2, WINDOW)]

    assert told_now == [1, 0, 0, 3]


def test_a_flood_that_ends_is_reported_to_its_end() -> None:
    """What was kept back comes out without another event."""
    tally: RateCounter[str] = RateCounter()
    for second in (0.0, 1.0, 2.0):
        tally.note("forged", second)

    assert [tally.overdue(WINDOW - 1), tally.overdue(WINDOW), tally.overdue(2 * WINDOW)] == [{}, {"forged": 2}, {}]
