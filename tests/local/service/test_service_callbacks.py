"""Callbacks: payload, signature, retries, history, redelivery, secrets."""

from __future__ import annotations

import hashlib
import hmac
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from local_service import PASS_THROUGH, Caller, Inbox, local_service

from runflowd.local.faults.plan import CallbackFault, Faults, RequestFault, RunFault
from runflowd.local.jobs.deliveries import over_http

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
HOOK = "https://hooks.example/runflow?tenant=1"


async def _batch(caller: Caller, **more: Any) -> dict[str, Any]:
    return await caller.batch({"image_url": "data:,x", "client_ref": "r"}, callback_url=HOOK, **more)


async def _run(caller: Caller, image: str = "data:,x", model: str = PASS_THROUGH) -> dict[str, Any]:
    body = {"input": {"image_url": image}, "callback_url": HOOK, "metadata": {"k": "v"}}
    return dict((await caller.http.post(f"{model}/runs", json=body)).raise_for_status().json())


async def test_a_finished_batch_calls_back_once(tmp_path: Path) -> None:
    """One call for the batch, none for its items; `status`, never `status_code`, and all results inside."""
    async with local_service(tmp_path) as caller:
        made = await _batch(caller, metadata={"job": 1})
        await caller.idle()
        (document,) = caller.inbox.documents

    assert ("batch.succeeded", made["id"], "succeeded", {"job": 1}, 1) == (
        document["event"],
        document["batch_id"],
        document["status"],
        document["metadata"],
        document["output"]["succeeded"],
    )


async def test_a_callbacks_urls_can_be_fetched(tmp_path: Path) -> None:
    """They start where the creating request went."""
    async with local_service(tmp_path) as caller:
        await _run(caller)
        await caller.idle()
        answer = await caller.fetch(caller.inbox.documents[0]["output"]["outputs"][0]["url"])

    assert answer.content == b"x"


async def test_a_failed_run_calls_back_with_its_failure(tmp_path: Path) -> None:
    """run.failed with an error envelope."""
    async with local_service(tmp_path) as caller:
        await _run(caller, "data:,no-image", "/v1/models/runflow/upscale")
        await caller.idle()
        (document,) = caller.inbox.documents

    assert (document["event"], document["output"]["error"]["code"]) == ("run.failed", "UNREADABLE_IMAGE")


async def test_a_stopped_run_is_canceled_and_its_event_cancelled(tmp_path: Path) -> None:
    """The newer page of the concept spells the status with one l and the event with two."""
    async with local_service(tmp_path, faults=Faults(runs=(RunFault(kind="cancel"),))) as caller:
        await _run(caller)
        await caller.idle()
        (document,) = caller.inbox.documents

    assert ("run.cancelled", "canceled") == (document["event"], document["status"])


async def test_without_a_secret_nothing_is_signed(tmp_path: Path) -> None:
    """No header at all."""
    async with local_service(tmp_path) as caller:
        await _run(caller)
        await caller.idle()

    assert "Runflow-Signature" not in caller.inbox.posts[0][2]


async def test_the_signature_is_an_hmac_of_the_raw_body(tmp_path: Path) -> None:
    """64 hex digits, the whole secret as the key, its prefix included."""
    async with local_service(tmp_path) as caller:
        secret = (await caller.http.post("/v1/callback-secrets", json={"label": "l"})).json()["plain_secret"]
        await _run(caller)
        await caller.idle()
        _, body, headers = caller.inbox.posts[0]

    assert hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() == headers["Runflow-Signature"]


async def test_promotion_changes_who_signs(tmp_path: Path) -> None:
    """The newest secret is current until another one is promoted; it is shown in plain only once."""
    async with local_service(tmp_path) as caller:
        first, second = [(await caller.http.post("/v1/callback-secrets")).json() for _ in range(2)]
        shown = await caller.http.patch(f"/v1/callback-secrets/{first['id']}", json={"is_current": True})
        other = await caller.get(f"/v1/callback-secrets/{second['id']}")
        await _run(caller)
        await caller.idle()
        _, body, headers = caller.inbox.posts[0]

    expected = hmac.new(first["plain_secret"].encode(), body, hashlib.sha256).hexdigest()
    assert (expected, True, False, False) == (
        headers["Runflow-Signature"],
        shown.json()["is_current"],
        other["is_current"],
        "plain_secret" in other,
    )


async def test_a_refused_callback_is_sent_again_with_the_same_bytes(tmp_path: Path) -> None:
    """Until it is taken; every attempt is on record."""
    async with local_service(tmp_path, inbox=Inbox([500, 503]), callback_backoff=(0.01,) * 5) as caller:
        made = await _run(caller)
        await caller.idle()
        (delivery,) = await caller.get(f"/v1/runs/{made['id']}/callback")

    assert (
        delivery["status_code"],
        [attempt["status_code"] for attempt in delivery["attempts"]],
        len({body for _, body, _ in caller.inbox.posts}),
    ) == ("succeeded", [500, 503, 200], 1)


