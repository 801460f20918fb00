"""The client against a server that answers over a real socket, well or badly."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hostile_server import (
    Behaviour,
    HostileServer,
    answer,
    drip,
    endless,
    hang_up,
    head,
    hostile_server,
    json_answer,
    raw,
    stay_silent,
)

from runflowd.api import (
    ApiError,
    Conflict,
    Limits,
    NotFound,
    OutOfCredit,
    Permanent,
    RateLimited,
    Rejected,
    Runflow,
    Scope,
    SecretKey,
    Service,
    Status,
    Transient,
    Unauthorized,
    Unsafe,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio

SECRET = "rf_live_topsecretvalue"
QUICK = Limits(connect=1, idle=1, total=0.3, transfer=0.3, answer=100_000)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops: the daemon runs on one, its stage tests on the other."""
    name: str = request.param
    return name


@asynccontextmanager
async def facing(*script: Behaviour, limits: Limits | None = None) -> AsyncIterator[tuple[Runflow, HostileServer]]:
    """A client and the server it talks to."""
    async with hostile_server(*script) as server:
        service = Service(server.url, "org-1", SecretKey(SECRET))
        async with Runflow(service, limits=limits) as client:
            yield client, server


async def test_a_batch_is_posted_byte_for_byte_under_its_key() -> None:
    """The stored intent, not a re-encoding of it, goes over the line with all identifying headers."""
    body = b'{"items": [ {"input":{"a":1.0}} ] }'
    async with facing(json_answer({"id": "b1"}, 201)) as (client, server):
        await client.create_batch("runflow/outpaint/aspect-ratio", body, "key-1")

    sent = server.seen[0]
    assert ("POST", "/v1/models/runflow/outpaint/aspect-ratio/batches", body) == (sent.method, sent.target, sent.body)
    assert ("key-1", "org-1", f"Bearer {SECRET}", "application/json") == tuple(
        sent.headers[name] for name in ("idempotency-key", "x-organization-id", "authorization", "content-type")
    )


async def test_requests_say_who_asks() -> None:
    """The service's operators can tell runflowd's requests from others."""
    async with facing(json_answer({"id": "me"})) as (client, server):
        await client.me()

    assert server.seen[0].headers["user-agent"].startswith("runflowd/")


async def test_no_key_means_no_authorization_header() -> None:
    """A local service needs no account."""
    async with hostile_server(json_answer({"id": "me"})) as server, Runflow(Service(server.url + "/v1/")) as client:
        await client.me()

    assert "authorization" not in server.seen[0].headers
    assert server.seen[0].target.startswith("/v1/auth/me")


async def test_a_key_read_again_is_used_at_once() -> None:
    """After a rotation the next request carries the new key."""
    keys = iter(["old-key", "new-key"])
    key = SecretKey(lambda: next(keys))
    async with hostile_server(json_answer({"id": "me"})) as server, Runflow(Service(server.url, "", key)) as client:
        await client.me()
        changed = key.reload_key()
        await client.me()

    assert changed
    assert ["Bearer old-key", "Bearer new-key"] == [one.headers["authorization"] for one in server.seen]


async def test_connections_are_reused() -> None:
    """A second call costs no second handshake."""
    async with facing(json_answer({"id": "me"})) as (client, server):
        for _ in range(5):
            await client.me()

    assert 1 == server.connections


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (400, Rejected, Scope.BATCH),
        (401, Unauthorized, Scope.SERVICE),
        (402, OutOfCredit, Scope.SERVICE),
        (403, Unauthorized, Scope.SERVICE),
        (404, NotFound, Scope.RULE),
        (409, Conflict, Scope.BATCH),
        (413, Permanent, Scope.BATCH),
        (422, Rejected, Scope.BATCH),
        (429, RateLimited, Scope.SERVICE),
        (500, Transient, Scope.RULE),
        (503, Transient, Scope.RULE),
        (307, Unsafe, Scope.SERVICE),
    ],
)
async def test_each_status_has_its_exception(status: int, kind: type[ApiError], scope: Scope) -> None:
    """The type says what to do, the scope what has to pause."""
    body = {"code": "WHY", "message": "because"}
    async with facing(json_answer(body, status, location="https://elsewhere.example/?token=t")) as (client, _):
        with pytest.raises(ApiError) as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert (kind, scope, status) == (type(caught.value), caught.value.scope, caught.value.status)


