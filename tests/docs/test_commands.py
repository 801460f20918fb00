"""Every block of the documents is tried: commands are executed or held against what exists, texts are parsed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from booted_systemd import machine_folder, why_not
from command_line import Desk, desk_in
from daemon_process import WAIT_TIMEOUT, picture, until
from documented_commands import commands, mistakes, places
from kept_state import unpack
from operated_machine import API, KEY, Operated
from page_blocks import PAGES, ROOT, Block, blocks, blocks_of, parsed, unknown_marks

from runflowd.api.callback_signature import PATH
from runflowd.commands.systemd import SYSTEM_FILES
from runflowd.local.weights import WeightsError, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

STORY = [ROOT / "docs" / "operating.md", ROOT / "docs" / "upgrading.md"]
"""The pages that an operator follows from a bare machine on."""

UNTRIED = frozenset({"asks", "elsewhere", "network", "slow"})
HOSTED = {
    "service": {
        "url": API,
        "callbacks": {"public_url": "https://hooks.example.com", "secret_file": "/etc/runflowd/callback-secret"},
    }
}
"""What the pages leave to others: where the service is."""

SHELL = [pytest.param(block, id=block.name) for block in blocks("sh")]


def test_every_block_says_how_it_is_tried() -> None:
    """An unknown language or mark would leave it untried."""
    assert {} == {block.name: unknown for block in blocks() if (unknown := unknown_marks(block))}


def test_every_page_is_read() -> None:
    """As many fences are found as a search for them finds."""
    fences = sum(len(re.findall(r"^\s*(?:```|~~~)", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES)

    assert fences == 2 * len(blocks())


@pytest.mark.parametrize("fence", ["", "console", "sh rooot", "yaml part whole"])
def test_a_fence_that_nobody_understands_is_found(fence: str) -> None:
    """The tests above are some that can fail."""
    [block] = parsed(Path("page.md"), f"# Title\n\n- item\n\n  ```{fence}\n  text\n  ```\n")

    assert [] != unknown_marks(block)


@pytest.mark.parametrize("block", SHELL)
def test_commands_exist_as_they_are_written(block: Block) -> None:
    """Subcommands, options, targets, modules, units and places; whether executed below or not."""
    found = commands(block.text)

    assert (True, []) == (bool(found), [mistake for words in found for mistake in mistakes(words)])


@pytest.mark.parametrize(
    "wrong",
    [
        "runflowd statsu",
        "runflowd status --jsn",
        "runflowd pause -c /etc/runflowd a --raeson x",
        "runflowd systemd dropin",
        "make tests",
        "python -m runflowd.locale",
        "python -m bench --quik",
        "pip install '.[locla]'",
        "uv install .",
        "systemctl restart runflowd.sockt",
        "cat /etc/runflow/key",
        "sudo -u runflowd -H runflowd rnu",
        "runfolwd run",
        "true && runflowd rnu",
    ],
)
def test_a_command_that_does_not_exist_is_found(wrong: str) -> None:
    """The test above is one that can fail."""
    assert [] != [mistake for words in commands(wrong) for mistake in mistakes(words) if words[0] != "true"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    """Between back quotes, table cells included; capitals stand for something of the reader's."""
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    named = re.findall(r"`((?:runflowd|make|python -m)\s[^`]+)`", text)
    found = [words for each in named for words in commands(" ".join(each.split()).replace("\\|", "|"))]

    assert [] == [f"{' '.join(words)}: {mistake}" for words in found for mistake in mistakes(words)]


