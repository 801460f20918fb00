"""`runflowd sync` as a process: results, failures with their remedy, and troubles that end it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import Service, picture, until

from runflowd.core.model import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with a configuration and an empty watched folder."""
    for made in desk_in(tmp_path):
        made.configure()
        yield made


def test_everything_pending_is_processed(desk: Desk) -> None:
    """Results stand at the mirrored paths, and the command ends with a table and totals."""
    photo = picture()
    (desk.input / "sub").mkdir()
    (desk.input / "sub" / "mug.jpg").write_bytes(photo)

    said = desk.run("sync")

    assert ({"sub/mug.jpg": photo}, 0) == (desk.outputs(), said.code)
    assert set() == {
        word for word in ("sub/mug.jpg", "runflow/pass-through", "1 done, 0 failed") if word not in said.out
    }


def test_progress_goes_to_stderr_as_plain_lines(desk: Desk) -> None:
    """Without a terminal progress is lines, and stdout has the answer alone."""
    (desk.input / "mug.jpg").write_bytes(picture())

    said = desk.run("sync")

    assert (True, False) == ("one: 0 uploading, 0 processing, 1 done" in said.err, "\x1b" in said.err + said.out)


def test_a_second_run_finds_nothing_to_do(desk: Desk) -> None:
    """What is done is not done, or counted, again."""
    (desk.input / "mug.jpg").write_bytes(picture())
    desk.run("sync")

    said = desk.run("sync", "--json")

    assert (0, [], "0") == (said.code, said.json["done"], said.json["cost"])


def test_programs_get_a_summary(desk: Desk) -> None:
    """`--json` tells file, model, batch, seconds and cost of each."""
    (desk.input / "mug.jpg").write_bytes(picture())

    said = desk.run("sync", "--json")

    done = said.json["done"][0]
    assert ("one", "mug.jpg", "runflow/pass-through") == (done["rule"], done["file"], done["model"])
    assert (True, True, None, "0") == (bool(done["batch"]), done["seconds"] > 0, done["cost"], done["hosted"])


def _bad(desk: Desk, kind: str) -> Path:
    path = desk.input / f"{kind}.jpg"
    match kind:
        case "empty":
            path.touch()
        case "text":
            path.write_text("a price list, not a photo")
        case "huge":
            path.write_bytes(picture())
            with path.open("r+b") as file:
                file.truncate(MAX_UPLOAD_BYTES + 1)
    return path


@pytest.mark.parametrize(
    ("kind", "why", "remedy"),
    [
        ("empty", "is empty (0 bytes)", "Save the file again"),
        ("text", "this is text", "Put an image in its place"),
        ("huge", "52,428,801 bytes", "smaller than that"),
    ],
)
def test_a_bad_file_is_named_with_its_remedy_and_the_others_go_on(desk: Desk, kind: str, why: str, remedy: str) -> None:
    """Exit 3; the file stays, a note stands beside where its result would be, and the good one is done."""
    bad = _bad(desk, kind)
    (desk.input / "good.jpg").write_bytes(picture())

    said = desk.run("sync")

    assert (3, {"good.jpg", f"{kind}.jpg.failed.txt"}, True) == (said.code, set(desk.outputs()), bad.exists())
    assert set() == {word for word in (f"{kind}.jpg (rule one)", why, remedy) if word not in said.out}


def test_old_failures_do_not_fail_a_new_run(desk: Desk) -> None:
    """Only what failed in this run counts for the exit code."""
    _bad(desk, "text")
    first = desk.run("sync")

    assert (3, 0) == (first.code, desk.run("sync").code)


def test_an_unreadable_file_waits_and_is_reported(desk: Desk) -> None:
    """It is neither lost nor failed for good: once readable it is taken."""
    photo = desk.input / "mug.jpg"
    photo.write_bytes(picture())
    photo.chmod(0)

    first = desk.run("sync", confined=True)
    photo.chmod(0o600)
    second = desk.run("sync", confined=True)

    assert (3, True, True) == (first.code, f"cannot read {photo}" in first.out, "Make the file readable" in first.out)
    assert (0, {"mug.jpg"}) == (second.code, set(desk.outputs()))


def test_an_unreadable_folder_is_reported_and_the_others_go_on(desk: Desk) -> None:
    """The folder is named with its remedy; its files are taken once it can be read."""
    closed = desk.input / "closed"
    closed.mkdir()
    (closed / "inside.jpg").write_bytes(picture())
    (desk.input / "beside.jpg").write_bytes(picture())
    closed.chmod(0)

    first = desk.run("sync", confined=True)
    before = set(desk.outputs())
    closed.chmod(0o700)
    second = desk.run("sync", confined=True)

    assert (3, {"beside.jpg"}, True) == (first.code, before, f"cannot list {closed}" in first.out)
    assert (0, {"beside.jpg", "closed/inside.jpg"}) == (second.code, set(desk.outputs()))


def test_a_missing_folder_is_reported(desk: Desk) -> None:
    """A folder that is not there is named; nothing counts as deleted."""
    desk.input.rmdir()

    said = desk.run("sync")

    assert (3, True) == (said.code, f"the watched folder {desk.input} is not there" in said.out)