@pytest.mark.parametrize(
    ("behaviour", "ambiguous"),
    [
        pytest.param(hang_up, True, id="hangs up"),
        pytest.param(stay_silent, True, id="silent"),
        pytest.param(drip(head(200, {"content-length": "100000"})), True, id="slow loris"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nx: "), True, id="slow loris in the headers"),
        pytest.param(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), True, id="not HTTP"),
        pytest.param(raw(head(200, {"content-length": "50"}) + b'{"id": "b1"'), True, id="cut short"),
        pytest.param(raw(head(200, {"transfer-encoding": "chunked"}) + b'5\r\n{"id"'), True, id="cut chunk"),
        pytest.param(raw(head(200, {"content-encoding": "gzip"}) + b"nonsense"), True, id="bad gzip"),
        pytest.param(raw(head(200, {"content-encoding": "br"}) + b"nonsense"), True, id="unknown coding"),
        pytest.param(answer(b"<html><title>Log in</title>", content_type="text/html"), True, id="login page"),
        pytest.param(answer(b'{"id": "b1"'), True, id="half JSON"),
        pytest.param(answer(b"\xff\xfe{}"), True, id="not UTF-8"),
        pytest.param(answer(b"[" * 50_000), True, id="deep JSON"),
        pytest.param(answer(b"1" * 50_000), True, id="giant number"),
        pytest.param(json_answer(None), True, id="null"),
        pytest.param(json_answer({"id": None}), True, id="no id"),
        pytest.param(json_answer({"id": ".."}), True, id="an id that climbs"),
        pytest.param(json_answer({}, 502), True, id="502"),
        pytest.param(json_answer({}, 429), False, id="429"),
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_tried_again(behaviour: Behaviour, ambiguous: bool) -> None:
    """Whatever is unclear after the request left is transient, and perhaps acted upon (scenarios 86, 88, 89, 90)."""
    async with facing(behaviour, limits=QUICK) as (client, _):
        with pytest.raises(Transient) as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert ambiguous == caught.value.ambiguous


async def test_an_unclear_read_leaves_no_doubt() -> None:
    """Only calls that buy or make something can be ambiguous."""
    async with facing(hang_up) as (client, _):
        with pytest.raises(Transient) as caught:
            await client.batch("b1")

    assert not caught.value.ambiguous


async def test_a_refused_connection_bought_nothing() -> None:
    """A POST that never left is no doubt, and it is the machine or its network that pauses."""
    async with hostile_server(hang_up) as server:
        url = server.url
    async with Runflow(Service(url)) as client:
        with pytest.raises(Transient) as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert (False, Scope.MACHINE) == (caught.value.ambiguous, caught.value.scope)


async def test_an_unknown_host_is_named() -> None:
    """The sentence says which name did not resolve (scenario 87)."""
    async with Runflow(Service("http://nowhere.invalid")) as client:
        with pytest.raises(Transient, match=r"nowhere\.invalid") as caught:
            await client.me()

    assert Scope.MACHINE == caught.value.scope


async def test_an_endless_answer_is_cut_off() -> None:
    """A body beyond the bound is never held in memory (scenario 89)."""
    async with facing(endless(head(200, {})), limits=Limits(answer=200_000)) as (client, _):
        with pytest.raises(Unsafe, match="exceeds 200000 bytes"):
            await client.batch("b1")


async def test_a_compressed_bomb_is_cut_off() -> None:
    """Compression that nobody asked for does not get around the bound (scenario 89)."""
    import gzip

    bomb = gzip.compress(b" " * 5_000_000)
    async with facing(answer(bomb, content_encoding="gzip"), limits=Limits(answer=200_000)) as (client, _):
        with pytest.raises(Unsafe, match="exceeds 200000 bytes"):
            await client.batch("b1")


async def test_compressed_json_is_read() -> None:
    """A gateway that compresses unasked is put up with."""
    import gzip

    body = gzip.compress(json.dumps({"id": "b1", "status_code": "running"}).encode())
    async with facing(answer(body, content_encoding="gzip")) as (client, _):
        batch = await client.batch("b1")

    assert ("b1", Status.PENDING, "running") == (batch.id, batch.status, batch.word)


async def test_the_key_follows_no_redirect() -> None:
    """A redirect is an error; nothing is sent to where it points (scenario 91)."""
    async with hostile_server(json_answer({"id": "stolen"})) as other:
        redirect = answer(status=302, location=other.url + "/v1/batches/b1?token=t")
        async with facing(redirect) as (client, _):
            with pytest.raises(Unsafe, match="redirects"):
                await client.batch("b1")

    assert [] == other.seen


async def test_cookies_are_not_kept() -> None:
    """Requests carry nothing that an answer planted."""
    async with facing(json_answer({"id": "me"}, set_cookie="tracker=1; Path=/")) as (client, server):
        await client.me()
        await client.me()

    assert "cookie" not in server.seen[1].headers


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb"])
async def test_a_name_that_would_change_the_address_is_refused(name: str) -> None:
    """An id never climbs out of its place in the path."""
    async with facing(json_answer({})) as (client, server):
        with pytest.raises(Permanent):
            await client.batch(name)

    assert [] == server.seen


async def test_a_strange_id_stays_one_segment() -> None:
    """Slashes, question marks and percent signs of an id are encoded."""
    async with facing(json_answer({"id": "x"})) as (client, server):
        await client.batch("a/../b?c#d%2e")

    assert "/v1/batches/a%2F..%2Fb%3Fc%23d%252e" == server.seen[0].target


@pytest.mark.parametrize("key", ["two\nlines", "caf\u00e9", "tab\tbed"])
async def test_a_damaged_key_is_reported_and_not_sent(key: str) -> None:
    """A key file with rubbish in it is the key's fault, said without showing it."""
    async with hostile_server(json_answer({})) as server, Runflow(Service(server.url, "", SecretKey(key))) as client:
        with pytest.raises(Unauthorized) as caught:
            await client.me()

    assert [] == server.seen
    assert key not in str(caught.value)


async def test_items_are_paged_by_either_envelope() -> None:
    """The cursor goes back as `pq`."""
    first = {"items": [{"run_id": "r1"}], "next": "https://api.example/v1/batches/b/items?limit=1&pq=c%2B2"}
    async with facing(json_answer(first), json_answer({"data": [{"run_id": "r2"}]})) as (client, server):
        one = await client.items("b")
        two = await client.items("b", one.next)

    assert (["r1"], ["r2"], None) == ([i.run_id for i in one.items], [i.run_id for i in two.items], two.next)
    assert "pq=c%2B2" in server.seen[1].target


async def test_a_page_too_large_is_asked_for_in_smaller_pieces() -> None:
    """Results that come inline do not block a batch for ever."""
    script = (endless(head(200, {})), json_answer({"items": [{"run_id": "r1"}], "next": "more"}))
    async with facing(*script, limits=Limits(answer=100_000)) as (client, server):
        page = await client.items("b")

    assert "more" == page.next
    assert ["limit=100", "limit=10"] == [one.target.partition("?")[2].partition("&")[0] for one in server.seen]


async def test_a_server_that_knows_no_signature_flag_is_asked_without() -> None:
    """The flag that first-party code sends is dropped for good once it proves unwelcome."""
    refused = json_answer({"detail": [{"loc": ["query", "add_signature"], "msg": "extra"}]}, 422)
    async with facing(refused, json_answer({"id": "r"})) as (client, server):
        await client.run("r")
        await client.run("r")

    assert [True, False, False] == ["add_signature" in one.target for one in server.seen]


async def test_a_rejected_id_does_not_cost_the_signature_flag() -> None:
    """A 422 with and without the flag has another cause."""
    async with facing(json_answer({"detail": "bad id"}, 422)) as (client, server):
        for _ in range(2):
            with pytest.raises(Rejected):
                await client.run("r")

    assert "add_signature" in server.seen[2].target


async def test_runs_are_found_by_their_own_reference_only() -> None:
    """A server that ignores the filter does not hand us other people's runs."""
    rows = [{"id": "r1", "client_ref": "mine", "batch_id": "b1"}, {"id": "r2", "client_ref": "theirs"}, {"id": "r3"}]
    async with facing(json_answer({"items": rows, "next": "c"}), json_answer({"items": []})) as (client, server):
        found = await client.find_runs("mine")

    assert [("r1", "b1")] == [(run.id, run.batch_id) for run in found]
    assert "q=client_ref.EQ%3A%27mine%27" in server.seen[0].target


async def test_a_search_that_goes_in_circles_ends() -> None:
    """The same cursor twice is the last page."""
    async with facing(json_answer({"items": [], "next": "same"})) as (client, server):
        await client.find_runs("mine")

    assert 2 == len(server.seen)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ((json_answer({"balance": "12.50"}),), Decimal("12.50")),
        ((json_answer({"balance_cents": 1250, "currency": "USD"}),), Decimal("12.5")),
        ((json_answer({}, 404), json_answer({"items": [{"balance_usd": 3}]})), Decimal(3)),
        ((json_answer({}, 403), json_answer({"balance": 4})), Decimal(4)),
        ((json_answer({}, 403),), None),
        ((json_answer({"balance": "NaN"}),), None),
        ((json_answer({"balance": "-0.25"}),), Decimal("-0.25")),
    ],
)
async def test_the_balance_is_read_in_every_shape(script: tuple[Behaviour, ...], expected: Decimal | None) -> None:
    """Three documented shapes, two routes, and keys that may not look."""
    async with facing(*script) as (client, _):
        credit = await client.credit()

    assert expected == (credit.balance if credit else None)


