"""The configuration: what is read, what is refused and how it is said."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runflowd.config import Config, Listen, LocalService, load
from runflowd.core.media.kinds import MediaKind
from runflowd.core.model import After, AfterKind, BatchLimits, Existing, OnDelete, WatchMode
from runflowd.errors import ConfigError

RULE = """
    watch: in/{name}
    output: out/{name}
    model: runflow/background-replace
"""


def write(folder: Path, text: str, name: str = "runflowd.yaml") -> Path:
    path = folder / name
    path.write_text(text)

    return path


def loaded(folder: Path, text: str) -> Config:
    return load(write(folder, text))


def rule(folder: Path, lines: str, before: str = "") -> Config:
    """A configuration with one rule named `one` that has these further lines."""
    further = "".join(f"    {line}\n" for line in lines.splitlines())

    return loaded(folder, f"service: local\n{before}\nrules:\n  one:{RULE.format(name='one')}{further}")


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong, each as `line:column: path: message`."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path)

    return [str(problem).removeprefix(f"{path}:").strip() for problem in caught.value.problems]


def problem(folder: Path, lines: str, before: str = "") -> str:
    """The only thing wrong with a rule named `one` that has these further lines."""
    with pytest.raises(ConfigError) as caught:
        rule(folder, lines, before)
    (only,) = caught.value.problems

    return f"{only.where}: {only.message}"


def test_left_out_settings_have_their_defaults(tmp_path: Path) -> None:
    """The shortest rule is a whole rule."""
    made = rule(tmp_path, "").rules[0]

    assert made.include == ("**/*",)
    assert made.input == {"image_url": "${file.url}"}
    assert (MediaKind.IMAGE,) == made.accept
    assert BatchLimits() == made.batch
    assert (2.0, 300.0, WatchMode.AUTO, After(), OnDelete.KEEP, Existing.PROCESS) == (
        made.settle,
        made.rescan,
        made.mode,
        made.after,
        made.on_delete,
        made.existing,
    )


def test_every_setting_reaches_the_rule(tmp_path: Path) -> None:
    """What is written is what the stages see, with units resolved and paths absolute."""
    made = rule(
        tmp_path,
        """include: ["*.jpg"]
