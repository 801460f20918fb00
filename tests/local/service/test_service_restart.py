"""What is kept through `kill -9` and a restart: everything that was answered for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from local_service import JPEG, PASS_THROUGH, ServiceProcess, local_service

from runflowd.local.blobs import Blobs, NotOurFolder
from runflowd.local.context import Service
from runflowd.local.jobs.deliveries import _send
from runflowd.local.jobs.worker import resume
from runflowd.local.settings import LocalSettings
from runflowd.local.storage import NewerStorage, Storage

if TYPE_CHECKING:
    from pathlib import Path

BATCHES = f"{PASS_THROUGH}/batches"
HOSTS = ("127.0.0.1", "localhost:80", "[::1]:1", "evil.example", "127.0.0.1.evil.example")
SLOW = '{"runs": [{"kind": "slow", "seconds": 60, "count": null}]}'


def _create(server: ServiceProcess, body: dict[str, Any], key: str = "") -> httpx.Response:
    return server.http.post(BATCHES, json=body, headers={"Idempotency-Key": key} if key else {})


def test_work_in_hand_is_finished_after_a_kill_and_charged_once(tmp_path: Path) -> None:
    """Killed with one run in work and three queued; the next process ends them all."""
    with ServiceProcess(tmp_path, "--faults", SLOW) as first:
        asset = first.upload()
        made = _create(first, {"input": [{"image_url": asset["url"]}] * 4}).json()
        first.kill()
    with ServiceProcess(tmp_path) as second:
        second.idle()
        batch = second.http.get(f"/v1/batches/{made['id']}").json()
        charges = second.ledger()["charges"]

    assert (
        batch["status_code"],
        [charge["times"] for charge in charges],
        len(set(charges[0]["runs"])),
    ) == ("succeeded", [4], 4)


def test_the_key_is_remembered_through_a_kill(tmp_path: Path) -> None:
    """A client that lost the answer gets the same ids from the next process, on another port."""
    with ServiceProcess(tmp_path, "--faults", '{"requests": [{"route": "POST */batches", "kind": "lose"}]}') as first:
        asset = first.upload()
        body = {"input": [{"image_url": asset["url"], "client_ref": "r"}]}
        with pytest.raises(httpx.TransportError):
            _create(first, body, "k")
        first.idle()
        first.kill()
    with ServiceProcess(tmp_path) as second:
        replayed = _create(second, body, "k")
        conflict = _create(second, {**body, "metadata": {}}, "k")
        ledger = second.ledger()

    assert (
        replayed.status_code,
        conflict.status_code,
        ledger["counts"]["batches"],
        ledger["charged_times"],
    ) == (201, 409, 1, 1)


def test_signed_urls_of_the_last_process_still_open(tmp_path: Path) -> None:
    """As references and for reading; only the port has changed."""
    with ServiceProcess(tmp_path) as first:
        asset = first.upload()
        first.kill()
    with ServiceProcess(tmp_path) as second:
        made = _create(second, {"input": [{"image_url": asset["url"]}]})
        answer = second.bare.get(second.url + asset["url"].removeprefix(first.url))

    assert (made.status_code, answer.content) == (201, JPEG)


def test_a_callback_that_was_not_taken_is_sent_by_the_next_process(tmp_path: Path) -> None:
    """The delivery waits in the database with its attempts counted."""
    with ServiceProcess(tmp_path, "--callback-backoff", "3600") as first:
        body = {"input": [{"image_url": "data:,x"}], "callback_url": "http://127.0.0.1:1/"}
        made = _create(first, body).json()
        history = f"/v1/batches/{made['id']}/callback"
        while not [entry for entry in first.http.get(history).json() if entry["attempt_count"]]:
            pass
        first.kill()
    with ServiceProcess(tmp_path) as second:
        (delivery,) = second.http.get(history).json()

    assert (delivery["status_code"], delivery["attempt_count"]) == ("pending", 1)


def test_an_upload_cut_by_a_kill_leaves_no_file_behind(tmp_path: Path) -> None:
    """Half-received bytes are swept at the next start."""
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "half").write_bytes(b"x")
    with ServiceProcess(tmp_path):
        left = list((tmp_path / "incoming").iterdir())

    assert left == []


def test_the_balance_follows_what_was_spent_before(tmp_path: Path) -> None:
    """Charges and top-ups are durable."""
    with ServiceProcess(tmp_path, "--balance", "10") as first:
        first.control(balance="2.5")
        first.kill()
    with ServiceProcess(tmp_path, "--balance", "10") as second:
        document = second.http.get("/v1/billing/balance").json()

    assert document["balance"] == "2.5"


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """Rather than read wrongly."""
    storage = Storage(tmp_path)
    storage.run("PRAGMA user_version = 999")
    storage.close()

    with pytest.raises(NewerStorage, match="schema 999"):
        Storage(tmp_path)


def test_the_database_is_private(tmp_path: Path) -> None:
    """Signing keys are in it."""
    Storage(tmp_path).close()

    assert (tmp_path / "local.db").stat().st_mode & 0o777 == 0o600


def test_its_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whoever shares a group with it swaps none of them for a link (scenario 149)."""
    with ServiceProcess(tmp_path / "service"):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "service").glob("**/") if path.is_dir()}

    assert {0o700} == set(modes.values()), modes