@pytest.mark.parametrize(
    ("told_threshold", "expected"), [("5.00", Decimal(5)), (None, None), ("much", None), ("-1", None)]
)
async def test_the_threshold_of_a_low_balance_is_read_where_stated(
    told_threshold: Any, expected: Decimal | None
) -> None:
    """Nonsense tells nothing."""
    async with facing(json_answer({"balance": "1", "low_balance_threshold": told_threshold})) as (client, _):
        credit = await client.credit()

    assert (Decimal(1), expected) == (credit and credit.balance, credit and credit.low)


@pytest.mark.parametrize(
    ("date", "expected"), [("Thu, 01 Jan 1970 00:00:00 GMT", True), ("yesterday", False), ("", False)]
)
async def test_the_clock_of_the_service_is_read_from_its_answers(date: str, *, expected: bool) -> None:
    """Also from a refusal; a date that makes no sense tells nothing."""
    async with facing(json_answer({}, 401, date=date)) as (client, _):
        with pytest.raises(Unauthorized):
            await client.me()
        ahead = client.snapshot().ahead

    assert expected == (ahead is not None and ahead < -1_000_000_000)


async def test_a_bad_key_is_reported_when_reading_the_balance() -> None:
    """401 is no missing scope."""
    async with facing(json_answer({}, 401)) as (client, _):
        with pytest.raises(Unauthorized):
            await client.credit()