exclude: [drafts/]
accept: [video, image, video]
input: {image_url: "${file.url}", logo: "${files.logo.url}", n: 3}
files: {logo: brand/logo.png}
overridable: [n]
name: "{stem}-x.{ext}"
select: result_*
overwrite: true
on_delete: remove
existing: skip
settle: 500ms
rescan: 10s
mode: rescan
batch: {quiet: 1m, max_bytes: 20MiB}""",
    ).rules[0]

    assert str(tmp_path / "brand/logo.png") == made.files["logo"]
    assert (made.include, made.exclude, made.overridable) == (("*.jpg",), ("drafts/",), ("n",))
    assert (MediaKind.IMAGE, MediaKind.VIDEO) == made.accept
    assert (made.naming, made.select, made.overwrite) == ("{stem}-x.{ext}", "result_*", True)
    assert (made.on_delete, made.existing, made.mode) == (OnDelete.REMOVE, Existing.SKIP, WatchMode.RESCAN)
    assert (made.settle, made.rescan) == (0.5, 10.0)
    assert BatchLimits(quiet=60.0, max_bytes=20 * 2**20) == made.batch


def test_rule_goes_before_defaults_and_adds_to_exclude(tmp_path: Path) -> None:
    """Each key of batch counts by itself; patterns add up."""
    before = "defaults: {settle: 9s, mode: rescan, exclude: [a/], batch: {quiet: 9s, max_items: 9}}"
    made = rule(tmp_path, "settle: 1s\nexclude: [b/]\nbatch: {quiet: 1s}", before).rules[0]

    assert (made.settle, made.mode, made.exclude) == (1.0, WatchMode.RESCAN, ("a/", "b/"))
    assert (made.batch.quiet, made.batch.max_items, made.batch.max_wait) == (1.0, 9, 60.0)


@pytest.mark.parametrize(
    ("text", "expected"), [("keep", AfterKind.KEEP), ("delete", AfterKind.DELETE), ("{move: done}", AfterKind.MOVE)]
)
def test_after_is_a_word_or_a_folder(tmp_path: Path, text: str, expected: AfterKind) -> None:
    """The folder is absolute, and set for move only."""
    after = rule(tmp_path, f"after: {text}").rules[0].after

    assert After(expected, str(tmp_path / "done") if expected is AfterKind.MOVE else "") == after


def test_rule_can_keep_what_defaults_move(tmp_path: Path) -> None:
    """`keep` is a choice, not the absence of one."""
    assert After() == rule(tmp_path, "after: keep", "defaults: {after: {move: done}}").rules[0].after


def test_paths_start_from_the_configuration_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of a daemon means nothing."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = "service: local\nrules:\n  one: {watch: ../in, output: ~/out, model: a/b}\n"
    (tmp_path / "etc").mkdir()
    made = loaded(tmp_path / "etc", text).rules[0]

    assert (str(tmp_path / "in"), str(tmp_path / "home" / "out")) == (made.watch, made.output)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("web: off", None),
        ("web: {listen: off}", None),
        ("web: {}", Listen("127.0.0.1", 8787)),
        ("web: {listen: '[::1]:80'}", Listen("::1", 80)),
        ("web: {listen: 'unix:/run/x.sock'}", Listen(socket="/run/x.sock")),
    ],
)
def test_web_listens_where_it_is_configured(tmp_path: Path, text: str, expected: Listen | None) -> None:
    """No port is opened unasked."""
    assert expected == loaded(tmp_path, f"service: local\nrules: {{}}\n{text}\n").web


@pytest.mark.parametrize("text", ["127.0.0.1:8787", "[::1]:80", "unix:/run/x.sock"])
def test_listen_is_shown_as_it_is_written(tmp_path: Path, text: str) -> None:
    """What people read in a log is what they can paste."""
    assert text == str(loaded(tmp_path, f"service: local\nrules: {{}}\nweb: {{listen: '{text}'}}\n").web)


def test_local_service_in_short_and_at_length(tmp_path: Path) -> None:
    """`service: local` is the section with everything left out."""
    short = loaded(tmp_path, "service: local\nrules: {}\n").service
    long = loaded(tmp_path, "service: {local: {folder: x}}\nrules: {}\n").service

    assert LocalService() == short.local
    assert LocalService(folder=str(tmp_path / "x")) == long.local


def test_hosted_service_is_the_default_address(tmp_path: Path) -> None:
    """A key is all that the hosted service needs."""
    assert loaded(tmp_path, "service: {}\nrules: {}\n").service.url == "https://api.runflow.io"


def test_disabled_rule_is_named_and_left_out(tmp_path: Path) -> None:
    """It may even share a folder with another rule."""
    text = f"service: local\nrules:\n  one:{RULE.format(name='x')}  two:{RULE.format(name='x')}    enabled: false\n"
    config = loaded(tmp_path, text)

    assert ([each.name for each in config.rules], config.disabled) == (["one"], ("two",))


def test_no_rules_on_purpose_is_allowed(tmp_path: Path) -> None:
    """`rules: {}` says that there are none."""
    assert loaded(tmp_path, "service: local\nrules: {}\n").rules == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_empty_file_is_a_mistake(tmp_path: Path, text: str) -> None:
    """An editor caught between truncating and writing must not stop every rule."""
    assert "is empty" in problems(tmp_path, text)[0]


def test_missing_file_is_a_mistake(tmp_path: Path) -> None:
    """The sentence says how to get a first one."""
    with pytest.raises(ConfigError, match=r"does not exist; `runflowd init .*/nope\.yaml` writes a first one"):
        load(tmp_path / "nope.yaml")


def test_missing_rules_are_a_mistake(tmp_path: Path) -> None:
    """Zero rules are never an accident."""
    assert problems(tmp_path, "service: local\n") == ["rules: is missing; write rules: {} for none"]


def test_a_misspelt_key_is_one_mistake(tmp_path: Path) -> None:
    """Whoever reads that it is missing as well may add it, and be none the wiser."""
    found = problems(tmp_path, "service: local\nruls: {}\n")

    assert ["2:1: ruls: unknown key; did you mean rules?"] == found


def test_all_mistakes_are_reported_at_once_in_order(tmp_path: Path) -> None:
    """Fields, unknown keys, placeholders and clashes of folders stand in one report."""
    text = """service: local
