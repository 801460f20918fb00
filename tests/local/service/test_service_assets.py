"""Assets: three-step uploads and signed URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from local_service import BASE, JPEG, Caller, local_service

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that stands until it is moved."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def _open(caller: Caller, **changes: object) -> httpx.Response:
    announced = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": len(JPEG), **changes}
    return await caller.http.post("/v1/asset-uploads", json=announced)


async def _put(caller: Caller, url: str, **headers: str) -> httpx.Response:
    request = caller.http.build_request("PUT", url, content=JPEG, headers={"Content-Type": "image/jpeg"})
    del request.headers["Authorization"]
    request.headers.update(headers)
    return await caller.http.send(request)


async def test_an_uploaded_file_comes_back_from_its_signed_url(tmp_path: Path) -> None:
    """Open, PUT, confirm, GET: the same bytes under the declared type."""
    async with local_service(tmp_path) as caller:
        asset = await caller.upload()
        answer = await caller.fetch(asset["url"])

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, JPEG, "image/jpeg")


async def test_a_file_longer_than_one_piece_comes_back_whole(tmp_path: Path) -> None:
    """Uploads above the piece size go through a thread, downloads through a file."""
    data = bytes(range(256)) * 12_000
    async with local_service(tmp_path) as caller:
        answer = await caller.fetch((await caller.upload(data))["url"])

    assert data == answer.content


@pytest.mark.parametrize("refused", ["application/x-msdownload", "text/html", "image/svg+xml"])
async def test_a_type_that_is_not_taken_is_refused_before_any_byte(tmp_path: Path, refused: str) -> None:
    """422 at the field, with where the types that are taken stand."""
    async with local_service(tmp_path) as caller:
        answer = await _open(caller, mime_type=refused)
        (error,) = answer.json()["errors"]

    assert (422, "mime_type") == (answer.status_code, error["loc"][-1])
    assert refused in error["msg"]
    assert "GET /v1/assets/types" in error["msg"]


async def test_every_type_that_is_listed_is_taken(tmp_path: Path) -> None:
    """Images, video, sound, documents, texts and models; parameters and capitals make no other type of one."""
    async with local_service(tmp_path) as caller:
        listed = [entry["mime_type"] for entry in (await caller.get("/v1/assets/types"))["items"]]
        spelled = [*listed, "IMAGE/JPEG", "audio/ogg; codecs=opus"]
        statuses = {name: (await _open(caller, mime_type=name)).status_code for name in spelled}

    assert dict.fromkeys(spelled, 201) == statuses
    assert {"image", "video", "audio", "application", "model", "text"} == {name.partition("/")[0] for name in listed}


async def test_confirmation_tells_the_real_size(tmp_path: Path) -> None:
    """The announced size is only a bound."""
    async with local_service(tmp_path) as caller:
        opened = (await _open(caller, size_bytes=len(JPEG) + 5)).json()
        await _put(caller, opened["upload_url"])
        confirmed = await caller.http.post(f"/v1/asset-uploads/{opened['asset_id']}/confirmations")

    assert (201, len(JPEG)) == (confirmed.status_code, confirmed.json()["size_bytes"])


async def test_more_bytes_than_announced_are_refused(tmp_path: Path) -> None:
    """Whoever announces one byte does not fill the disk (scenario 149)."""
    async with local_service(tmp_path) as caller:
        opened = (await _open(caller, size_bytes=5)).json()
        answer = await _put(caller, opened["upload_url"])

    assert (413, []) == (answer.status_code, list((tmp_path / "incoming").iterdir()))


async def test_confirmation_before_the_bytes_is_refused(tmp_path: Path) -> None:
    """There is nothing to look at yet."""
    async with local_service(tmp_path) as caller:
        opened = (await _open(caller)).json()
        confirmed = await caller.http.post(f"/v1/asset-uploads/{opened['asset_id']}/confirmations", json={})

    assert (confirmed.status_code, confirmed.json()["code"]) == (422, "UPLOAD_MISSING")


@pytest.mark.parametrize(
    "changes",
    [{"size_bytes": 52_428_801}, {"size_bytes": 0}, {"filename": ""}, {"filename": "x" * 501}, {"mime_type": ""}],
)
async def test_an_upload_outside_the_limits_is_refused_at_step_one(tmp_path: Path, changes: dict[str, object]) -> None:
    """50 MiB, 1 to 500 characters, 1 to 255 characters."""
    async with local_service(tmp_path) as caller:
        answer = await _open(caller, **changes)

    assert (422, next(iter(changes))) == (answer.status_code, answer.json()["errors"][0]["loc"][-1])


async def test_the_largest_allowed_upload_is_opened(tmp_path: Path) -> None:
    """52,428,800 bytes are still fine."""
    async with local_service(tmp_path) as caller:
        answer = await _open(caller, size_bytes=52_428_800)

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("headers", "status"), [({"Authorization": "Bearer x"}, 400), ({"Content-Type": "image/png"}, 403)]
)
async def test_the_presigned_put_refuses(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    """An Authorization header, or another type than the declared one."""
    async with local_service(tmp_path) as caller:
        opened = (await _open(caller)).json()
        answer = await _put(caller, opened["upload_url"], **headers)

    assert status == answer.status_code


async def test_an_expired_put_url_is_refused(tmp_path: Path) -> None:
    """403, as an object store says it."""
    clock = Clock()
    async with local_service(tmp_path, clock=clock, upload_lifetime=60.0) as caller:
        opened = (await _open(caller)).json()
        clock.now += 61
        answer = await _put(caller, opened["upload_url"])

    assert answer.status_code == 403


async def test_a_get_url_expires_and_each_read_mints_a_fresh_one(tmp_path: Path) -> None:
    """403 on the old URL, 200 on the one that a new read gives."""
    clock = Clock()
    async with local_service(tmp_path, clock=clock, url_lifetime=60.0) as caller:
        asset = await caller.upload()
        clock.now += 61
        old = await caller.fetch(asset["url"])
        fresh = await caller.fetch((await caller.get(f"/v1/assets/{asset['id']}"))["url"])

    assert (old.status_code, fresh.status_code) == (403, 200)


@pytest.mark.parametrize("damage", ["signature=0", "expires=9999999999", "expires=x", "expires=²"])
async def test_a_url_with_another_query_opens_nothing(tmp_path: Path, damage: str) -> None:
    """The signature covers asset, method and expiry."""
    async with local_service(tmp_path) as caller:
        parts = urlsplit((await caller.upload())["url"])
        name = damage.partition("=")[0]
        fields = [damage if field.startswith(name) else field for field in parts.query.split("&")]
        answer = await caller.fetch(f"{BASE}{parts.path}?{'&'.join(fields)}")

    assert answer.status_code == 403


async def test_a_get_url_does_not_allow_a_put(tmp_path: Path) -> None:
    """Whoever may read may not replace."""
    async with local_service(tmp_path) as caller:
        asset = await caller.upload()
        answer = await _put(caller, asset["url"])

    assert answer.status_code == 403


async def test_a_confirmed_asset_keeps_its_bytes(tmp_path: Path) -> None:
    """A second PUT to the still valid URL changes nothing any more."""
    async with local_service(tmp_path) as caller:
        opened = (await _open(caller)).json()
        await _put(caller, opened["upload_url"])
        confirmed = await caller.http.post(f"/v1/asset-uploads/{opened['asset_id']}/confirmations")
        again = caller.http.build_request(
            "PUT", opened["upload_url"], content=b"other", headers={"Content-Type": "image/jpeg"}
        )
        del again.headers["Authorization"]
        await caller.http.send(again)
        answer = await caller.fetch(confirmed.json()["url"])

    assert answer.content == JPEG


async def test_equal_contents_are_stored_once(tmp_path: Path) -> None:
    """Two assets, one file."""
    async with local_service(tmp_path) as caller:
        for name in ("a.jpg", "b.jpg"):
            await caller.upload(name=name)
    stored = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file() and path.read_bytes() == JPEG]

    assert len(stored) == 1


async def test_signed_urls_follow_the_configured_address(tmp_path: Path) -> None:
    """Behind a proxy the request's host is not the public one."""
    async with local_service(tmp_path, public_url="https://photos.example/") as caller:
        asset = await caller.upload()

    assert asset["url"].startswith("https://photos.example/storage/")
