"""What the commands show: bars on a terminal, tables, money; and which exit code an error means."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from runflowd.api.errors import OutOfCredit, Place, Transient, Unauthorized
from runflowd.app.sync_run import Progress
from runflowd.commands import plain_table
from runflowd.commands.ended_files import MAX_ROWS, entry_text, finished_table
from runflowd.commands.exit_codes import CommandError, Exit, exit_code, single
from runflowd.commands.formatting import duration, money, reason_of
from runflowd.commands.plan_money import Gate, gate_words
from runflowd.commands.progress import Bars, Lines, RuleProgress
from runflowd.commands.sync import ServiceTimeout, Summary, show_summary
from runflowd.config import Config, LocalService, Service
from runflowd.core.incident_scope import SERVICE
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import short_id
from runflowd.errors import ConfigError, RunflowdError, StoreError
from runflowd.files import Forbidden, NoSpace
from runflowd.observability.incidents import IncidentReport
from runflowd.store import Locked
from runflowd.store.reports import Entry
from runflowd.system.paths import state_place

SILENT = IncidentReport(SERVICE, "UNREACHABLE", "nobody answers", "Wait")


def entry(path: str = "mug.jpg", *, reason: str = "") -> Entry:
    """One finished item."""
    return Entry(1, "one", path, ItemState.DONE, "m", "batch_0123456789", 1.25, Decimal("0.35"), "", reason, "ref")


def test_a_long_reason_is_cut_at_a_word_and_says_where_all_of_it_is() -> None:
    """`runflowd logs` is for one file, and has room."""
    long = " ".join(["letters"] * 100)

    assert "short" == reason_of("short", "x/a.jpg")
    assert reason_of(long, "x/a b.jpg").endswith("letters… (all of it: `runflowd logs 'x/a b.jpg'`)")
    assert len(reason_of(long, "a.jpg")) < 400
    assert "runflowd logs mug.jpg" in entry_text(entry(reason=long))


def terminal() -> Console:
    """A terminal to draw on and to read from."""
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def drawn(console: Console) -> str:
    """What was drawn."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_bars_tell_each_rule_and_each_incident_once() -> None:
    """A bar says how many settle, upload, are processed, done and failed; an incident is told when it is new."""
    console = terminal()
    counts = {"one": {ItemState.QUEUED: 2, ItemState.SUBMITTED: 3, ItemState.DONE: 5, ItemState.FAILED: 1}}

    with Bars({"one": {ItemState.DONE: 4}}, console=console) as bars:
        bars.show(Progress(counts, 7, (SILENT,)))
        bars.show(Progress(counts, 7, (SILENT,)))

    assert "7 settling, 2 uploading, 3 processing, 1 done, 1 failed" in drawn(console)
    assert 1 == drawn(console).count("nobody answers")


def test_a_batch_that_does_not_get_on_is_told_with_what_keeps_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, among the lines and above the bars: else a run stands still without a word."""
    trouble, console = "rule one, batch 01234567: the server hung up without an answer", terminal()
    stuck = Progress({"one": {ItemState.QUEUED: 1}}, 0, (), troubles=(trouble,))
    with Lines({}) as lines, Bars({}, console=console) as bars:
        for shown in (lines, bars, lines, bars):
            shown.show(stuck)

    said = " ".join(drawn(console).split()), capsys.readouterr().err
    assert [1, 1] == [each.count(f"{trouble}; it is tried again by itself") for each in said]


def test_lines_tell_what_settles(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that waits for files to stand still says so, as the bars do."""
    with Lines({}) as lines:
        lines.show(Progress({"one": {ItemState.DONE: 1}}, 2, ()))

    assert "one: 2 settling, 0 uploading, 0 processing, 1 done\n" == capsys.readouterr().err


def test_lines_tell_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """What changed within the pause between two lines is told at the latest when the run is over."""
    with Lines({}) as lines:
        lines.show(Progress({"one": {ItemState.SUBMITTED: 1}}, 0, (SILENT,)))
        lines.show(Progress({"one": {ItemState.DONE: 1}}, 0, (SILENT,)))

    told = capsys.readouterr().err.splitlines()
    assert ["one: 0 uploading, 1 processing, 0 done", "one: 0 uploading, 0 processing, 1 done"] == told[1:]


def test_what_had_ended_before_is_not_counted() -> None:
    """A failed file that is tried again takes nothing off this run's counts."""
    before = {ItemState.DONE: 3, ItemState.FAILED: 2}

    assert RuleProgress.of({ItemState.DONE: 4, ItemState.FAILED: 1}, before) == RuleProgress(0, 0, 1, 0)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0", "USD", "$0.00"),
        ("0.018", "USD", "$0.018"),
        ("4.512", "USD", "$4.512"),
        ("12.5", "EUR", "12.50 EUR"),
        ("0.00004", "USD", "$0.00"),
        ("3", "USD", "$3.00"),
    ],
)
def test_money_has_cents_and_what_is_below_them(amount: str, currency: str, text: str) -> None:
    """Two digits at least, four at most, and its currency."""
    assert text == money(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (59.6, "60 s"), (600.0, "10 min"), (7500.0, "2 h 5 min")]
)
def test_durations_are_as_exact_as_people_need(seconds: float, text: str) -> None:
    """The longer, the coarser."""
    assert text == duration(seconds)