rules:
  one:
    watch: in
    output: in/out
    modle: runflow/x
    include: ["*.{jpg,png}"]
    batch: {quiet: 5, max_item: 3}
    input:
      image_url: ${file.ulr}
  two:
    watch: in/sub
    output: out
    model: x
    after: mve
rles: 3
"""
    expected = [
        "5:13: rules.one.output: lies inside watch of this rule",
        "6:5: rules.one.modle: unknown key; did you mean model?",
        "7:15: rules.one.include[0]: has braces",
        "8:20: rules.one.batch.quiet: needs a number and a unit, such as 5s",
        "8:23: rules.one.batch.max_item: unknown key; did you mean max_items?",
        "10:18: rules.one.input.image_url: unknown placeholder ${file.ulr}; did you mean ${file.url}?",
        "12:12: rules.two.watch: lies inside watch of rule one",
        "14:12: rules.two.model: is no model name",
        "15:12: rules.two.after: is neither keep, delete nor a section",
        "16:1: rles: unknown key; did you mean rules?",
    ]
    found = problems(tmp_path, text)

    assert len(expected) == len(found)
    assert expected == [line[: len(start)] for start, line in zip(expected, found, strict=True)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("settle: 0s", "rules.one.settle: is out of range; it goes from 100ms to 1h"),
        ("settle: soon", "rules.one.settle: is no duration"),
        ("batch: {max_items: 101}", "rules.one.batch.max_items: must be at most 100"),
        ("batch: {max_items: 0}", "rules.one.batch.max_items: must be at least 1"),
        ("batch: {max_items: ten}", "rules.one.batch.max_items: must be a whole number"),
        (
            "input: {text: '${file.text}'}\naccept: image",
            "rules.one.accept: input uses ${file.text}, so it takes text",
        ),
        ("max_file_size: 51MiB", "rules.one.max_file_size: is out of range; it goes from 1 B to 50 MiB"),
        ("batch: {max_bytes: 9}", "rules.one.batch.max_bytes: needs a number and a unit, such as 20MiB"),
        (
            "batch: fast",
            "rules.one.batch: must be a section with keys of its own; write for example batch: {quiet: 5s, ",
        ),
        ("select: [a]", "rules.one.select: takes one text and no list; write one of them"),
        ("budget: {per_day: 50,00}", "rules.one.budget.00: unknown key; a comma separates keys here"),
        ("quiet: 5s", "rules.one.quiet: unknown key; it belongs into batch"),
        ("after: {move: 'D:/done'}", "rules.one.after.move: is a path of Windows"),
        ("after: {move: '//nas/done'}", "rules.one.after.move: is a share as Windows names it"),
        ("after: {move: '\\\\nas\\done'}", "rules.one.after.move: is a share as Windows names it"),
        ("after: {move: 'smb://nas/done'}", "rules.one.after.move: is an address and no folder"),
        ("after: {move: 'file:///done'}", "rules.one.after.move: is an address and no folder"),
        ("after: {move: '${HOME}/done'}", "rules.one.after.move: holds a variable"),
        ("after: {move: $HOME/done}", "rules.one.after.move: holds a variable"),
        ("overwrite: yes", "rules.one.overwrite: must be true or false"),
        ("mode: evnts", "rules.one.mode: must be auto, events or rescan"),
        ("include: []", "rules.one.include: must not be empty"),
        ("include: '*.jpg'", "rules.one.include: must be a list, such as [a, b]"),
        ("exclude: [5]", "rules.one.exclude[0]: must be text; put it in quotes"),
        ("name: '{stem}.png'", "rules.one.name: must hold {stem}"),
        ("accept: audoi", "rules.one.accept[0]: must be image, video, audio, document, model or text"),
        ("accept: []", "rules.one.accept: must"),
        ("select: ' '", "rules.one.select: is empty"),
        ("input: {prompt: x}", "rules.one.input: never uses the file"),
        ("input: {image_url: '${file.url}', client_ref: x}", "rules.one.input.client_ref: is set by runflowd"),
        ("files: {logo: x.png}", "rules.one.files.logo: is never used"),
        ("files: {'a b': x.png}", "rules.one.files.a b: is no rule name"),
        ("after: {mve: x}", "rules.one.after.mve: unknown key; did you mean move?"),
        ("after: {}", "rules.one.after.move: is missing"),
        ("after: archive", "rules.one.after: is neither keep, delete nor a section with keys of its own; write for ex"),
        ("after: delete\non_delete: remove", "rules.one.after: with on_delete: remove"),
        ("after: {move: in/one/done}", "rules.one.after.move: lies inside watch of this rule"),
        ("after: {move: in}", "rules.one.watch: lies inside after.move of this rule"),
        ("after: {move: out/one}", "rules.one.after.move: is the same folder as output of this rule"),
        ("output: in/one", "rules.one.output: is given twice"),
        ("overridable: 5", "rules.one.overridable: must be a list"),
        ("exclude: ['[z-a]']", "rules.one.exclude[0]: is no valid pattern"),
        ("inputs: {a: b}", "rules.one.inputs: unknown key; did you mean input?"),
        ("model_id: m", "rules.one.model_id: unknown key; did you mean model?"),
        ("folder: in", "rules.one.folder: unknown key; did you mean watch?"),
        ("prompt: white", "rules.one.prompt: unknown key; it belongs into input"),
        ("Ignore: ['*.tmp']", "rules.one.Ignore: unknown key; did you mean exclude?"),
        ("batch: {batch_size: 5}", "rules.one.batch.batch_size: unknown key; did you mean max_items?"),
        ("timezone: UTC", "rules.one.timezone: unknown key; it belongs into money, beside rules"),
        ("batch: {zzz: 1}", "rules.one.batch.zzz: unknown key; there are quiet, max_wait, max_items, max_bytes"),
    ],
)
def test_mistake_in_a_rule_says_what_to_write(tmp_path: Path, lines: str, expected: str) -> None:
    """One mistake gives one sentence, at its own place."""
    with pytest.raises(ConfigError) as caught:
        rule(tmp_path, lines)

    assert any(f"{each.where}: {each.message}".startswith(expected) for each in caught.value.problems)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("{api_key: sk-123}", "service.api_key: a key has no place in this file"),
        ("{api_key_file: rf_live_sk-1234567890123456}", "service.api_key_file: looks like the key itself"),
        ("{api_key_file: eyJhbGciOi.eyJzdWIiOi.dozjgNryP4J}", "service.api_key_file: looks like the key itself"),
        ("{url: ftp://x}", "service.url: is no web address"),
        ("{url: 'https://x:99999'}", "service.url: is no web address"),
        ("{url: 'https://x.example/a b'}", "service.url: is no web address"),
        ("{url: 'https://u:sk-123@x.example'}", "service.url: holds a user name or password"),
        ("{url: 'https://x.example/?k=sk-123'}", "service.url: has a part after ?"),
        ("{url: 'http://x.example'}", "service.url: would send the key in the clear"),
        ("{local: {}, url: 'https://x.example'}", "service.url: does not go with local"),
        ("{local: {listen: 'unix:/run/x.sock'}}", "service.local.listen: must be host:port here"),
        ("{callbacks: {public_url: 'https://x.example'}}", "service.callbacks.secret_file: is missing"),
        (
            "{callbacks: {public_url: 'https://x.example', secret_file: s}}",
            "service.callbacks: needs the web section, which receives the calls; write for example web: {listen: ",
        ),
        (
            "{callbacks: {public_url: 'http://x.example', secret_file: s}}",
            "service.callbacks.public_url: must be https",
        ),
        ("locl", "service: is neither local nor a section with keys of its own; did you mean local?"),
    ],
)
def test_mistake_in_the_service_says_what_to_write(tmp_path: Path, service: str, expected: str) -> None:
    """No sentence repeats what could be a key."""
    found = problems(tmp_path, f"service: {service}\nrules: {{}}\n")

    assert any(expected in line for line in found)
    assert not any("sk-123" in line for line in found)


def test_keys_of_a_section_are_named_once(tmp_path: Path) -> None:
    """Of a section with many, those that are used most and where all are; and where inputs belong."""
    first, second = problems(
        tmp_path, f"service: local\nrules:\n  one:{RULE.format(name='one')}    zzzz: 1\n    zzzy: 2\n"
    )

    assert "rules.one.zzzz: unknown key; what the model gets belongs into input; most used are watch, output, " in first
    assert first.endswith("`man runflowd.yaml` or `runflowd schema` has all 28")
    assert second.endswith("rules.one.zzzy: unknown key")


def test_a_rule_that_is_no_section_says_what_it_needs(tmp_path: Path) -> None:
    """There is no example of a rule by that name."""
    assert problems(tmp_path, "service: local\nrules: {one: 5}\n") == [
        "2:14: rules.one: must be a section with keys of its own; it needs watch, output, model"
    ]


def test_two_folders_need_two_rules(tmp_path: Path) -> None:
    """A list of folders is no text that lacks its quotes."""
    found = problems(tmp_path, "service: local\nrules: {one: {watch: [a, b], output: c, model: m/n}}\n")

    assert found == [
        "2:22: rules.one.watch: takes one text and no list; a rule has one folder, so write a rule for each"
    ]


@pytest.mark.parametrize(
    "name", ["api-key", "./rf_live_1234567890123456", "keys/4711-4711-4711-4711", "production.key"]
)
def test_a_file_that_holds_the_key_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Only what has the looks of a key, and no folder, is taken for one."""
    config = loaded(tmp_path, f"service: {{api_key_file: {name}}}\nrules: {{}}\n")

    assert str(tmp_path / name) == config.service.api_key_file


