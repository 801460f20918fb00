"""What every request passes: order, places, repetition, and one probe at a time."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from virtual_clock import patient_clock

from runflowd.api.errors import Place, RateLimited, Transient, Unauthorized
from runflowd.api.gates import Gates
from runflowd.api.settings import Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

PLACE = Place("read the batch", "api.test")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time jumps to the next deadline once nothing else is to be done."""
    return "trio", {"clock": patient_clock()}


def gates(most: int = 64) -> Gates:
    """Those of a new client, without chance."""
    return Gates(Limits(connections=most), lambda: 0.0)


def answering(*errors: Exception) -> tuple[Callable[[], Awaitable[str]], list[float]]:
    """A request that ends with each of the errors in turn, then well; and when it was made."""
    left, made = list(errors), []

    async def send() -> str:
        made.append(anyio.current_time())
        if left:
            raise left.pop(0)
        return "answer"

    return send, made


async def test_polls_and_purchases_overtake_uploads_and_starve_none() -> None:
    """Whoever is `behind` goes at its time all the same (scenario 129)."""
    api = gates(1).api
    order: list[str] = []

    async def one(name: str, behind: float = 0.0) -> None:
        async def send() -> None:
            order.append(name)
            await anyio.sleep(4)

        await api.run(send, behind=behind)

    await one("first")
    async with anyio.create_task_group() as group:
        group.start_soon(one, "second")
        await anyio.sleep(1)
        group.start_soon(one, "upload", 10.0)
        for number in range(6):
            group.start_soon(one, f"poll {number}")
            await anyio.sleep(3)

    assert ["first", "second", "poll 0", "poll 1", "poll 2", "poll 3", "upload", "poll 4", "poll 5"] == order


async def test_whoever_leaves_the_queue_gives_its_place_to_the_next() -> None:
    """A stop or a lost lease ends the wait at once."""
    api = gates().api
    send, made = answering(RateLimited(PLACE, status=429, retry_after=30.0))
    await api.run(send)
    with anyio.move_on_after(0.01) as gone:
        await api.run(send)

    assert (gone.cancelled_caught, 2, "0 waiting>") == (
        True,
        len(made),
        repr(api).rpartition(" ")[0][-1:] + " waiting>",
    )
    await api.run(send)
    assert 3 == len(made)


async def test_a_probe_that_is_cancelled_lets_the_next_one_go() -> None:
    """Nobody waits for an answer that will not come (scenario 130)."""
    api = gates().api
    made: list[float] = []

    async def endless() -> None:
        await anyio.sleep_forever()

    async def quick() -> None:
        made.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        with anyio.move_on_after(5):
            group.start_soon(partial(api.run, quick))
            await api.run(endless)

    assert 1 == len(made)


async def test_a_request_that_failed_by_itself_is_repeated_and_a_doubtful_one_is_not() -> None:
    """Five times at most, with growing pauses (scenario 154)."""
    failure = [Transient(PLACE, status=500) for _ in range(5)]
    send, made = answering(*failure)
    answer = await gates().api.run(send)
    doubtful, once = answering(Transient(PLACE, status=500, ambiguous=True))
    with pytest.raises(Transient):
        await gates().api.run(doubtful)

    pauses = [round(later - earlier, 3) for earlier, later in pairwise(made)]
    assert ("answer", [0.125, 0.25, 0.5, 1.0, 2.0], 1) == (answer, pauses, len(once))


async def test_what_is_refused_for_all_is_sent_by_nobody_until_a_probe_gets_through() -> None:
    """The others hear the same reason, unsent, with the time of the next probe (scenario 130)."""
    api = gates().api
    send, made = answering(Unauthorized(PLACE, status=401))
    heard: list[Unauthorized] = []

    async def one() -> None:
        try:
            await api.run(send)
        except Unauthorized as error:
            heard.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(one)
    closed = heard[-1].closed
    await anyio.sleep(1)
    await api.run(send)

    assert (50, 2, "service", 1.0) == (len(heard), len(made), closed and closed.scope, closed and closed.seconds)


async def test_a_long_wait_that_the_service_asks_for_is_reported() -> None:
    """A minute is waited for in silence, an hour is not (scenario 80)."""
    send, _ = answering(RateLimited(PLACE, status=429, retry_after=3600.0))
    with pytest.raises(RateLimited) as caught:
        await gates().api.run(send)

    assert caught.value.closed
    assert 3600 == caught.value.closed.seconds


async def test_storage_hosts_are_distinguished_and_few_are_remembered() -> None:
    """Their names come from the service."""
    found = gates()
    first = found.storage("a.test")
    for number in range(100):
        found.storage(f"{number}.test")

    assert found.storage("a.test") is not first
    assert found.storage("99.test") is found.storage("99.test")


async def test_what_the_service_told_one_host_to_wait_holds_for_the_others() -> None:
    """Each says for how long it was told to (429), and begins nothing for as long as another one was."""
    refused, asked = answering(RateLimited(PLACE, status=429, retry_after=20.0))
    told, other = gates().api, gates().api
    async with anyio.create_task_group() as group:
        group.start_soon(told.run, refused)
        await anyio.sleep(5)
        seconds = told.throttle(0.0)
        other.throttle(seconds)
        began, (send, made) = anyio.current_time(), answering()
        await other.run(send)

    assert (15.0, 15.0, 2) == (round(seconds, 3), round(made[0] - began, 3), len(asked))
    assert 0.0 == told.throttle(0.0)