@pytest.mark.parametrize(
    ("files", "words"),
    [(0, "per_day: $8.28 of $9.00 is left"), (2, "per_day lets 2 of 2 through now, and $8.28 of $9.00 is left then")],
)
def test_a_limit_lets_files_through_only_where_there_are_any(files: int, words: str) -> None:
    """Where nothing would be bought, `plan` says what is left."""
    assert words == gate_words(Gate("per_day", files, files, Decimal(9), Decimal("8.28")), "USD")


def test_an_id_is_known_by_its_beginning() -> None:
    """A search for that in the log finds the whole."""
    assert "01234567" == short_id("0123456789abcdef")


def test_a_long_list_is_cut_with_a_count() -> None:
    """Nobody reads ten thousand rows."""
    assert "and 5 more: `runflowd list` has all" == list(finished_table([entry()] * (MAX_ROWS + 5), {}))[-1]


def test_finished_files_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of files and rules stay whole where a longer model can give way; no line is wider than the terminal."""
    monkeypatch.setattr(plain_table, "terminal_width", lambda: 80)
    done = replace(entry("headphones.jpg"), rule="white-studio", model="runflow/background-replace")

    lines = list(finished_table([done], {}))

    assert (True, "headphones.jpg" in "".join(lines)) == (max(map(len, lines[1:])) <= 80, True)


def test_a_wait_for_the_service_is_announced_once() -> None:
    """Whoever watches knows what the command waits for, for how long at most, and that it may be ended."""
    said: list[str] = []
    timeout = ServiceTimeout(120, said.append)
    for _ in range(3):
        timeout.look(Progress({}, 0, (SILENT,)))
    timeout.look(Progress({}, 0, ()))
    timeout.look(Progress({}, 0, (SILENT,)))

    assert ["Waiting up to 2 min for the service"] * 2 == [each.partition(" (")[0] for each in said]


def test_hostile_names_and_reasons_stay_text() -> None:
    """Neither markup nor escapes of a file name reach the terminal."""
    said = entry_text(entry("[red]x[/red]\x1b[2J.jpg", reason="a\nb"))

    assert ("[red]x[/red]\\x1b[2J.jpg" in said, "a\\nb" in said) == (True, True)


PLACE = Place("create the batch", "api.example.com")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(()), Exit.CONFIGURATION),
        (Locked(Path("state.db"), "7"), Exit.TRY_AGAIN),
        (StoreError("newer"), Exit.FAILED),
        (Transient(PLACE), Exit.TRY_AGAIN),
        (OutOfCredit(PLACE, status=402), Exit.TRY_AGAIN),
        (Unauthorized(PLACE, status=401), Exit.NOT_ALLOWED),
        (Forbidden("write", "/out"), Exit.NOT_ALLOWED),
        (NoSpace("write", "/out"), Exit.TRY_AGAIN),
        (PermissionError(13, "no"), Exit.NOT_ALLOWED),
        (FileNotFoundError(2, "no"), Exit.FAILED),
        (CommandError("no", Exit.TRY_AGAIN), Exit.TRY_AGAIN),
        (ExceptionGroup("tasks", [RunflowdError("no")]), Exit.FAILED),
    ],
)
def test_errors_have_their_exit_code(error: BaseException, code: Exit) -> None:
    """What is raised on purpose ends a command with the code the manual promises."""
    assert code == exit_code(error)


def test_a_bug_has_no_exit_code_of_its_own() -> None:
    """What nobody raised on purpose keeps its traceback, also beside what was."""
    bug = ZeroDivisionError()

    assert [None, None] == [exit_code(bug), exit_code(ExceptionGroup("tasks", [RunflowdError("no"), bug]))]


def test_the_error_in_a_group_is_found() -> None:
    """Task groups wrap what their tasks raise."""
    error = RunflowdError("no")

    assert error is single(ExceptionGroup("outer", [ExceptionGroup("inner", [error])]))


@pytest.mark.parametrize(
    ("state", "environment", "expected"),
    [
        ("/named.db", {"STATE_DIRECTORY": "/systemd"}, "/named.db"),
        ("", {"STATE_DIRECTORY": "/systemd:/other", "XDG_STATE_HOME": "/xdg"}, "/systemd/state.db"),
        ("", {"XDG_STATE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/runflowd/state.db"),
        ("", {"HOME": "/home/me"}, "/home/me/.local/state/runflowd/state.db"),
    ],
)
def test_the_state_file_has_its_place(state: str, environment: dict[str, str], expected: str) -> None:
    """The configuration's word, then systemd's folder, then the user's."""
    config = Config((), "", Service(local=LocalService()), (), state=state)

    assert Path(expected) == state_place(config, environment)


@pytest.mark.parametrize(
    ("currencies", "expected"),
    [([], "$0.00"), (["USD", "USD"], "$0.70"), (["EUR"], "0.35 EUR"), (["USD", "EUR"], "$0.35 and 0.35 EUR")],
)
def test_a_run_says_what_it_cost_in_each_currency(
    capsys: pytest.CaptureFixture[str], currencies: list[str], expected: str
) -> None:
    """What was charged in another one than that of the configuration was not free."""
    done = tuple(replace(entry(), currency=each) for each in currencies)
    show_summary(Summary(done, (), (), (), blocked=False, seconds=1.0, currency="USD"), {})

    assert capsys.readouterr().out.rstrip().endswith(f"{len(done)} done, 0 failed in 1.0 s, {expected}")