@pytest.mark.parametrize("name", ["incoming", "blobs"])
def test_a_folder_that_was_swapped_for_a_link_is_refused(tmp_path: Path, name: str) -> None:
    """It swept what a killed upload left, and with a link that was somebody else's files (scenario 149)."""
    (tmp_path / "service").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (precious := tmp_path / "elsewhere" / "state.db").touch()
    (tmp_path / "service" / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotOurFolder, match="is a link"):
        Blobs(tmp_path / "service")
    assert precious.exists()


def test_a_storage_of_the_first_version_is_taken_along(tmp_path: Path) -> None:
    """With its runs, whose words are spelled as they are now."""
    fields = "id, model, input, images, price, request_id, created_at"
    storage = Storage(tmp_path)
    storage.run("ALTER TABLE runs DROP COLUMN starts")
    storage.run(f"INSERT INTO runs ({fields}, status) VALUES ('r', 'm', '{{}}', '{{}}', 0, 'q', 0.0, 'cancelled')")
    storage.run("PRAGMA user_version = 1")
    storage.close()
    upgraded = Storage(tmp_path)
    found = [(row["starts"], row["status"]) for row in upgraded.all("SELECT starts, status FROM runs")]
    upgraded.close()

    assert [(0, "canceled")] == found


@pytest.mark.anyio
async def test_a_run_that_killed_the_service_twice_fails(tmp_path: Path) -> None:
    """The third start does not meet it again, and the others of its batch keep what they have (scenario 149)."""
    async with local_service(tmp_path) as caller:
        await caller.batch({"image_url": "data:,x"}, {"image_url": "data:,y"})
        await caller.idle()

    told = [killed_while_working(tmp_path, starts) for starts in (1, 2)]

    assert [("queued", None), ("failed", "SERVICE_KILLED")] == told


def killed_while_working(folder: Path, starts: int) -> tuple[str, str | None]:
    """What becomes of the first run at the start after that many of them have ended with the service's death."""
    service = Service(LocalSettings(folder), time.time)
    service.storage.run("UPDATE runs SET status = 'running', starts = ? WHERE sequence_index = 0", starts)
    resume(service)
    row = service.storage.one("SELECT status, failure_code FROM runs WHERE sequence_index = 0")
    service.storage.close()
    assert row is not None
    return row["status"], row["failure_code"]


def test_only_names_of_this_machine_are_served(tmp_path: Path) -> None:
    """A web page that points a name of its own at this machine sees nothing (scenario 149)."""
    with ServiceProcess(tmp_path) as service:
        statuses = [service.http.get("/v1/health", headers={"Host": host}).status_code for host in HOSTS]

    assert [200, 200, 200, 421, 421] == statuses


def test_callbacks_go_to_this_machine_only() -> None:
    """Whoever may create a run cannot have the service call and read another host (scenario 149)."""
    reply = _send("http://192.0.2.1/callbacks", b"{}", {}, 1.0)

    assert (None, True) == (reply.status, "this machine only" in reply.error)