@pytest.mark.parametrize("status", [404, 409, 422])
async def test_a_confirmation_made_before_is_good_enough(status: int) -> None:
    """After a crash between confirming and recording, the asset itself settles it."""
    async with facing(json_answer({}, status), json_answer({"id": "a1", "url": "https://x.example/a"})) as (client, _):
        asset = await client.confirm("a1")

    assert "https://x.example/a" == asset.url


async def test_a_confirmation_that_was_never_made_is_refused() -> None:
    """The first refusal is the one that is told."""
    async with facing(json_answer({"code": "FIRST"}, 422), json_answer({"code": "SECOND"}, 404)) as (client, _):
        with pytest.raises(Rejected) as caught:
            await client.confirm("a1")

    assert "FIRST" == caught.value.code


async def test_an_asset_without_an_address_is_referred_to() -> None:
    """The reference form is what the SDK recommends where no signed URL is given."""
    async with facing(json_answer({"id": "a1", "url": None})) as (client, _):
        asset = await client.confirm("a1")

    assert "runflow://assets/a1" == asset.url


async def test_a_name_of_any_bytes_can_be_uploaded() -> None:
    """The label survives names that are no UTF-8 and names that are too long."""
    async with facing(json_answer({"asset_id": "a", "upload_url": "https://x.example/u"}, 201)) as (client, server):
        upload = await client.create_upload("x" * 600 + "\udcff.jpg", "image/jpeg", 5)

    sent = json.loads(server.seen[0].body)
    assert ("a", 500, "?.jpg") == (upload.asset_id, len(sent["filename"]), sent["filename"][-5:])


async def test_models_and_account_are_read() -> None:
    """What `doctor` and `check` ask."""
    detail = {
        "id": "u1",
        "name": "Remove",
        "inputs": [{"name": "image_url", "variable_type_code": "image", "is_required": True}, {"name": None}, 3],
    }
    found = {"items": [{"slug": "upscale", "model_creator": {"slug": "runflow"}}, {"name": "no slug"}]}
    me = {"id": "p1", "email": "a@b.example", "memberships": [{"org": {"slug": "o"}, "scopes": ["runs:read", 7]}]}
    async with facing(json_answer(detail), json_answer(found), json_answer(me)) as (client, _):
        model, models, identity = await client.model("runflow/remove"), await client.models("x"), await client.me()

    assert [("image_url", "image", True)] == [(one.name, one.kind, one.required) for one in model.inputs]
    assert ["runflow/upscale"] == [one.id for one in models]
    assert (("o",), ("runs:read",)) == (identity.organizations, identity.scopes)


