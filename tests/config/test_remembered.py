"""What commands need of a configuration is read back as the configuration itself has it, or not at all."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runflowd.config import Essentials, load, load_essentials, loading, remembered
from runflowd.errors import ConfigError
from runflowd.system.paths import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAIN = """
service: {url: "https://api.example.com", organization: us}
state: state.db
money: {timezone: Europe/Berlin, currency: EUR, budget: {per_day: 0.10, stop: soft}}
rules:
  one: {watch: in/one, output: out/one, model: m/n, price: 0.05, budget: {per_file: 1}, approve: {above_cost: 2.50}}
  two:
    watch: in/two
    output: out/two
    model: m/n
    accept: [video, image]
    include: ["*.mp4"]
    input: {video_url: "${file.url}", prompt: "ünder ~ it", seeds: [1, 2.5, null, {deep: yes}]}
    after: {move: done}
    batch: {deadline: 2h}
    review: {mode: hold, which: 10%}
  off: {watch: in/one, output: in/one, model: m/n, enabled: false}
"""
LOCAL = "service: {local: {folder: here, listen: '127.0.0.1:1', faults: {runs: [{kind: fail}]}}}\nrules: {}\n"
CALLED = (
    "service: {callbacks: {public_url: 'https://us.example.com', secret_file: /s}}\n"
    "web: {listen: '127.0.0.1:8787'}\nrules: {r: {watch: a, output: b, model: m/n}}\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    return tmp_path / "cache"


def written(folder: Path, text: str = PLAIN) -> Path:
    """A configuration."""
    (path := folder / "runflowd.yaml").write_text(text)
    return path


def outcome(read: Callable[[Path], Essentials], path: Path) -> Essentials | str:
    """What a reading gives, or says."""
    try:
        return read(path)
    except ConfigError as error:
        return str(error)


@contextlib.contextmanager
def without_reading() -> Iterator[None]:
    """Nobody reads the configuration itself."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loading, "load_with_data", None)
        yield


def is_remembered(path: Path) -> bool:
    """Whether it is told without a look at the configuration itself."""
    with without_reading():
        try:
            load_essentials(path)
        except TypeError:
            return False
    return True


@pytest.mark.parametrize("text", [PLAIN, LOCAL, CALLED], ids=["hosted", "local", "callbacks"])
def test_it_is_what_the_configuration_says(tmp_path: Path, text: str) -> None:
    """Every amount to its last digit, and every rule."""
    path = written(tmp_path, text)
    first = load_essentials(path)

    with without_reading():
        again = load_essentials(path)
    assert repr(load(path).essentials) == repr(first) == repr(again)


def relink(folder: Path, target: Path) -> None:
    """The watched folder of a rule is a link."""
    (link := folder / "in" / "one").unlink(missing_ok=True)
    for each in (target, link.parent):
        each.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def open_to_all(folder: Path) -> None:
    """Anybody may write the file."""
    with contextlib.suppress(OSError):
        (folder / "runflowd.yaml").chmod(0o666)


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda folder: None,
    "a comment": lambda folder: written(folder, f"{PLAIN}# seen\n"),
    "a value": lambda folder: written(folder, PLAIN.replace("0.05", "0.06")),
    "a mistake": lambda folder: written(folder, PLAIN.replace("m/n", "m")),
    "no YAML": lambda folder: written(folder, "rules: [\n"),
    "as it was": written,
    "away": lambda folder: (folder / "runflowd.yaml").unlink(missing_ok=True),
    "a link to another rule's folder": lambda folder: relink(folder, folder / "in" / "two"),
    "a link elsewhere": lambda folder: relink(folder, folder / "elsewhere"),
    "a home": lambda folder: written(folder, PLAIN.replace("in/two", "~/in")),
    "a program to run": lambda folder: written(folder, f"{PLAIN}notify: {{command: [/bin/true]}}\n"),
    "open to all": open_to_all,
}


@settings(max_examples=12)
@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4))
def test_whatever_changes_it_is_as_if_read_anew(changes: list[str]) -> None:
    """The same values, and the same mistakes at the same places (scenario 90)."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = written(folder)
        for change in ("nothing", *changes):
            CHANGES[change](folder)
            expected = outcome(lambda path: load(path).essentials, path)
            assert expected == outcome(load_essentials, path) == outcome(load_essentials, path)


def test_no_models_are_made_for_what_is_remembered(tmp_path: Path) -> None:
    """They take longer than all the rest of `status`."""
    path = written(tmp_path)
    load_essentials(path)
    told = (
        f"import sys; from runflowd.config import load_essentials; load_essentials({str(path)!r}); "
        "print([name for name in ('pydantic', 'yaml', 'pathspec') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"


def test_another_installation_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its defaults may be others (scenario 69)."""
    path = written(tmp_path)
    load_essentials(path)
    before = is_remembered(path)
    monkeypatch.setattr(remembered, "__version__", "9.9")

    assert (True, False) == (before, is_remembered(path))


@pytest.mark.parametrize(
    "harm",
    [
        lambda kept: kept.chmod(0o666),
        lambda kept: kept.write_text("{"),
        lambda kept: kept.write_text("[]"),
        lambda kept: kept.write_text(kept.read_text().replace('"zone"', '"zones"')),
        lambda kept: kept.rename(kept.with_name("other")) and kept.symlink_to(kept.with_name("other")),
    ],
    ids=["written by others", "cut", "of another shape", "of another version", "a link"],
)
def test_what_is_not_to_be_trusted_is_not_used(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    """Whoever can write there would choose where results go."""
    path = written(tmp_path)
    expected = load_essentials(path)
    (kept,) = cache_folder().iterdir()
    harm(kept)

    assert not is_remembered(path)
    assert expected == load_essentials(path)


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """Prompts are in it; addresses of messages, which may be secret, are not."""
    path = written(tmp_path, f"{PLAIN}notify: {{webhook: {{url: 'https://hooks.example.com/s3cret'}}}}\n")
    load_essentials(path)
    (kept,) = cache_folder().iterdir()

    assert (0o600, 0o700) == (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777)
    assert is_remembered(path)
    assert "s3cret" not in kept.read_text()


def test_where_nothing_can_be_kept_it_is_read_each_time(tmp_path: Path, cache: Path) -> None:
    """A full disk, or a home that cannot be written."""
    cache.write_text("no folder")
    path = written(tmp_path)

    assert load(path).essentials == load_essentials(path)
    assert not is_remembered(path)