@pytest.mark.parametrize("name", ["$RECYCLE.BIN/x", "c$/photos", "100% done", "a:b", "photos (old)"])
def test_odd_folder_names_are_names(tmp_path: Path, name: str) -> None:
    """A sign that means something elsewhere may be part of a name."""
    text = f"service: local\nrules: {{one: {{watch: '{name}', output: out, model: m/n}}}}\n"

    assert [str(tmp_path / name)] == [each.watch for each in loaded(tmp_path, text).rules]


def test_a_section_for_anchors_is_not_read(tmp_path: Path) -> None:
    """As in Compose files: what begins with x- holds whatever the author likes, in each file of a folder."""
    text = "x-one: &one {model: m/n, nonsense: 5}\nservice: local\nrules: {one: {watch: a, output: b, model: m/n}}\n"
    write(tmp_path, text, "1.yaml")
    write(tmp_path, "x-one: {}\n", "2.yaml")

    assert ["one"] == [each.name for each in load(tmp_path).rules]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8788", "http://localhost:1", "http://[::1]:1"])
def test_http_on_this_machine_needs_no_permission(tmp_path: Path, url: str) -> None:
    """Nothing crosses a network."""
    assert url == loaded(tmp_path, f"service: {{url: '{url}'}}\nrules: {{}}\n").service.url


