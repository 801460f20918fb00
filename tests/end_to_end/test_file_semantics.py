"""What people do with files while the daemon runs, and what becomes of the results and the bill."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import HOLD, SLOW_RUN, Corner, Installation, picture, sha256, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon_process import Service

UPSCALE = {"model": "runflow/upscale", "input": {"image_url": "${file.url}", "output_format": "jpeg"}}

RULES: dict[str, dict[str, Any]] = {
    "": {},
    "-delete": {"after": "delete"},
    "-move": {"after": {"move": "archive"}},
    "-remove": {"on_delete": "remove", "rescan": "1s"},
    "-late": {"batch": {"quiet": "1s", "max_wait": "5s"}},
    "-jpeg": UPSCALE,
}
"""What distinguishes each rule, by what follows `in` and `out` in its folders."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shared_service: Service) -> Iterator[Installation]:
    """One daemon for all tests here; each has a folder of its own."""
    shared_service.calm()
    made = Installation(tmp_path_factory.mktemp("semantics"), shared_service)
    for suffix in RULES:
        (made.folder / f"in{suffix}").mkdir(exist_ok=True)
    made.configure_rules(
        {
            f"rule{suffix}": made.rule(**{"watch": f"in{suffix}", "output": f"out{suffix}", **settings})
            for suffix, settings in RULES.items()
        }
    )
    try:
        made.start()
        made.wait_until_open(*(f"rule{suffix}" for suffix in RULES))
        yield made
    finally:
        made.end()


@pytest.fixture
def corner(running: Installation, service: Service, request: pytest.FixtureRequest) -> Corner:
    """The test's own folder, under the rule that only hands images through."""
    return running.corner(request.node.name)


def corner_of(running: Installation, rule: str, request: pytest.FixtureRequest) -> Corner:
    """The test's own folder under another rule."""
    return Corner(running, request.node.name, rule)


def test_a_renamed_source_takes_its_result_along(corner: Corner) -> None:
    """At no cost (scenario 13)."""
    data = picture()
    source = corner.write("a.jpg", data)
    corner.wait("done", "a.jpg")
    (corner.input / "sub").mkdir()
    source.rename(corner.input / "sub" / "b.jpg")

    corner.wait_for({"sub/b.jpg": data})
    assert [1] == corner.bought(data)


def test_a_renamed_folder_takes_its_results_along(corner: Corner) -> None:
    """No event names the files in it (scenario 6)."""
    first, second = picture(), picture()
    corner.write("old/a.jpg", first)
    corner.write("old/deep/b.jpg", second)
    corner.wait("done", "old/a.jpg", "old/deep/b.jpg")
    (corner.input / "old").rename(corner.input / "new")

    corner.wait_for({"new/a.jpg": first, "new/deep/b.jpg": second})
    assert [1, 1] == corner.bought(first, second)


def test_a_source_renamed_on_its_way_has_one_result(corner: Corner, service: Service) -> None:
    """What was bought under the old name is delivered under the new one (scenario 10)."""
    data = picture()
    service.faults(HOLD, runs=({**SLOW_RUN, "match": sha256(data)},))
    source = corner.write("a.jpg", data)
    corner.wait("queued", "a.jpg")
    source.rename(corner.input / "b.jpg")
    corner.wait("done", "b.jpg")

    corner.wait_for({"b.jpg": data})
    assert [1] == corner.bought(data)


def test_a_copy_elsewhere_is_not_bought(corner: Corner) -> None:
    """The same content under the same recipe is paid for once (scenario 12)."""
    data = picture()
    corner.write("a.jpg", data)
    corner.wait("done", "a.jpg")
    corner.write("other/b.jpg", data)
    corner.wait("done", "other/b.jpg")

    corner.wait_for({"a.jpg": data, "other/b.jpg": data})
    assert [1] == corner.bought(data)