def test_an_unusable_output_folder_holds_the_results_up(desk: Desk) -> None:
    """Nothing is failed or bought again: once the folder can be written, the result is there."""
    (desk.input / "mug.jpg").write_bytes(picture())
    desk.output.mkdir()
    desk.output.chmod(0o500)

    first = desk.run("sync", confined=True)
    desk.output.chmod(0o700)
    second = desk.run("sync", "--json", confined=True)

    assert (75, True) == (first.code, str(desk.output) in first.out)
    assert (0, ["mug.jpg"]) == (second.code, [entry["file"] for entry in second.json["done"]])


def test_an_unknown_model_holds_its_rule_up(desk: Desk) -> None:
    """The rule and the model are named with the remedy; the other rule goes on and nothing has failed."""
    rules = {"one": desk.rule(model="runflow/nonesuch"), "two": desk.rule(watch="in2", output="out2")}
    desk.configure(rules=rules)
    (desk.input / "mug.jpg").write_bytes(picture())
    (desk.folder / "in2").mkdir()
    (desk.folder / "in2" / "cup.jpg").write_bytes(picture())

    # pass-through needs nothing; a model that nobody knows asks for the weights first, so they are named.
    said = desk.run("sync", "--json", env={"RUNFLOWD_WEIGHTS": _weights()})

    assert (75, ["cup.jpg"], []) == (said.code, [entry["file"] for entry in said.json["done"]], said.json["failed"])
    assert [("rule:one", "MODEL_NOT_FOUND")] == [(each["scope"], each["code"]) for each in said.json["incidents"]]
    assert "Correct it in runflowd.yaml:" in said.json["incidents"][0]["remedy"]


def _weights() -> str:
    """The weights of this machine; the commands' home has none."""
    from runflowd.local.weights import WeightsError, locate

    try:
        return str(locate())
    except WeightsError as error:
        pytest.skip(str(error))


def test_a_silent_service_is_try_again(desk: Desk) -> None:
    """After its timeout the command gives up with 75; the next run finds everything."""
    photo = picture()
    (desk.input / "mug.jpg").write_bytes(photo)
    desk.configure({"url": "http://127.0.0.1:9"})

    said = desk.run("sync", "--timeout", "0", env=WITH_KEY)

    assert (75, True) == (said.code, "nothing is lost" in said.err)

    desk.configure("local")
    assert "1 done" in desk.run("sync").out, "where the address was corrected, nothing waits for the wrong one"


def test_what_is_at_the_former_address_ends_a_run_that_has_done_the_rest(desk: Desk, tmp_path: Path) -> None:
    """75 with both addresses; put back as it says, the results come, each bought once."""
    (desk.input / "mug.jpg").write_bytes(picture())
    with Service(tmp_path / "former") as former, Service(tmp_path / "present") as present:
        former.faults(runs=({"kind": "stuck", "count": None},))
        desk.configure({"url": former.url})
        begun = desk.start("sync", "--verbose", env=WITH_KEY)
        desk.wait_for("batch.submitted")
        begun.send_signal(signal.SIGINT)
        begun.wait(40)

        (desk.input / "cup.jpg").write_bytes(picture())
        desk.configure({"url": present.url})
        elsewhere = desk.run("sync", env=WITH_KEY)
        former.faults()
        desk.configure({"url": former.url})
        back = desk.run("sync", env=WITH_KEY)

        assert (75, True, True) == (elsewhere.code, former.url in elsewhere.out, "1 done" in elsewhere.out)
        assert (0, ["cup.jpg", "mug.jpg"]) == (back.code, sorted(desk.outputs()))
        assert [1, 1] == [each["times"] for service in (former, present) for each in service.ledger()["charges"]]


def test_a_missing_key_may_come_later(desk: Desk) -> None:
    """The three places a key may be in are named; a service manager tries again."""
    desk.configure({"url": "https://api.runflow.io"})

    said = desk.run("sync")

    assert (75, True) == (said.code, "$RUNFLOW_API_KEY" in said.err)


def test_a_key_that_may_not_be_read_is_not_allowed(desk: Desk) -> None:
    """The file is named."""
    key = desk.folder / "key"
    key.write_text("rf_live_test")
    key.chmod(0)
    desk.configure({"url": "https://api.runflow.io", "api_key_file": str(key)})

    said = desk.run("sync", confined=True)

    assert (77, True) == (said.code, str(key) in said.err)


def test_a_refused_key_is_not_allowed(desk: Desk, tmp_path: Path) -> None:
    """401 ends the run with 77; nothing was bought, nothing has failed."""
    (desk.input / "mug.jpg").write_bytes(picture())
    with Service(tmp_path / "service") as service:
        desk.configure({"url": service.url})

        said = desk.run("sync", env={"RUNFLOW_API_KEY": "another"})

    assert (77, True, {}) == (said.code, "Correct the API key" in said.out, desk.outputs())


def test_a_damaged_state_file_is_refused(desk: Desk) -> None:
    """It holds what was paid for, so it is never replaced silently."""
    desk.state.write_text("this was a database once, " * 400)

    said = desk.run("sync")

    assert (1, True) == (said.code, "is damaged" in said.err)
    assert desk.state.read_text().startswith("this was a database once")


def test_the_keyboard_ends_a_run_and_loses_nothing(desk: Desk) -> None:
    """Exit 130; the next run takes up what was in flight."""
    (desk.input / "mug.jpg").write_bytes(picture())
    desk.configure({"url": "http://127.0.0.1:9"})
    process = desk.start("sync", env=WITH_KEY)
    until(lambda: "UNREACHABLE" in desk.log(), "the service is missed")
    process.send_signal(signal.SIGINT)

    assert (130, True) == (process.wait(40), "taken up by the next run" in desk.log())