def test_output_behind_a_link_into_the_input_is_found(tmp_path: Path) -> None:
    """The kernel follows links, so the check does."""
    (tmp_path / "in/one/inner").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/one").symlink_to(tmp_path / "in/one/inner")

    assert problem(tmp_path, "").startswith("rules.one.output: lies inside watch of this rule")


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("watch: a/x, output: z", "rules.two.watch: lies inside watch of rule one"),
        ("watch: y, output: a/z", "rules.two.output: lies inside watch of rule one"),
        ("watch: y, output: b", "rules.two.output: is the same folder as output of rule one"),
        ("watch: y, output: b/z", "rules.two.output: lies inside output of rule one"),
        ("watch: ., output: /z", "rules.one.watch: lies inside watch of rule two"),
    ],
)
def test_rules_must_not_feed_each_other(tmp_path: Path, second: str, expected: str) -> None:
    """Each clash names the other place by file and line (scenarios 38, 39)."""
    text = f"service: local\nrules:\n  one: {{watch: a, output: b, model: m/n}}\n  two: {{{second}, model: m/n}}\n"
    found = problems(tmp_path, text)

    assert any(expected in line for line in found)
    assert "(the other is" in found[0]


def test_folder_with_the_same_beginning_is_another_folder(tmp_path: Path) -> None:
    """`shoes` does not hold `shoes-red`."""
    text = (
        "service: local\nrules:\n  one: {watch: shoes, output: o, model: m/n}\n"
        "  two: {watch: shoes-red, output: o2, model: m/n}\n"
    )

    assert len(loaded(tmp_path, text).rules) == 2