def test_swapped_names_swap_the_results(corner: Corner) -> None:
    """Nothing is bought, and nobody's result is lost on the way."""
    first, second = picture(), picture()
    corner.write("a.jpg", first)
    corner.write("b.jpg", second)
    corner.wait("done", "a.jpg", "b.jpg")
    (corner.input / "a.jpg").rename(corner.input / "c.part")
    (corner.input / "b.jpg").rename(corner.input / "a.jpg")
    (corner.input / "c.part").rename(corner.input / "b.jpg")

    corner.wait_for({"a.jpg": second, "b.jpg": first})
    assert [1, 1] == corner.bought(first, second)


def test_a_replaced_source_replaces_its_result(corner: Corner) -> None:
    """In place: there is never a moment without a whole file (scenario 11)."""
    old, new = picture(), picture()
    corner.write("a.jpg", old)
    corner.wait("done", "a.jpg")
    corner.write("a.jpg", new)

    corner.wait_for({"a.jpg": new})
    assert [1, 1] == corner.bought(old, new)


def test_a_source_that_returns_to_an_old_content_costs_nothing(corner: Corner) -> None:
    """The first result was paid for; it is fetched again."""
    old, new = picture(), picture()
    corner.write("a.jpg", old)
    corner.wait("done", "a.jpg")
    corner.write("a.jpg", new)
    corner.wait_for({"a.jpg": new})
    corner.write("a.jpg", old)

    corner.wait_for({"a.jpg": old})
    assert [1, 1] == corner.bought(old, new)


def test_a_touched_source_is_not_bought_again(corner: Corner) -> None:
    """Its time changed, its content did not."""
    data = picture()
    source = corner.write("a.jpg", data)
    corner.wait("done", "a.jpg")
    os.utime(source)
    corner.wait_until_seen("a.jpg")

    assert ([1], {"a.jpg": "done"}) == (corner.bought(data), corner.states())


def test_a_result_that_someone_edited_is_never_overwritten(corner: Corner) -> None:
    """The new result stands beside it (scenario 53)."""
    old, new = picture(), picture()
    corner.write("a.jpg", old)
    corner.wait("done", "a.jpg")
    (corner.output / "a.jpg").write_bytes(b"retouched")
    corner.write("a.jpg", new)

    corner.wait_for({"a.jpg": b"retouched", "a (jpg).jpg": new})


def test_a_result_that_someone_deleted_stays_deleted(corner: Corner) -> None:
    """Touching the source does not bring it back (scenario 54)."""
    data = picture()
    source = corner.write("a.jpg", data)
    corner.wait("done", "a.jpg")
    (corner.output / "a.jpg").unlink()
    os.utime(source)
    corner.wait_until_seen("a.jpg")
    corner.write("b.jpg", data)
    corner.wait("done", "b.jpg")

    assert ({"b.jpg": data}, [1]) == (corner.outputs(), corner.bought(data))


def test_a_foreign_file_in_the_output_folder_is_left_alone(corner: Corner) -> None:
    """It was there before, so it is somebody's."""
    data = picture()
    corner.output.mkdir(parents=True)
    (corner.output / "a.jpg").write_bytes(b"not ours")
    corner.write("a.jpg", data)

    corner.wait_for({"a.jpg": b"not ours", "a (jpg).jpg": data})


def test_a_temporary_name_is_not_taken_before_its_rename(corner: Corner) -> None:
    """Copiers write under one name and rename to another (scenario 5)."""
    data = picture()
    draft = corner.write("a.jpg.part", data)
    corner.write("b.jpg", other := picture())
    corner.wait("done", "b.jpg")
    assert {"b.jpg"} == set(corner.items())
    draft.rename(corner.input / "a.jpg")

    corner.wait_for({"a.jpg": data, "b.jpg": other})


def test_the_note_about_a_failure_goes_with_the_file(corner: Corner) -> None:
    """Who deletes the file that failed has read the note."""
    source = corner.write("a.jpg", b"no image at all")
    corner.wait("failed", "a.jpg")
    with corner.installation.explained():
        until(lambda: set(corner.outputs()) == {"a.jpg.failed.txt"}, "the note")
    source.unlink()
    corner.write("b.jpg", data := picture())

    corner.wait_for({"b.jpg": data})


def test_a_replaced_file_that_failed_is_tried_again(corner: Corner) -> None:
    """And its note disappears."""
    corner.write("a.jpg", b"no image at all")
    corner.wait("failed", "a.jpg")
    corner.write("a.jpg", data := picture())

    corner.wait_for({"a.jpg": data})