async def test_a_callback_secret_is_not_printed() -> None:
    """It is shown once by the service and never by us."""
    async with facing(json_answer({"id": "s1", "plain_secret": "whsec_abc"}, 201)) as (client, _):
        secret = await client.create_callback_secret("runflowd")

    assert ("s1", "whsec_abc") == (secret.id, secret.plain_secret)
    assert "whsec_abc" not in repr(secret)


async def test_traffic_is_counted_by_route_and_status() -> None:
    """Metrics and the benchmark read the snapshot."""
    async with facing(json_answer({"id": "b"}), json_answer({}, 503), hang_up) as (client, _):
        await client.batch("b")
        for _ in range(2):
            with pytest.raises(Transient):
                await client.batch("b")
        traffic = client.snapshot()

    route = "GET batches/{id}"
    assert {(route, 200): 1, (route, 503): 1, (route, 0): 1} == traffic.requests
    assert (11 + 2, 0) == (traffic.received, traffic.in_flight)


async def test_a_key_of_any_look_is_kept_secret() -> None:
    """A key without a known prefix is taken out of the answer that quotes it."""
    echo = json_answer({"code": "plain-looking-key", "message": "no such key: plain-looking-key"}, 401)
    async with (
        hostile_server(echo) as server,
        Runflow(Service(server.url, "", SecretKey("plain-looking-key"))) as client,
    ):
        with pytest.raises(Unauthorized) as caught:
            await client.me()

    assert "plain-looking-key" not in str(caught.value)


async def test_a_purchase_with_an_endless_receipt_stays_open() -> None:
    """The batch may exist: an answer too long to read is no refusal."""
    async with facing(endless(head(201, {})), limits=QUICK) as (client, _):
        with pytest.raises(Transient) as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert caught.value.ambiguous


async def test_an_organization_that_is_no_header_is_reported() -> None:
    """A damaged setting is said in our own words."""
    async with Runflow(Service("http://127.0.0.1:9", "caf\u00e9")) as client:
        with pytest.raises(Unauthorized, match="organization"):
            await client.me()


@pytest.mark.parametrize("url", ["", "no address", "https://", "https://x:port/"])
async def test_a_service_without_an_address_is_refused(url: str) -> None:
    """At once, and not at the first call."""
    with pytest.raises(Permanent, match="no address of a service"):
        Runflow(Service(url))


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls and downloads go through it; the proxy's own private address is the operator's choice."""
    async with hostile_server(json_answer({"id": "me"})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with Runflow(Service("http://api.example.com")) as client:
            await client.me()
            async with client.download("http://cdn.example.com/a.png", 100) as download:
                size = download.length

    assert size == len(b'{"id": "me"}')
    assert [one.target.partition("?")[0] for one in proxy.seen] == [
        "http://api.example.com/v1/auth/me",
        "http://cdn.example.com/a.png",
    ]


async def test_loopback_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local service is reached directly whatever the environment says."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with facing(json_answer({"id": "me"})) as (client, server):
        await client.me()

    assert len(server.seen) == 1


CALLS: list[Callable[[Runflow], object]] = [
    lambda client: client.create_batch("a/b", b"{}", "k"),
    lambda client: client.batch("b"),
    lambda client: client.me(),
]


@pytest.mark.parametrize("call", CALLS)
async def test_errors_keep_the_secret(call: Callable[[Runflow], object]) -> None:
    """A server that echoes the key and a signed URL finds neither in the sentence."""
    echo = f"key {SECRET} Bearer abcdefgh at https://s3.example/o?X-Amz-Signature=deadbeef&a=1"
    async with facing(json_answer({"code": SECRET, "message": echo}, 500, x_request_id=SECRET)) as (client, _):
        with pytest.raises(ApiError) as caught:
            await call(client)  # type: ignore[misc]  # each gives an awaitable

    shown = str(caught.value) + repr(caught.value)
    assert not any(secret in shown for secret in ("topsecretvalue", "abcdefgh", "deadbeef"))