def test_state_in_a_watched_folder_is_refused(tmp_path: Path) -> None:
    """The state file is no image."""
    assert problem(tmp_path, "", "state: in/one/state.db").startswith("state: lies in the watched folder of one")


def test_folder_of_files_is_one_configuration(tmp_path: Path) -> None:
    """Files are read in name order; hidden files and other endings are not."""
    write(tmp_path, f"rules:\n  two:{RULE.format(name='two')}", "20-two.yaml")
    write(tmp_path, f"service: local\nrules:\n  one:{RULE.format(name='one')}", "10-one.yaml")
    write(tmp_path, "{{{", ".swap.yaml")
    write(tmp_path, "{{{", "notes.txt")
    config = load(tmp_path)

    assert [each.name for each in config.rules] == ["one", "two"]
    assert (str(tmp_path / "10-one.yaml"), str(tmp_path / "20-two.yaml")) == config.files
    assert str(tmp_path / "in/one") == config.rules[0].watch


def test_rule_in_two_files_names_both_places(tmp_path: Path) -> None:
    """Which of the two counts is never a matter of file names."""
    write(tmp_path, f"service: local\nrules:\n  one:{RULE.format(name='one')}", "a.yaml")
    write(tmp_path, f"service: local\nrules:\n  one:{RULE.format(name='two')}", "b.yaml")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert [
        f"{tmp_path}/b.yaml:1:1: service: is given twice, first in {tmp_path}/a.yaml:1; keep one of them",
        f"{tmp_path}/b.yaml:3:3: rules.one: is given twice, first in {tmp_path}/a.yaml:3; keep one of them",
    ] == [str(each) for each in caught.value.problems]


def test_mistakes_of_all_files_are_reported_together(tmp_path: Path) -> None:
    """A file that cannot be parsed does not hide what is wrong in another, nor invent what is missing in it."""
    write(tmp_path, "service: local\nrules: [\n", "a.yaml")
    write(tmp_path, "rules:\n  two: {watch: x, output: y}\n", "b.yaml")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert [Path(each.file).name for each in caught.value.problems] == ["a.yaml", "b.yaml"]


def test_folder_without_files_is_a_mistake(tmp_path: Path) -> None:
    """An unmounted folder must not stop every rule."""
    with pytest.raises(ConfigError, match=r"holds no \*.yaml file"):
        load(tmp_path)


def test_file_with_the_other_ending_is_mentioned(tmp_path: Path) -> None:
    """Whoever writes rules.yml learns why nothing happens."""
    write(tmp_path, "service: local\nrules: {}\n", "a.yaml")
    write(tmp_path, "rules: {}\n", "b.yml")

    assert [f"{tmp_path}/b.yml: is not read; configuration files end in .yaml"] == [
        str(each) for each in load(tmp_path).warnings
    ]


@pytest.mark.parametrize(
    ("file", "folder", "warned"),
    [(0o666, 0o755, ["rules.yaml"]), (0o644, 0o777, [""]), (0o644, 0o1777, []), (0o664, 0o775, [])],
)
def test_what_everyone_may_change_is_mentioned(tmp_path: Path, file: int, folder: int, warned: list[str]) -> None:
    """Rules spend money and move files; a sticky folder keeps its files to their owners (scenario 79)."""
    write(tmp_path, "service: local\nrules: {}\n", "rules.yaml").chmod(file)
    tmp_path.chmod(folder)
    places = [str(tmp_path / name) for name in warned]

    assert [f"{place}: can be changed by everyone on this machine; run chmod o-w {place}" for place in places] == [
        str(each) for each in load(tmp_path / "rules.yaml").warnings
    ]