def test_a_source_deleted_before_it_was_sent_costs_nothing(
    running: Installation, service: Service, request: pytest.FixtureRequest
) -> None:
    """It leaves no trace (scenario 9)."""
    corner = corner_of(running, "-late", request)
    gone, kept = picture(), picture()
    source = corner.write("a.jpg", gone)
    corner.wait("ready", "a.jpg")
    source.unlink()
    corner.write("b.jpg", kept)
    corner.wait("done", "b.jpg")

    assert ([0, 1], {"b.jpg": "done"}) == (corner.bought(gone, kept), corner.states())


def test_results_that_would_share_a_name_get_two(
    running: Installation, service: Service, request: pytest.FixtureRequest
) -> None:
    """Even when ten pairs arrive at once (scenario 50)."""
    corner = corner_of(running, "-jpeg", request)
    pairs = [f"{number}.{kind}" for number in range(10) for kind in ("jpg", "png")]
    for path in pairs:
        corner.write(path, picture(form="JPEG" if path.endswith("jpg") else "PNG"))
    corner.wait("done", *pairs)

    outputs = corner.installation.rows(
        "SELECT output.path, item.basename FROM output JOIN item ON item.id = output.item WHERE item.dir = ?",
        os.fsencode(request.node.name),
    )
    recorded = {os.fsdecode(row["path"]).rpartition("/")[2]: os.fsdecode(row["basename"]) for row in outputs}
    assert sorted(pairs) == sorted(recorded.values())
    assert set(corner.outputs()) == set(recorded)


def test_a_source_is_deleted_once_its_result_is_safe(
    running: Installation, service: Service, request: pytest.FixtureRequest
) -> None:
    """Equal files have a result each, though the first source goes before the second is looked at."""
    corner = corner_of(running, "-delete", request)
    data = picture()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        corner.write(name, data)
    corner.wait("done", "a.jpg", "b.jpg", "c.jpg")

    assert dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), data) == corner.outputs()
    assert ([], [1]) == (list(corner.input.iterdir()), corner.bought(data))


def test_a_source_is_moved_once_its_result_is_safe(
    running: Installation, service: Service, request: pytest.FixtureRequest
) -> None:
    """To the same relative path of the archive."""
    corner = corner_of(running, "-move", request)
    corner.write("sub/a.jpg", data := picture())
    corner.wait("done", "sub/a.jpg")

    archived = running.folder / "archive" / request.node.name / "sub" / "a.jpg"
    assert (data, {"sub/a.jpg": data}) == (archived.read_bytes(), corner.outputs())


def test_a_deleted_source_takes_its_result_along_if_the_rule_says_so(
    running: Installation, service: Service, request: pytest.FixtureRequest
) -> None:
    """After the time that a rename may take; an edited result stays."""
    corner = corner_of(running, "-remove", request)
    edited, plain = corner.write("edited.jpg", picture()), corner.write("plain.jpg", picture())
    corner.wait("done", "edited.jpg", "plain.jpg")
    (corner.output / "edited.jpg").write_bytes(b"retouched")
    edited.unlink()
    plain.unlink()
    corner.write("here.jpg", here := picture())
    with running.explained():
        until(lambda: all(corner.items()[path]["absent_at"] for path in ("edited.jpg", "plain.jpg")), "absent")
    running.change("UPDATE item SET absent_at = absent_at - 100 WHERE absent_at IS NOT NULL")

    corner.wait_for({"edited.jpg": b"retouched", "here.jpg": here})


def test_a_deleted_source_leaves_its_result_otherwise(corner: Corner) -> None:
    """`on_delete: keep` is the default."""
    source = corner.write("a.jpg", data := picture())
    corner.wait("done", "a.jpg")
    source.unlink()
    corner.write("b.jpg", other := picture())
    corner.wait("done", "b.jpg")
    with corner.installation.explained():
        until(lambda: corner.items()["a.jpg"]["absent_at"], "absent")

    assert {"a.jpg": data, "b.jpg": other} == corner.outputs()
