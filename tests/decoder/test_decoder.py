"""Decoders are asked in a process apart, which has limits and nothing of the daemon's."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from pictures import encoded, noise, odd_gif

from runflowd.decoder import Decoder, Ended, Installed, Verdict
from runflowd.decoder.limits import MAX_CPU, MAX_MEMORY
from runflowd.files import ignore_progress


def verdicts(folder: Path, *files: tuple[str, bytes], decoder: Decoder | None = None) -> list[Verdict]:
    """What the decoders of this machine, or `decoder`, make of files of these types."""
    opened = []
    try:
        for number, (mime, data) in enumerate(files):
            (folder / f"{number}").write_bytes(data)
            opened.append((os.open(folder / f"{number}", os.O_RDONLY), mime))
        return (decoder or Decoder()).judge(opened, "/media", ignore_progress)
    finally:
        for descriptor, _ in opened:
            os.close(descriptor)


def in_place_of_ffmpeg(folder: Path, script: str, interpreter: str = "/bin/sh") -> Decoder:
    """A decoder whose ffmpeg is this script."""
    path = folder / "ffmpeg"
    path.write_text(f"#!{interpreter}\n{script}\n")
    path.chmod(0o755)
    return Decoder(Installed(ffmpeg=str(path)))


def test_each_file_of_a_batch_gets_its_own_verdict(tmp_path: Path) -> None:
    """An odd image decodes, half of one does not, one of enormous size takes no more memory than it may."""
    bomb = encoded(noise(), "PNG")
    bomb = bomb[:16] + (60_000).to_bytes(4, "big") * 2 + bomb[24:]
    files = [("image/gif", odd_gif()), ("image/jpeg", encoded(noise(300, 300), "JPEG")[:9000]), ("image/png", bomb)]

    found = verdicts(tmp_path, *files, ("image/webp", encoded(noise(), "WEBP")))

    assert [True, False, False, True] == [each.decoded for each in found]
    assert "truncated" in found[1].words


def test_half_an_image_does_not_decode(tmp_path: Path) -> None:
    """However much of it is there: what is missing may still come."""
    whole = [(form, encoded(noise(300, 300), form)) for form in ("JPEG", "PNG", "WEBP", "TIFF", "BMP")]
    parts = [(form, data[: len(data) * share // 100]) for form, data in whole for share in (30, 60, 90, 99)]

    found = verdicts(tmp_path, *((f"image/{form.lower()}", data) for form, data in [*whole, *parts]))

    assert [True] * 5 + [False] * 20 == [each.decoded for each in found]


def test_an_image_of_many_pages_decodes_only_as_a_whole(tmp_path: Path) -> None:
    """The first page of a TIFF is not all of it."""
    data = encoded(noise(200, 200), "TIFF", save_all=True, append_images=[noise(200, 200)])

    found = verdicts(tmp_path, ("image/tiff", data), ("image/tiff", data[: len(data) * 3 // 4]))

    assert [True, False] == [each.decoded for each in found]


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    """Nothing is guessed without a decoder."""
    found = verdicts(tmp_path, ("image/gif", odd_gif()), ("video/mp4", b"x"), decoder=Decoder(Installed()))

    said = [f"no decoder was asked: {name} is not installed" for name in ("Pillow", "PyAV (or ffmpeg)")]
    assert [Verdict(decoded=False, words=words) for words in said] == found


def test_heic_needs_more_than_pillow() -> None:
    """pillow-heif is the user's choice."""
    has = Installed(pillow="13.0.0")

    assert ("pillow-heif", "") == (has.lacking("image/heic"), has.lacking("image/avif"))


LOOK = """
import json, os, resource, signal
paths = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
files = sorted(os.path.basename(os.readlink(path)) for path in paths if os.path.isfile(path))
limits = [resource.getrlimit(each) for each in (resource.RLIMIT_DATA, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)]
apart = os.getsid(0) not in (os.getpid(), DAEMON) and os.getpgid(0) == os.getsid(0)
print(json.dumps([sorted(set(os.environ) - {"LC_CTYPE"}), files, limits, signal.alarm(0) > 0, apart]))
"""


def test_a_decoder_has_limits_and_nothing_of_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment, its descriptors, and what it may use, as a program in its place sees them."""
    monkeypatch.setenv("RUNFLOW_API_KEY", "rf_secret")
    script = LOOK.replace("DAEMON", str(os.getsid(0)))
    decoder = in_place_of_ffmpeg(tmp_path, script, interpreter=f"{sys.executable} -SE")
    other = os.open(tmp_path / "ffmpeg", os.O_RDONLY)
    os.set_inheritable(other, True)

    (found,) = verdicts(tmp_path, ("video/mp4", b"film"), decoder=decoder)
    os.close(other)

    limits = [[MAX_MEMORY] * 2, [MAX_CPU] * 2, [0, 0]]
    assert [[], ["0"], limits, True, True] == json.loads(found.words)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -SEGV $$", "its decoder was ended by SIGSEGV"),
        ("kill -KILL $$", "its decoder was killed"),
        ("exit 3", "its decoder ended with exit code 3"),
        ("echo 'moov atom not found' >&2; exit 1", "moov atom not found"),
        ("echo; echo 'key rf_live_0123456789abcdef https://x/?sig=1' >&2", "key rf_live_01"),
    ],
)
def test_the_death_of_a_decoder_is_one_file_s_matter(tmp_path: Path, script: str, words: str) -> None:
    """The next file of the batch is decoded; what is shown holds no secret."""
    decoder = in_place_of_ffmpeg(tmp_path, script)
    decoder._has = Installed(pillow="1", ffmpeg=str(tmp_path / "ffmpeg"))

    first, second = verdicts(tmp_path, ("video/mp4", b"film"), ("image/gif", odd_gif()), decoder=decoder)

    assert first.words.startswith(words)
    assert ("cdef" not in first.words, "sig=1" not in first.words, second.decoded) == (True, True, True)


def test_a_program_that_is_not_there_any_more_decodes_nothing(tmp_path: Path) -> None:
    """It was removed since it was looked for."""
    (found,) = verdicts(tmp_path, ("video/mp4", b"film"), decoder=Decoder(Installed(ffmpeg="/nowhere/ffmpeg")))

    assert not found.decoded
    assert "No such file" in found.words


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_end_of_the_daemon_ends_the_decoder(tmp_path: Path) -> None:
    """At once, and none is begun afterwards."""
    decoder = in_place_of_ffmpeg(tmp_path, "while :; do :; done")
    raised = list[BaseException]()

    def judge() -> None:
        try:
            verdicts(tmp_path, ("video/mp4", b"film"), decoder=decoder)
        except Ended as ended:
            raised.append(ended)

    thread = threading.Thread(target=judge)
    thread.start()
    while not (child := decoder._child) or not (started := _children(child.pid)):
        assert thread.is_alive()
        time.sleep(0.01)
    decoder.stop()
    thread.join(60)

    assert ([Ended], False) == ([type(each) for each in raised], thread.is_alive())
    while any(_runs(pid) for pid in started):
        time.sleep(0.01)
    with pytest.raises(Ended):
        verdicts(tmp_path, ("video/mp4", b"film"), decoder=decoder)