async def test_attempts_end_after_the_last_back_off(tmp_path: Path) -> None:
    """One attempt more than there are waits, then `failed` with the reason."""
    async with local_service(tmp_path, inbox=Inbox([500] * 9), callback_backoff=(0.01, 0.01)) as caller:
        made = await _batch(caller)
        await caller.idle()
        (delivery,) = await caller.get(f"/v1/batches/{made['id']}/callback")

    assert (
        delivery["status_code"],
        delivery["attempt_count"],
        delivery["max_attempts"],
        delivery["failure_detail"],
        delivery["next_attempt_at"],
    ) == ("failed", 3, 3, "HTTP 500", None)


async def test_a_redelivery_sends_a_fresh_payload(tmp_path: Path) -> None:
    """A second delivery, marked as not automatic."""
    async with local_service(tmp_path) as caller:
        made = await _batch(caller)
        await caller.idle()
        again = await caller.http.post(f"/v1/batches/{made['id']}/callback-redeliveries")
        await caller.idle()
        history = await caller.get(f"/v1/batches/{made['id']}/callback")

    assert (
        again.status_code,
        [delivery["is_automatic"] for delivery in history],
        len(caller.inbox.posts),
    ) == (201, [True, False], 2)


async def test_a_redelivery_while_one_is_in_flight_is_refused(tmp_path: Path) -> None:
    """422 with error_type conflict, not 409."""
    async with local_service(tmp_path, inbox=Inbox([500]), callback_backoff=(3600.0,)) as caller:
        made = await _batch(caller)
        while not caller.inbox.posts:
            await caller.service.settled.wait(1.0)
        again = await caller.http.post(f"/v1/batches/{made['id']}/callback-redeliveries")

    assert (again.status_code, again.json()["errors"][0]["error_type"]) == (422, "conflict")


async def test_a_redelivery_needs_a_callback_url(tmp_path: Path) -> None:
    """There is nowhere to send it."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch({"image_url": "data:,x"})
        await caller.idle()
        again = await caller.http.post(f"/v1/batches/{made['id']}/callback-redeliveries")

    assert again.status_code == 422


@pytest.mark.parametrize(
    ("kind", "signed", "count"),
    [("duplicate", [True, True], 2), ("lose", [], 0), ("forge", [False, True], 2), ("unsigned", [False, True], 2)],
)
async def test_callback_faults(tmp_path: Path, kind: Any, signed: list[bool], count: int) -> None:
    """Doubled, lost, and preceded by a forged or an unsigned one."""
    faults = Faults(callbacks=(CallbackFault(kind=kind),))
    async with local_service(tmp_path, faults=faults) as caller:
        secret = (await caller.http.post("/v1/callback-secrets")).json()["plain_secret"]
        await _run(caller)
        await caller.idle()

    good = [
        hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() == headers.get("Runflow-Signature")
        for _, body, headers in caller.inbox.posts
    ]
    assert (signed, count) == (good, len(good))


async def test_an_early_callback_speaks_of_an_unfinished_batch(tmp_path: Path) -> None:
    """It comes at creation, the true one later."""
    async with local_service(tmp_path, faults=Faults(callbacks=(CallbackFault(kind="early"),))) as caller:
        await _batch(caller)
        await caller.idle()

    assert [document["status"] for document in caller.inbox.documents] == ["queued", "succeeded"]


async def test_a_held_answer_comes_after_its_callback(tmp_path: Path) -> None:
    """The client learns the batch's id from the callback first."""
    faults = Faults(requests=(RequestFault(route="POST */batches", kind="hold"),))
    async with local_service(tmp_path, faults=faults) as caller:
        made = await _batch(caller)
        came_before = [document["batch_id"] for document in caller.inbox.documents]

    assert [made["id"]] == came_before


class _Receiver(BaseHTTPRequestHandler):
    """A real receiver that redirects the first post and takes the second."""

    seen: ClassVar[list[tuple[str, bytes]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, body))
        self.send_response(302 if len(self.seen) == 1 else 204)
        if len(self.seen) == 1:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


async def test_callbacks_leave_over_http_and_follow_no_redirect() -> None:
    """A redirect is an answer like any other that is not 2xx."""

    class Receiver(_Receiver):
        seen: ClassVar[list[tuple[str, bytes]]] = []

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
        send = over_http(5.0)
        statuses = [(await send(url, b"{}", {})).status for _ in range(2)]
        server.shutdown()
        thread.join()

    assert (statuses, Receiver.seen) == ([302, 204], [("/hook?a=1", b"{}")] * 2)


async def test_a_receiver_that_is_not_there_is_a_reply_without_status() -> None:
    """The reason is kept for the history."""
    reply = await over_http(1.0)("http://127.0.0.1:1/", b"{}", {})

    assert (reply.status, "ConnectionRefusedError" in reply.error) == (None, True)
