"""The commands that look and write but do not work: help, check, init, schema, and where the configuration is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runflowd import __version__
from runflowd.api.errors import ApiError
from runflowd.cli import COMMANDS
from runflowd.commands.exit_codes import _BY_CLASS
from runflowd.config import CredentialError, load, schema_text
from runflowd.errors import RunflowdError
from runflowd.files import FileError
from runflowd.store import Locked
from runflowd.store.postgresql.errors import Unreachable
from runflowd.store.store import NotDurable
from runflowd.web.address import AddressUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from command_line import Desk, Said

WRONG = """\
service: local
rules:
  one:
    watch: in
    output: in/out
    modle: runflow/pass-through
    settle: 5
  two:
    watch: in
    output: out
    model: runflow/pass-through
    batch: {max_items: 101}
"""


def test_version_is_reported(desk: Desk) -> None:
    """`--version` names the program and its version."""
    said = desk.run("--version")

    assert (0, f"runflowd {__version__}\n") == (said.code, said.out)


def test_help_names_every_command(desk: Desk) -> None:
    """`--help` lists the commands and the exit codes."""
    said = desk.call("--help")

    assert set() == {word for word in [*COMMANDS, "75 try again"] if word not in said.out}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(desk: Desk, name: str) -> None:
    """Each listed command exists and has a help text."""
    said = desk.call(name, "--help")

    assert (0, True) == (said.code, said.out.startswith(f"Usage: runflowd {name}"))


@pytest.mark.parametrize("arguments", [("frobnicate",), ("run", "--frobnicate")])
def test_wrong_usage_is_exit_2(desk: Desk, arguments: tuple[str, ...]) -> None:
    """What does not exist is a mistake in usage."""
    assert desk.call(*arguments).code == 2


@pytest.mark.parametrize("command", ["check", "run"])
def test_every_mistake_is_reported_at_once(desk: Desk, command: str) -> None:
    """Each command that needs the configuration reports all its mistakes, one to a line with its place."""
    desk.config.write_text(WRONG)

    said = desk.run(command)

    places = {line.split(": ")[0] for line in said.err.splitlines()}
    expected = {f"runflowd.yaml:{place}" for place in ("5:13", "6:5", "7:13", "12:24")}
    assert (78, "", expected) == (said.code, said.out, places)


def test_overlapping_rules_are_refused_with_both_places(desk: Desk) -> None:
    """Two rules may watch one folder, and not write into one; the mistake names both."""
    wrong = WRONG.replace("in/out", "elsewhere").replace("output: out", "output: elsewhere")
    desk.config.write_text(wrong.replace("modle", "model").replace("settle: 5", "settle: 5s"))

    said = desk.call("check")

    line = next(line for line in said.err.splitlines() if "rules.two.output" in line)
    assert (78, True, True) == (said.code, "runflowd.yaml:10" in line, "runflowd.yaml:5" in line)


def test_output_inside_input_is_refused(desk: Desk) -> None:
    """Results must not land where they would be taken for new files."""
    desk.configure(rules={"one": desk.rule(output="in/out")})

    said = desk.call("check")

    assert (78, True) == (said.code, "rules.one.output" in said.err)


def test_mistakes_come_as_json(desk: Desk) -> None:
    """Programs get place, path and message of each mistake."""
    desk.config.write_text(WRONG)

    said = desk.call("check", "--json")

    first = said.json["problems"][0]
    assert (78, False) == (said.code, said.json["valid"])
    assert {"file", "line", "column", "where", "message"} == set(first)


def test_a_good_configuration_is_described_in_words(desk: Desk) -> None:
    """`check` says which files go where through what."""
    desk.configure()

    said = desk.call("check")

    assert said.code == 0
    assert f"one: all files in {desk.input} go through runflow/pass-through." in said.out


def test_check_warns_of_what_would_keep_run_from_starting(desk: Desk) -> None:
    """A missing key is no mistake of the text, so it is a warning."""
    desk.configure({"url": "https://api.runflow.io"})

    said = desk.call("check")

    assert (0, True) == (said.code, "warning: the API key is in none of the three places" in said.err)


@pytest.mark.parametrize("command", ["check", "run", "sync"])
def test_missing_weights_are_reported_with_the_command_that_gets_them(desk: Desk, command: str) -> None:
    """Every file would fail without the network, so nothing starts; `check` warns."""
    desk.configure(rules={"one": desk.rule(model="runflow/background-removal")})

    said = desk.call(command, env={"RUNFLOWD_WEIGHTS": "nowhere.onnx"})

    assert (0 if command == "check" else 78, True) == (said.code, "-m runflowd.local.weights" in said.err)


def test_no_configuration_names_the_places_and_the_way_out(desk: Desk) -> None:
    """Without a configuration the command says where it looked."""
    said = desk.call("check", env={"XDG_CONFIG_HOME": "/nowhere"})

    assert said.code == 78
    assert set() == {word for word in ("/nowhere/runflowd", "runflowd init", "--config") if word not in said.err}


def test_a_named_configuration_is_never_passed_over(desk: Desk) -> None:
    """A file that is named and missing is a mistake, even if another could be found."""
    desk.configure()

    said = desk.call("check", "--config", "other.yaml")

    assert (78, True) == (said.code, "other.yaml" in said.err)


def _configurations(desk: Desk) -> dict[str, str]:
    """One configuration in each usual place, each with a rule that is named after the place."""
    text = "service: local\nrules:\n  {}: {{watch: in, output: out, model: runflow/pass-through}}\n"
    for place in ("named", "variable", "systemd", "xdg/runflowd"):
        folder = desk.folder / place
        folder.mkdir(parents=True)
        (folder / "any.yaml").write_text(text.format(place.partition("/")[0]))
    desk.config.write_text(text.format("here"))
    return {"CONFIGURATION_DIRECTORY": f"{desk.folder}/systemd", "XDG_CONFIG_HOME": f"{desk.folder}/xdg"}


def test_the_nearest_configuration_wins(desk: Desk) -> None:
    """The option, then the variable, then this folder, then systemd's, then the user's."""
    places = _configurations(desk)
    variable = {"RUNFLOWD_CONFIG": f"{desk.folder}/variable"}

    found = [
        desk.call("check", "--config", "named", env={**places, **variable}),
        desk.call("check", env={**places, **variable}),
        desk.call("check", env=places),
    ]
    desk.config.unlink()
    found += [desk.call("check", env=places), desk.call("check", env={"XDG_CONFIG_HOME": places["XDG_CONFIG_HOME"]})]

    names = [
        next(name for name in ("named", "variable", "here", "systemd", "xdg") if f"{name}: " in said.out)
        for said in found
    ]
    assert names == ["named", "variable", "here", "systemd", "xdg"]


@pytest.mark.parametrize("kind", ["--local", "--hosted"])
def test_what_init_writes_is_valid_and_explained(desk: Desk, kind: str) -> None:
    """The starter passes `check`, has comments, and its watched folder is there."""
    assert desk.call("init", kind).code == 0

    comments = [line for line in desk.config.read_text().splitlines() if line.strip().startswith("#")]
    assert (0, True) == (desk.call("check").code, desk.input.is_dir())
    assert len(comments) > 10


def test_init_is_local_unless_asked(desk: Desk) -> None:
    """The default needs no account."""
    desk.call("init")

    assert "service: local" in desk.config.read_text()


def steps_of(said: Said) -> list[str]:
    """What `init` says is to be done, without its remarks."""
    lines = said.out.partition("Next:\n")[2].splitlines()
    return [step for line in lines if (step := line.partition("#")[0].strip())]


@pytest.mark.parametrize("kind", ["--local", "--hosted"])
@pytest.mark.parametrize("place", ["runflowd.yaml", "a folder/mine.yaml"])
def test_the_steps_of_init_work_as_they_stand(desk: Desk, kind: str, place: str) -> None:
    """In a shell, one after the other, but for the last one, which runs for ever."""
    (desk.folder / "a folder").mkdir()
    *steps, last = steps_of(desk.call("init", kind, place))
    steps = [step for step in steps if "runflowd.local.weights" not in step]  # it fetches from the internet
    program = f"{sys.executable} -P -m runflowd"
    shell = "\n".join(f"{program} {step.partition(' ')[2]}" if " check" in step else step for step in steps)
    ran = subprocess.run(
        ["sh", "-ec", shell], cwd=desk.folder, input="key\n", text=True, capture_output=True, check=False
    )

    assert (0, True) == (ran.returncode, "is valid" in ran.stdout), ran.stderr
    assert ("API key" not in ran.stderr, True) == (True, " run" in last)


def test_init_for_the_service_writes_what_its_unit_may_use(desk: Desk) -> None:
    """Neither folders nor a state file beside the configuration, which the service cannot write to."""
    desk.call("init", "--system", "--hosted", "--page", str(desk.config))
    config = load(desk.config)
    rule = config.rules[0]

    assert ("/srv/runflow/in", "/srv/runflow/out") == (rule.watch, rule.output)
    assert ("/var/lib/runflowd/state.db", "", "127.0.0.1:8787") == (
        str(config.state),
        config.service.api_key_file,
        str(config.web),
    )


@pytest.mark.parametrize("missing", [True, False])
def test_init_names_the_extra_that_its_models_need(desk: Desk, monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    """Only where it is not there."""
    monkeypatch.setattr("runflowd.commands.init.lacks_libraries", lambda _: ["numpy"] if missing else [])

    assert missing is any("'runflowd[local]'" in step for step in steps_of(desk.call("init")))


def test_check_knows_the_models_of_this_machine(desk: Desk) -> None:
    """A misspelt one is told without `--online`: nobody has to be asked."""
    desk.configure(rules={"one": desk.rule(model="runflow/backgruond-replace")})
    checked = desk.call("check")

    assert (0, True) == (checked.code, "did you mean runflow/background-replace?" in checked.err)


def test_init_never_overwrites(desk: Desk) -> None:
    """A configuration that is there stays as it is."""
    desk.config.write_text("mine")

    said = desk.call("init")

    assert (1, "mine") == (said.code, desk.config.read_text())
    assert "`runflowd check -c runflowd.yaml` says what it means" in said.err


def test_schema_is_printed(desk: Desk) -> None:
    """The schema is JSON and that of the code."""
    said = desk.call("schema")

    assert json.loads(schema_text()) == said.json


def test_the_stored_schema_is_current(desk: Desk) -> None:
    """`schema --check` finds no difference."""
    said = desk.call("schema", "--check")

    assert (0, "", "") == (said.code, said.out, said.err)


def test_status_before_the_first_run_says_so(desk: Desk) -> None:
    """Without a state file there is nothing to show."""
    desk.configure()

    said = desk.call("status")

    assert (1, True) == (said.code, "there is no state file yet" in said.err)


def test_every_error_with_an_exit_code_exists() -> None:
    """The table of exit codes names classes; each of them is one of ours."""
    trees = (RunflowdError, ApiError, FileError, CredentialError, Locked, NotDurable, AddressUnusable)
    known = {tree.__name__ for root in (*trees, Unreachable) for tree in _family(root)}

    assert set() == _BY_CLASS.keys() - known


def _family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("stauts", "there is no command 'stauts'; did you mean 'status'?"),
        ("start", "there is no command 'start'; did you mean 'run'?"),
        ("frobnicate", "there is no command 'frobnicate'; most used are init, check, run, status, list and doctor"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_one_that_is_meant(desk: Desk, typed: str, said: str) -> None:
    """By its letters, by what others call it, or by those that nearly everybody needs."""
    found = desk.call(typed)

    assert (2, True) == (found.code, said in found.err)