def test_digest_follows_the_content(tmp_path: Path) -> None:
    """A reload is decided by checksum, never by time."""
    first = loaded(tmp_path, "service: local\nrules: {}\n").digest
    same = loaded(tmp_path, "service: local\nrules: {}\n").digest
    other = loaded(tmp_path, "service: local\nrules: {} # edited\n").digest

    assert first == same
    assert first != other


def test_document_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    """A list or a word is told what a document looks like."""
    assert "must hold sections" in problems(tmp_path, "- a\n")[0]


def test_rule_is_found_by_name(tmp_path: Path) -> None:
    """None stands for a rule that is not there or turned off."""
    config = rule(tmp_path, "")

    assert config.rules[0] is config.rule("one")
    assert config.rule("two") is None


def test_home_of_nobody_is_a_mistake(tmp_path: Path) -> None:
    """A folder named `~nobody-of-that-name` would be made beside the configuration."""
    text = "service: local\nrules:\n  one: {watch: ~nobody-of-that-name/in, output: out, model: a/b}\n"

    assert any("has a ~ for which there is no home folder" in line for line in problems(tmp_path, text))


def test_list_of_rules_is_said_to_be_a_mapping(tmp_path: Path) -> None:
    """Rules have names."""
    expected = ["2:8: rules: must hold rules by name; write rules: {} for none"]

    assert expected == problems(tmp_path, "service: local\nrules: [a]\n")


@pytest.mark.parametrize("listen", ["8787", "127.0.0.1", "127.0.0.1:0", "x:65536", "unix:run/x.sock", "http://x:1"])
def test_address_nobody_could_listen_on_is_refused(tmp_path: Path, listen: str) -> None:
    """Found at load, not at the first request."""
    (found,) = problems(tmp_path, f"service: local\nrules: {{}}\nweb: {{listen: '{listen}'}}\n")

    assert found.startswith("3:15: web.listen: ")


WHOLE = {
    "service": {"url": "https://x.example", "callbacks": {"public_url": "https://y.example", "secret_file": "s"}},
    "state": "s.db",
    "web": {"listen": "127.0.0.1:1"},
    "log": {"level": "info"},
    "limits": {"uploads": 3},
    "defaults": {"settle": "5s", "exclude": ["x"], "after": {"move": "m"}, "batch": {"quiet": "1s"}},
    "rules": {
        "one": {
            "watch": "in",
            "output": "out",
            "model": "a/b",
            "input": {"i": "${file.url}", "l": ["${files.x.url}"]},
            "files": {"x": "x.png"},
            "overridable": ["i"],
            "after": "keep",
            "name": "{stem}.{ext}",
        },
        "two": {"watch": "in2", "output": "out2", "model": "a/b", "after": {"move": "d"}},
    },
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 5, -1.5, "", "x", "\0", "~", "/", "..", "{", "${", [], [[]], [5], {}, {"": {}}, {"move": []}]
)


def spots(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values of a document."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))

    return [path, *(spot for key, part in inner for spot in spots(part, (*path, key)))]


def test_whole_document_is_right(tmp_path: Path) -> None:
    """What the next test breaks is whole to begin with."""
    assert [each.name for each in loaded(tmp_path, json.dumps(WHOLE)).rules] == ["one", "two"]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(spots(WHOLE)[1:]), ODD), min_size=1, max_size=4))
def test_odd_values_are_problems_and_never_crashes(changes: list[tuple[tuple[str | int, ...], object]]) -> None:
    """Law: whatever stands wherever, the answer is a Config or a list of problems."""
    document: Any = copy.deepcopy(WHOLE)
    for path, value in changes:
        here = document
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for key in path[:-1]:
                here = here[key]
            here[path[-1]] = copy.deepcopy(value)
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder), json.dumps(document))
        try:
            told = [load(file).digest]
        except ConfigError as error:
            told = [problem.message for problem in error.problems]

    assert told
    assert all(told)