def test_the_table_of_places_is_right() -> None:
    """The units and their friends go where `runflowd systemd install` puts them."""
    named = {place for place in places() if place.endswith((".service", ".timer", ".conf"))}

    assert {f"/{place}" for place in SYSTEM_FILES.values() if not place.endswith(".socket")} == named


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder to call commands in."""
    yield from desk_in(tmp_path)


def test_a_first_run_is_as_the_readme_says(desk: Desk) -> None:
    """Its commands one after the other, the last of them being the daemon; an image comes out (goal of the page)."""
    [block] = [block for block in blocks("sh") if "daemon" in block.marks]
    *before, last = commands(block.text)
    for program, *arguments in before:
        assert ("runflowd", 0) == (program, desk.run(*arguments).code)
    try:
        weights = str(locate())
    except WeightsError as error:
        pytest.skip(str(error))
    daemon = desk.start(*last[1:], env={"RUNFLOWD_WEIGHTS": weights})
    desk.wait_for("daemon.ready")
    photo = ROOT / "configs" / "demo" / "photos" / "mug.jpg"
    shutil.copy(photo, desk.input / "mug.jpg")
    until((desk.output / "mug.jpg").exists, f"the result. The log:\n{desk.log()}", WAIT_TIMEOUT)

    assert 0 == desk.stop(daemon)


@pytest.mark.timeout(600)
def test_an_operator_gets_through_the_pages(tmp_path: Path) -> None:
    """From a bare machine to a restored copy: every block that needs no internet is executed, in its order."""
    if reason := why_not():
        pytest.skip(reason)
    with machine_folder() as folder, Operated(folder) as machine:
        machine.write("/etc/runflowd/service.yaml", json.dumps(HOSTED))
        for page in STORY:
            for block in blocks_of(page):
                follow(machine, block, tmp_path)
        machine.type("systemctl is-active --quiet runflowd\ntest -e /etc/runflowd/callback-secret")
        follow_init(machine)


def follow_init(machine: Operated) -> None:
    """Do what `init --system` says, line by line; then drop, edit, stop, upgrade and remove the service."""
    machine.type("systemctl disable --now runflowd")
    machine.type("rm -r /etc/runflowd/*.yaml /etc/runflowd/credentials/api-key /var/lib/runflowd/*")
    said = machine.type("runflowd init --system --hosted --page")
    steps = [line for line in said.partition("Next:")[2].splitlines() if line.strip()]
    quick = "s|background-replace|pass-through|;s/settle: 2s/settle: 100ms/;s/quiet: 5s/quiet: 1s/"
    machine.type(f"sed -i 's|https://api.runflow.io|{API}|;{quick}' /etc/runflowd/runflowd.yaml")
    for step in steps:
        machine.type(step, typed=f"{KEY}\n")
    machine.write("/srv/runflow/in/first.jpg", picture())
    machine.wait_for("out/first.jpg")
    machine.type("sed -i 's|output: /srv/runflow/out|&/edited|' /etc/runflowd/runflowd.yaml")
    until(lambda: "/out/edited" in machine.type("runflowd status -c /etc/runflowd --json"), "the edit is taken")
    machine.write("/srv/runflow/in/second.jpg", picture())
    machine.wait_for("out/edited/second.jpg")
    machine.type("systemctl stop runflowd")
    machine.write("/srv/runflow/in/third.jpg", picture())
    machine.type("/opt/runflowd/bin/runflowd systemd install\nsystemctl daemon-reload\nsystemctl start runflowd")
    machine.wait_for("out/edited/third.jpg")
    machine.type("""
        systemctl disable --now runflowd
        find /etc/systemd/system -maxdepth 1 -type f -name 'runflowd*' -delete
        systemctl daemon-reload
        test -e /var/lib/runflowd/state.db
        test -e /srv/runflow/out/first.jpg
    """)


def follow(machine: Operated, block: Block, folder: Path) -> None:
    """Do what one block says."""
    if block.language == "yaml":
        [place] = re.findall(r"\A# (/\S+)\n", block.text)
        machine.write(place, block.text)
    elif block.language == "ini":
        machine.write("/etc/systemd/system/runflowd.service.d/page.conf", block.text)
        machine.type("systemctl daemon-reload")
    elif block.language == "sh" and not block.marks & UNTRIED:
        if "runflowd retry" in block.text:
            machine.fail("notes.jpg")
        if "schema-1.*" in block.text:
            machine.write("/var/lib/runflowd/state.db.schema-1.4711", kept(folder))
        machine.type(block.text, typed=f"{KEY}\n")


def kept(folder: Path) -> bytes:
    """A state file of the first schema, as an upgrade leaves it beside its own."""
    unpack(1, folder / "kept")
    return (folder / "kept" / "state.db").read_bytes()


def test_commands_are_executed_or_excused() -> None:
    """Outside the pages above and the first run, a block must say why it is not executed."""
    left = [block for block in blocks("sh") if block.page not in STORY and not block.marks & (UNTRIED | {"daemon"})]

    assert [] == left


@pytest.mark.parametrize("block", blocks("ini"), ids=lambda block: block.name)
def test_drop_ins_are_understood(desk: Desk, block: Block) -> None:
    """As an addition to the unit; and a line that systemd does not know would be told."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    desk.call("systemd", "install", "--root", str(desk.folder), "--program", shutil.which("true") or "/bin/true")
    unit = desk.folder / "etc" / "systemd" / "system" / "runflowd.service"
    addition = unit.with_name("runflowd.service.d") / "page.conf"
    addition.parent.mkdir()
    said = []
    for text in (block.text, f"{block.text}Requirez=x\n"):
        addition.write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said.append(done.stdout + done.stderr)

    assert ("", True) == (said[0], "Requirez" in said[1])


def test_json_is_json() -> None:
    """Every block of it parses."""
    for block in blocks("json"):
        json.loads(block.text)


@pytest.mark.parametrize("block", blocks("nginx", "caddyfile"), ids=lambda block: block.name)
def test_proxies_pass_the_path_of_callbacks_on(block: Block) -> None:
    """That one, and its braces are balanced."""
    assert (True, block.text.count("{")) == (f" {PATH} {{" in block.text, block.text.count("}"))
