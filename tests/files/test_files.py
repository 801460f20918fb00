"""Users' files are read as they are and written whole, on real file systems."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pictures
import pytest
from failing_calls import Calls, failing_files

from runflowd import files
from runflowd.core.media.image_type import ImageType, Whole, check
from runflowd.core.model import Stat
from runflowd.files import renaming, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A watched folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    return str(folder)


@pytest.fixture
def output(tmp_path: Path) -> str:
    """An output folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return str(folder)


def put(root: str, relative: str, data: bytes = b"content") -> Stat:
    """Write a file and say how it looks."""
    path = Path(root, relative)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    found = files.stat(root, relative)
    assert found is not None
    return found


def tree(root: str) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, with its content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(Path(root).rglob("*")) if path.is_file()}


def names_in(folder: str) -> list[str]:
    """What stands in a folder, hidden names included."""
    return sorted(path.name for path in Path(folder).iterdir())


def open_descriptors() -> int:
    """How many descriptors this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def save(
    root: str, relative: str, data: bytes, *, replaces: Stat | None = None, overwrite: bool = False
) -> files.Written:
    """Write a file the way outputs are written."""
    folder, _, name = relative.rpartition("/")
    with files.Draft(root, folder, limit=1 << 20) as draft:
        draft.write(data)
        return draft.commit(name, replaces=replaces, overwrite=overwrite)


def failing_from(patch: pytest.MonkeyPatch, fatal: int, code: int, *, lasting: bool) -> Callable[[], int]:
    """Make the `fatal`-th call that can fail do so, and with `lasting` all later ones; returns the counter."""
    count = 0

    def spoiled(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == fatal or (lasting and count > fatal):
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        return call

    for name in ("open", "write", "fsync", "fstat", "lstat", "rename", "link", "unlink", "mkdir", "dup"):
        patch.setattr(os, name, spoiled(getattr(os, name)))
    return lambda: count


class TestScan:
    """Listings are facts about regular files."""

    def test_files_and_folders_are_distinguished(self, root: str) -> None:
        """Files come with their stat, folders by name."""
        expected = put(root, "a.jpg")
        put(root, "sub/b.jpg")

        listing = files.scan_directory(root)

        assert ({"a.jpg": expected}, ("sub",), None) == (listing.files, listing.folders, listing.error)

    def test_special_files_are_skipped_with_a_reason(self, root: str) -> None:
        """A pipe is never opened, it would hang (scenario 22)."""
        os.mkfifo(f"{root}/pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{root}/socket")

            listing = files.scan_directory(root)

        assert {
            files.Skipped("pipe", "it is a pipe"),
            files.Skipped("socket", "it is a socket"),
        } == set(listing.skipped)

    def test_symlinks_are_skipped_and_those_that_leave_are_named(self, root: str, output: str) -> None:
        """Outside files must not be sent away; inside ones have their own name (scenario 21)."""
        put(root, "a.jpg")
        Path(f"{root}/inside.jpg").symlink_to("a.jpg")
        Path(f"{root}/outside").symlink_to(output)
        Path(f"{root}/loop").symlink_to(f"{root}/loop")

        listing = files.scan_directory(root)

        reasons = {skipped.name: skipped.reason for skipped in listing.skipped}
        assert "it is a symlink that leads out of the folder" == reasons["outside"]
        assert "it is a symlink; what it points to is seen under its own name" == reasons["inside.jpg"]
        assert {"a.jpg"} == listing.files.keys()

    def test_names_in_any_encoding_survive(self, root: str) -> None:
        """Bytes that are no UTF-8, and line breaks, come back as they went in (scenarios 45 and 46)."""
        names = [b"\xff\xfe.jpg", b"line\nbreak.jpg", "n\u0303.jpg".encode(), "\u00f1.jpg".encode()]
        for name in names:
            Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)

        listing = files.scan_directory(root)
        contents = [b"".join(files.read_chunks(root, name, found)) for name, found in listing.files.items()]

        assert sorted(names) == sorted(contents)

    def test_a_missing_folder_is_trouble_not_emptiness(self, root: str) -> None:
        """No file may be taken for deleted because its folder could not be read."""
        listing = files.scan_directory(root, "gone")

        assert isinstance(listing.error, files.Missing)

    def test_walk_lists_every_folder_once(self, root: str) -> None:
        """Parents come first, and `enter` keeps out of what is ignored."""
        for relative in ("a/b/x.jpg", "c/y.jpg", "@eaDir/z.jpg"):
            put(root, relative)

        seen = [listing.relative for listing in files.walk(root, enter=lambda path: path != "@eaDir")]

        assert ["", "a", "a/b", "c"] == seen

    def test_walk_can_start_below_the_root(self, root: str) -> None:
        """A pasted folder is listed alone, with paths relative to the root."""
        put(root, "a/b/x.jpg")

        found = [listing.path_of(name) for listing in files.walk(root, "a") for name in listing.files]

        assert ["a/b/x.jpg"] == found

    def test_a_bind_mount_that_leads_back_is_not_entered(self, root: str) -> None:
        """A mount can make a loop where no symlink is (scenario 21)."""
        put(root, "a.jpg")
        Path(root, "loop").mkdir()
        code = (
            "import sys\nfrom runflowd import files\n"
            "print([listing.path_of(name) for listing in files.walk(sys.argv[1]) for name in listing.files])"
        )
        mount = f'mount --bind "{root}" "{root}/loop" && test -e "{root}/loop/a.jpg" && exec "$0" -c "$1" "{root}"'
        if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
            pytest.skip("mount namespaces are not available")

        command = ["unshare", "-m", "sh", "-c", mount, sys.executable, code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert "['a.jpg']\n" == done.stdout

    @pytest.mark.skipif(not AS_ROOT, reason="changing to another user needs root")
    def test_folders_below_a_depth_are_not_entered(self, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever makes thousands of them costs nothing more, and everything else is listed (scenario 147)."""
        monkeypatch.setattr(scan, "MAX_DEPTH", 3)
        put(root, "a/b/c/d/e/f.jpg")
        put(root, "z/y.jpg")

        found = {listing.relative: type(listing.error) for listing in files.walk(root)}

        assert found.pop("a/b/c/d") is files.TooDeep
        assert dict.fromkeys(["", "a", "a/b", "a/b/c", "z"], type(None)) == found

    def test_a_folder_with_too_many_names_is_trouble_and_takes_no_memory(
        self, root: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No file of it is taken for deleted, and the others go on (scenario 147)."""
        monkeypatch.setattr(scan, "MAX_NAMES", 3)
        for number in range(5):
            put(root, f"many/{number}.jpg")

        many = {listing.relative: listing for listing in files.walk(root)}["many"]

        assert ({}, files.TooMany) == (many.files, type(many.error))

    def test_an_unreadable_folder_does_not_stop_the_walk(self, open_root: str) -> None:
        """The rest of the tree works, and the folder says why it does not (scenario 37)."""
        root = open_root
        put(root, "closed/x.jpg")
        put(root, "open/y.jpg")
        Path(root, "closed").chmod(0)

        lines = as_nobody(
            root,
            """
            for listing in files.walk(root):
                print(listing.relative, sorted(listing.files), type(listing.error).__name__)
            """,
        )

        assert [" [] NoneType", "closed [] Forbidden", "open ['y.jpg'] NoneType"] == lines


@pytest.fixture
def open_root() -> Iterator[str]:
    """A watched folder that everybody reaches: `tmp_path` is closed to others by each pytest that starts meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield folder


def as_nobody(root: str, code: str) -> list[str]:
    """Run code as uid 65534, who owns nothing, and return what it prints."""
    program = (
        f"import os, sys\nfrom runflowd import files\nroot = sys.argv[1]\nos.setuid(65534)\n{textwrap.dedent(code)}"
    )
    # Measuring coverage would fail for want of a place to write.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    command = [sys.executable, "-c", program, root]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "" == done.stderr
    return done.stdout.splitlines()


class TestRead:
    """The bytes hashed are the bytes sent."""

    def test_hash_is_that_of_the_content(self, root: str) -> None:
        """Plain SHA-256 in hex, over more than one piece."""
        data = os.urandom(700_001)
        found = put(root, "a.jpg", data)

        assert hashlib.sha256(data).hexdigest() == files.hash_file(root, "a.jpg", found)

    def test_an_empty_file_has_no_pieces(self, root: str) -> None:
        """Zero bytes are read as zero pieces."""
        found = put(root, "a.jpg", b"")

        assert [] == list(files.read_chunks(root, "a.jpg", found))

    @pytest.mark.parametrize("how", ["grown", "shrunk", "replaced", "removed", "symlink", "folder"])
    def test_a_file_changed_before_reading_is_refused(self, root: str, how: str) -> None:
        """The stat that the caller knows must still be true (scenario 8)."""
        found = put(root, "a.jpg", b"x" * 1000)
        path = Path(root, "a.jpg")
        if how in {"grown", "shrunk"}:
            os.truncate(path, 2000 if how == "grown" else 10)
        else:
            path.rename(Path(root, "aside"))
        if how == "replaced":
            path.write_bytes(b"y" * 1000)
        elif how == "symlink":
            path.symlink_to("aside")
        elif how == "folder":
            path.mkdir()

        with pytest.raises((files.Changed, files.Escapes)):
            files.hash_file(root, "a.jpg", found)

    def test_a_change_during_reading_holds_the_last_piece_back(self, root: str) -> None:
        """A receiver that counts bytes must never get all of a torn file."""
        found = put(root, "a.jpg", b"x" * 1000)
        pieces = files.read_chunks(root, "a.jpg", found, size=250)
        received = [next(pieces)]
        os.utime(Path(root, "a.jpg"), ns=(1, 1))

        with pytest.raises(files.Changed):
            received.extend(pieces)

        assert 750 == len(b"".join(received))

    def test_the_last_piece_comes_when_the_file_is_closed(self, root: str) -> None:
        """Whoever has all of it may leave the rest to an event loop, which must wait for no disk."""
        found = put(root, "a.jpg", b"x" * 1000)
        pieces = files.read_chunks(root, "a.jpg", found)
        next(pieces)

        assert f"{root}/a.jpg" not in {str(each.resolve()) for each in Path("/proc/self/fd").iterdir()}

    def test_a_file_cut_during_reading_is_refused(self, root: str) -> None:
        """Fewer bytes than promised are never padded or passed off as whole."""
        found = put(root, "a.jpg", b"x" * 1000)
        pieces = files.read_chunks(root, "a.jpg", found, size=250)
        next(pieces)
        os.truncate(Path(root, "a.jpg"), 300)

        with pytest.raises(files.Changed, match="became shorter"):
            list(pieces)

    def test_other_content_under_the_same_stat_is_refused(self, root: str) -> None:
        """With the hash known, even a change that restores the mtime is found."""
        found = put(root, "a.jpg", b"x" * 1000)
        with Path(root, "a.jpg").open("r+b") as file:
            file.write(b"y")
        os.utime(Path(root, "a.jpg"), ns=(found.mtime_ns, found.mtime_ns))

        with pytest.raises(files.Changed):
            list(files.read_chunks(root, "a.jpg", found, sha256=hashlib.sha256(b"x" * 1000).hexdigest()))

    def test_a_folder_swapped_for_a_symlink_is_not_followed(self, root: str, output: str) -> None:
        """Nobody can make the daemon upload a file from elsewhere (scenario 44)."""
        found = put(output, "secret.jpg")
        Path(f"{root}/sub").symlink_to(output)

        with pytest.raises(files.Escapes):
            list(files.read_chunks(root, "sub/secret.jpg", found))

    @pytest.mark.parametrize("relative", ["../a.jpg", "/etc/passwd", "a//b", "./a", "a/..", "nul\0byte"])
    def test_paths_that_leave_the_root_are_refused(self, root: str, relative: str) -> None:
        """A relative path is plain components and nothing else (scenario 43)."""
        with pytest.raises(files.Escapes):
            files.stat(root, relative)

    def test_a_symlinked_root_is_trusted(self, root: str, tmp_path: Path) -> None:
        """The operator named it; only what lies beneath is not followed."""
        found = put(root, "a.jpg")
        (tmp_path / "link").symlink_to(root)

        assert found == files.stat(str(tmp_path / "link"), "a.jpg")

    def test_stat_of_anything_but_a_file_is_none(self, root: str) -> None:
        """Missing, folder, link and pipe are all "no such file"."""
        Path(f"{root}/folder").mkdir()
        os.mkfifo(f"{root}/pipe")
        Path(f"{root}/link").symlink_to("folder")

        assert [None] * 5 == [files.stat(root, name) for name in ("gone", "folder", "pipe", "link", "link/x")]

    @pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
    def test_what_is_no_file_is_refused_without_opening_it(self, root: str, kind: str) -> None:
        """Opening a pipe would hang the thread until somebody writes."""
        path = Path(root, "x")
        with socket.socket(socket.AF_UNIX) as listener:
            makers: dict[str, Callable[[str], None]] = {
                "pipe": os.mkfifo,
                "socket": listener.bind,
                "folder": os.mkdir,
            }
            makers[kind](str(path))

            with pytest.raises(files.NotAFile), files.open_source(root, "x"):
                pass

    def test_an_image_is_checked_where_it_lies(self, root: str) -> None:
        """The source that `imagetype.check` reads from is the file itself."""
        put(root, "a.dat", pictures.png())

        with files.open_source(root, "a.dat") as source:
            found = check(source)

        assert Whole(ImageType.PNG) == found

    def test_a_small_file_is_read_once_behind_its_first_bytes(self, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever judges, measures and hashes it gets the same bytes, and a share is asked for them once."""
        put(root, "a.dat", content := os.urandom(100_000))
        read: list[int] = []
        pread = os.pread

        def counted(descriptor: int, length: int, offset: int) -> bytes:
            read.append(length)
            return pread(descriptor, length, offset)

        monkeypatch.setattr(os, "pread", counted)
        with files.open_source(root, "a.dat") as source:
            parts = [source.read(offset, 10) for offset in (0, 50, 99_995, 40_000, 200_000)]
            digest = source.sha256(files.stat(root, "a.dat") or Stat(0, 0, 0))

        assert [content[:10], content[50:60], content[-5:], content[40_000:40_010], b""] == parts
        assert ([4096, 100_000], hashlib.sha256(content).hexdigest()) == (read, digest)

    def test_a_file_that_changes_while_it_is_judged_has_no_hash(self, root: str) -> None:
        """What was read before the change and after it is no content that ever was there."""
        put(root, "a.dat", b"old content")
        expected = files.stat(root, "a.dat") or Stat(0, 0, 0)

        with files.open_source(root, "a.dat") as source:
            source.read(0, 3)
            os.utime(f"{root}/a.dat", ns=(0, expected.mtime_ns + 1))
            with pytest.raises(files.Changed):
                source.sha256(expected)

    @pytest.mark.skipif(not AS_ROOT, reason="changing to another user needs root")
    def test_an_unreadable_file_says_who_needs_access(self, open_root: str) -> None:
        """Waiting with a reason that can be acted upon (scenario 23)."""
        root = open_root
        put(root, "a.jpg")
        Path(root, "a.jpg").chmod(0)

        lines = as_nobody(
            root,
            """
            try:
                files.hash_file(root, "a.jpg", files.stat(root, "a.jpg"))
            except files.Forbidden as trouble:
                print(trouble.advice)
            """,
        )

        assert ["Give uid 65534 access; `runflowd doctor` as that user names the command."] == lines


class TestDiscard:
    """A draft that is given up is cleared away, whatever the disk says to that."""

    @pytest.fixture
    def refused(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The descriptors whose closing was answered with an error, as a share over its quota does (close(2))."""
        closed: list[int] = []
        close = os.close

        def full(descriptor: int) -> None:
            close(descriptor)
            if sys._getframe(1).f_code.co_filename.endswith("draft.py"):
                closed.append(descriptor)
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        monkeypatch.setattr(os, "close", full)
        return closed

    def test_an_error_of_closing_leaks_nothing_and_closes_nothing_twice(self, output: str, refused: list[int]) -> None:
        """A number closed twice may be somebody else's file by then."""
        before = open_descriptors()
        draft = files.Draft(output, "", limit=10)
        draft.write(b"x")

        draft.discard()
        draft.discard()

        assert (2, True) == (len(refused), draft.closed)
        assert (before, []) == (open_descriptors(), names_in(output))

    @pytest.mark.usefixtures("refused")
    def test_what_went_wrong_first_is_what_is_reported(self, output: str) -> None:
        """A full disk pauses the rule; an error of closing, told in its place, would not."""
        with pytest.raises(files.TooBig), files.Draft(output, "", limit=1) as draft:
            draft.write(b"12")


class TestDraft:
    """A file appears whole or not at all."""

    def test_commit_makes_the_file_and_its_folders(self, output: str) -> None:
        """What was written stands under the final name, with nothing beside it."""
        written = save(output, "a/b/c.webp", b"result")

        assert {"a/b/c.webp": b"result"} == tree(output)
        assert ("a/b/c.webp", files.stat(output, "a/b/c.webp")) == (written.relative, written.stat)
        assert hashlib.sha256(b"result").hexdigest() == written.sha256

    def test_flush_foretells_the_committed_file(self, output: str) -> None:
        """A caller can record stat and hash before the rename and know its file after a crash (scenario 58)."""
        with files.Draft(output, "", limit=100) as draft:
            draft.write(b"result")
            promised = draft.flush()
            written = draft.commit("x.png")

        assert (promised.stat, promised.sha256) == (written.stat, written.sha256)

    def test_a_draft_says_whether_a_name_beside_it_is_free(self, output: str) -> None:
        """No file stands there; a folder is none, and the rename tells of it."""
        put(output, "a/taken.png")
        Path(output, "a", "folder.png").mkdir()
        with files.Draft(output, "a", limit=100) as draft:
            found = [draft.is_free(name) for name in ("taken.png", "folder.png", "new.png", "x" * 300)]

        assert [False, True, True, True] == found

    def test_content_is_synced_before_the_rename_and_the_folder_after(
        self, output: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without both, a power cut may leave an empty file or none under the final name (scenario 75)."""
        seen: list[tuple[bool, bool]] = []
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            seen.append((Path(f"/proc/self/fd/{descriptor}").is_dir(), Path(output, "x.png").exists()))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", watched)
        save(output, "x.png", b"new")

        assert [(False, False), (True, True)] == seen

    def test_what_was_taken_in_memory_is_part_of_the_file(self, output: str) -> None:
        """It counts for size and limit at once, and is there for whoever checks, syncs or names the draft."""
        with files.Draft(output, "", limit=6) as draft:
            draft.take(b"res")
            before = draft.size, draft.pending
            draft.write(b"ul")
            draft.take(b"t")
            with pytest.raises(files.TooBig):
                draft.take(b"s")
            checked = draft.source().read(0, 10), draft.pending
            draft.commit("x.png")

        assert ((3, 3), (b"result", 0), {"x.png": b"result"}) == (before, checked, tree(output))

    def test_a_draft_that_begins_anew_forgets_what_was_taken(self, output: str) -> None:
        """A storage that cannot go on sends all of it again."""
        with files.Draft(output, "", limit=100) as draft:
            draft.write(b"old")
            draft.take(b"older")
            draft.restart()
            draft.take(b"new")
            written = draft.commit("x.png")

        assert ({"x.png": b"new"}, hashlib.sha256(b"new").hexdigest()) == (tree(output), written.sha256)

    def test_nothing_is_visible_before_commit(self, output: str) -> None:
        """While it is written there is one hidden name only."""
        with files.Draft(output, "", limit=100) as draft:
            draft.write(b"half")
            names = names_in(output)

        assert ([True], []) == ([name.startswith(files.TEMPORARY_PREFIX) for name in names], names_in(output))

    def test_nothing_is_made_before_there_are_bytes_to_write(self, output: str) -> None:
        """A small result is taken in memory first, and a folder that only a failed download needed is not made."""
        with files.Draft(output, "sub", limit=100) as draft:
            draft.take(b"half")

            assert (True, {}, False) == (draft.closed, tree(output), Path(output, "sub").exists())

        assert not Path(output, "sub").exists()

    def test_an_error_leaves_nothing_behind(self, output: str) -> None:
        """A failed download takes its draft along."""

        def download() -> None:
            with files.Draft(output, "sub", limit=100) as draft:
                draft.write(b"half")
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            download()

        assert {} == tree(output)

    def test_the_limit_is_kept(self, output: str) -> None:
        """A server that never stops sending cannot fill the disk."""
        with files.Draft(output, "", limit=10) as draft:
            draft.write(b"123456789")

            with pytest.raises(files.TooBig):
                draft.write(b"12")

        assert {} == tree(output)

    def test_an_existing_file_is_never_replaced_unasked(self, output: str) -> None:
        """What a user put there stays (scenario 53)."""
        put(output, "x.png", b"mine")

        with pytest.raises(files.Taken):
            save(output, "x.png", b"result")

        assert {"x.png": b"mine"} == tree(output)

    def test_our_own_older_file_is_replaced(self, output: str) -> None:
        """A new version takes the place of the one we wrote."""
        older = save(output, "x.png", b"old")

        save(output, "x.png", b"new", replaces=older.stat)

        assert {"x.png": b"new"} == tree(output)

    def test_our_own_file_edited_since_is_not_replaced(self, output: str) -> None:
        """An edit makes it the user's file."""
        older = save(output, "x.png", b"old")
        Path(output, "x.png").write_bytes(b"edited")

        with pytest.raises(files.Taken):
            save(output, "x.png", b"new", replaces=older.stat)

        assert {"x.png": b"edited"} == tree(output)

    def test_a_deleted_older_file_is_no_obstacle(self, output: str) -> None:
        """`replaces` permits, it does not demand."""
        save(output, "x.png", b"new", replaces=Stat(1, 1, 1))

        assert {"x.png": b"new"} == tree(output)

    def test_overwrite_replaces_whatever_file_is_there(self, output: str) -> None:
        """The rule said so; a link is replaced itself, not its target."""
        put(output, "target", b"target")
        put(output, "x.png", b"theirs")

        save(output, "x.png", b"new", overwrite=True)

        assert {"target": b"target", "x.png": b"new"} == tree(output)

    @pytest.mark.parametrize("kind", ["folder", "symlink"])
    def test_overwrite_stops_at_what_is_no_file(self, output: str, kind: str) -> None:
        """Folders and links are somebody's structure, not a result."""
        path = Path(output, "x.png")
        path.mkdir() if kind == "folder" else path.symlink_to("nowhere")

        with pytest.raises(files.Taken):
            save(output, "x.png", b"new", overwrite=True)

    def test_a_folder_swapped_for_a_symlink_is_refused(self, root: str, output: str) -> None:
        """Results do not land outside the output folder (scenario 44)."""
        Path(f"{output}/sub").symlink_to(root)

        with pytest.raises(files.Escapes):
            save(output, "sub/x.png", b"new")

        assert {} == tree(root)

    def test_a_swap_during_the_download_changes_nothing(self, root: str, output: str) -> None:
        """The draft holds the folder itself, not its name."""
        with files.Draft(output, "sub", limit=100) as draft:
            draft.write(b"new")
            Path(f"{output}/sub").rename(f"{output}/moved")
            Path(f"{output}/sub").symlink_to(root)
            draft.commit("x.png")

        assert ({}, b"new") == (tree(root), Path(output, "moved/x.png").read_bytes())

    def test_a_file_in_the_way_of_a_folder_is_named(self, output: str) -> None:
        """The message says which path is the obstacle."""
        put(output, "a")

        with pytest.raises(files.InTheWay, match="a file stands where a folder is needed"):
            save(output, "a/x.png", b"new")

    def test_a_vanished_root_is_not_made_again(self, output: str) -> None:
        """An unmounted disk must not be replaced by a folder on the disk below (scenario 32)."""
        Path(output).rmdir()

        with pytest.raises(files.Missing):
            save(output, "x.png", b"new")

        assert not Path(output).exists()

    def test_the_longest_names_work(self, output: str) -> None:
        """The temporary name is short, so 255 bytes are left for the real one (scenario 48)."""
        save(output, "x" * 255, b"new")

        assert ["x" * 255] == names_in(output)

    def test_too_long_a_name_says_so(self, output: str) -> None:
        """And leaves no draft."""
        with pytest.raises(files.NameTooLong):
            save(output, "x" * 256, b"new")

        assert [] == names_in(output)

    def test_of_a_name_that_is_too_long_there_is_no_file(self, output: str) -> None:
        """So nothing lies beside a file whose own name has 255 bytes: it is taken like any other."""
        assert files.stat(output, f"{'x' * 255}.aria2") is None

    @pytest.mark.parametrize("name", ["../x", "a/b", "..", ""])
    def test_a_name_is_one_component(self, output: str, name: str) -> None:
        """Whatever the caller computed, the file stays in its folder."""
        with pytest.raises(files.FileError), files.Draft(output, "sub", limit=10) as draft:
            draft.commit(name)

    def test_a_file_that_was_set_aside_gets_its_name_back(self, output: str) -> None:
        """After kill -9 in the middle of a removal; a name beside it where that is taken by now (scenario 75)."""
        put(output, "sub/.runflowd-0123456789ab.aside-a.png")
        put(output, "sub/.runflowd-0123456789ac.aside-b.png")
        put(output, "sub/b.png")

        restored = files.clear_up(output)

        assert (2, True, 3) == (restored, "sub/a.png" in tree(output), len(tree(output)))
        assert not [path for path in tree(output) if "aside" in path]

    def test_what_could_neither_be_removed_nor_put_back_is_removed_by_the_next_try(self, output: str) -> None:
        """Else the next start gave it back as a file that nobody knows (scenario 75)."""
        put(output, "sub/.runflowd-0123456789ab.aside-a.png", b"result")

        removed = files.remove_written(output, "sub/a.png", hashlib.sha256(b"result").hexdigest())

        assert (True, {}) == (removed, tree(output))

    def test_abandoned_drafts_are_cleared(self, output: str) -> None:
        """After kill -9 the next start removes our hidden files and no others (scenario 75)."""
        code = (
            "import os, sys, signal\nfrom runflowd import files\n"
            "draft = files.Draft(sys.argv[1], 'sub', limit=9)\ndraft.write(b'x')\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        done = subprocess.run([sys.executable, "-c", code, output], check=False)
        put(output, "sub/.runflowd-notes.txt")
        left = len(tree(output))

        removed = files.clear_up(output)

        assert (-signal.SIGKILL, 2, 1) == (done.returncode, left, removed)
        assert ["sub/.runflowd-notes.txt"] == list(tree(output))

    def test_a_living_draft_is_not_cleared(self, output: str) -> None:
        """A second daemon on the same output leaves our work alone."""
        with files.Draft(output, "", limit=9) as draft:
            draft.write(b"x")

            removed = files.clear_up(output)
            draft.commit("x.png")

        assert (0, {"x.png": b"x"}) == (removed, tree(output))

    @pytest.mark.parametrize("point", ["output.written", "output.renamed"])
    def test_a_kill_leaves_nothing_or_everything(self, output: str, point: str) -> None:
        """At each durable step the visible file is absent or complete."""
        code = (
            "import sys\nfrom runflowd import files\n"
            "with files.Draft(sys.argv[1], '', limit=9) as draft:\n"
            "    draft.write(b'whole')\n    draft.commit('x.png')"
        )
        environment = {**os.environ, "RUNFLOWD_FAILPOINT": point}
        done = subprocess.run([sys.executable, "-c", code, output], env=environment, check=False)

        visible = {name: data for name, data in tree(output).items() if not name.startswith(".")}

        assert -signal.SIGKILL == done.returncode
        assert ({} if point == "output.written" else {"x.png": b"whole"}) == visible

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
    @pytest.mark.parametrize("lasting", [False, True])
    def test_the_nth_call_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, lasting: bool
    ) -> None:
        """Whichever system call fails, once or for ever: the old file or the whole new one, and no leak."""
        before = open_descriptors()
        for fatal in range(1, 100):
            output = tmp_path / str(fatal)
            output.mkdir()
            older = save(str(output), "a/x.png", b"old")
            with monkeypatch.context() as patch:
                calls = failing_from(patch, fatal, code, lasting=lasting)
                with suppress(files.FileError):
                    save(str(output), "a/x.png", b"new", replaces=older.stat)
            seen = {name: data for name, data in tree(str(output)).items() if files.TEMPORARY_PREFIX not in name}
            assert seen in ({"a/x.png": b"old"}, {"a/x.png": b"new"})
            assert before == open_descriptors()
            if calls() < fatal:
                break

        assert (b"new", True) == (seen["a/x.png"], fatal > 6)

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
    def test_whichever_call_of_reading_fails_it_is_reported_as_a_file_error(self, root: str, code: int) -> None:
        """A stale network handle fails any of them, and nothing else may come out of this package."""
        before = open_descriptors()
        expected = put(root, "a/x.jpg")
        for fatal in range(1, 100):
            calls = Calls(fatal, code)
            calls.arm()
            with failing_files(calls), suppress(files.FileError):
                files.hash_file(root, "a/x.jpg", expected)
                with files.open_source(root, "a/x.jpg") as source:
                    source.read(0, 4)
            assert before == open_descriptors()
            if not calls.struck:
                break

        assert fatal > 8

    def test_no_descriptor_leaks(self, output: str) -> None:
        """Months of results must not use up the descriptors, on success or failure."""
        before = open_descriptors()
        for number in range(20):
            save(output, f"a/b/{number}.png", b"x")
            with suppress(files.FileError):
                save(output, f"a/b/{number}.png", b"x")
            with suppress(files.FileError):
                save(output, f"a/b/{number}.png/x", b"x")

        assert before == open_descriptors()


class TestRenaming:
    """Each way to rename without replacing keeps the promise."""

    ways = pytest.mark.parametrize(
        "way", [renaming._by_renameat2, renaming._by_link, renaming._by_look, renaming.rename_new]
    )

    @pytest.fixture
    def folder(self, output: str) -> Iterator[int]:
        """An open folder with one file in it."""
        put(output, "old", b"old")
        descriptor = os.open(output, os.O_RDONLY)
        yield descriptor
        os.close(descriptor)

    @ways
    def test_a_free_name_is_taken(self, output: str, folder: int, way: renaming.Way) -> None:
        """The file moves, nothing stays behind."""
        way("old", "new", folder, folder)

        assert {"new": b"old"} == tree(output)

    @ways
    def test_a_name_in_use_is_refused(self, output: str, folder: int, way: renaming.Way) -> None:
        """Neither file is touched."""
        put(output, "new", b"new")

        with pytest.raises(FileExistsError):
            way("old", "new", folder, folder)

        assert {"new": b"new", "old": b"old"} == tree(output)


class TestPlacing:
    """Copies, moves, removals and notes."""

    def test_a_copy_shares_nothing_with_its_source(self, root: str, output: str) -> None:
        """Editing one result must not edit the other."""
        found = put(root, "a.jpg", b"paid")
        files.copy(root, "a.jpg", files.Destination(output, "sub/b.jpg"), found)
        Path(output, "sub/b.jpg").write_bytes(b"edited")

        assert {"a.jpg": b"paid"} == tree(root)

    def test_a_copy_of_a_changed_file_is_refused(self, root: str, output: str) -> None:
        """Nothing appears at the destination."""
        found = put(root, "a.jpg", b"paid")
        put(root, "a.jpg", b"other one")

        with pytest.raises(files.Changed):
            files.copy(root, "a.jpg", files.Destination(output, "b.jpg"), found)

        assert {} == tree(output)

    def test_a_move_within_a_file_system_keeps_the_inode(self, root: str, output: str) -> None:
        """A renamed source takes its result along."""
        found = put(root, "a.jpg", b"content")

        moved = files.move(root, "a.jpg", files.Destination(output, "done/a.jpg"), found)

        assert ({}, {"done/a.jpg": b"content"}) == (tree(root), tree(output))
        assert found == moved.stat == files.stat(output, "done/a.jpg")

    def test_a_move_across_file_systems_copies_first(self, root: str) -> None:
        """`after: move` to another disk works too."""
        here = Path(root).stat().st_dev
        others = [path for path in map(Path, ("/dev/shm", "/var/tmp")) if path.is_dir() and path.stat().st_dev != here]
        if not others:
            pytest.skip("no second file system at hand")
        target = others[0] / f"runflowd-test-{os.getpid()}"
        target.mkdir()
        found = put(root, "a.jpg", b"content")
        try:
            files.move(root, "a.jpg", files.Destination(str(target), "a.jpg"), found)

            assert ({}, {"a.jpg": b"content"}) == (tree(root), tree(str(target)))
        finally:
            for path in target.iterdir():
                path.unlink()
            target.rmdir()

    def test_a_move_replaces_nothing(self, root: str, output: str) -> None:
        """Both files stay where they are."""
        found = put(root, "a.jpg", b"content")
        put(output, "a.jpg", b"mine")

        with pytest.raises(files.Taken):
            files.move(root, "a.jpg", files.Destination(output, "a.jpg"), found)

        assert ({"a.jpg": b"content"}, {"a.jpg": b"mine"}) == (tree(root), tree(output))

    def test_only_the_expected_file_is_removed(self, root: str) -> None:
        """`after: delete` must not delete what arrived under the same name meanwhile."""
        found = put(root, "a.jpg", b"old")
        put(root, "a.jpg", b"newer")

        with pytest.raises(files.Changed):
            files.remove(root, "a.jpg", found)

        assert {"a.jpg": b"newer"} == tree(root)

    def test_removing_says_whether_the_file_was_there(self, root: str) -> None:
        """Gone already is no error."""
        found = put(root, "a.jpg")

        assert [True, False] == [files.remove(root, "a.jpg", found) for _ in range(2)]

    def test_a_note_replaces_its_older_self(self, output: str) -> None:
        """One file, one note, the latest reason."""
        files.write_note(output, "sub/a.jpg.failed.txt", "first reason")
        files.write_note(output, "sub/a.jpg.failed.txt", "second reason")

        text = tree(output)["sub/a.jpg.failed.txt"].decode()

        assert "runflowd could not process this file.\n\nsecond reason\n" == text

    def test_a_users_file_with_the_name_of_a_note_stays(self, output: str) -> None:
        """Neither written over nor removed."""
        put(output, "a.jpg.failed.txt", b"my own list")

        with pytest.raises(files.Taken):
            files.write_note(output, "a.jpg.failed.txt", "reason")

        assert (False, {"a.jpg.failed.txt": b"my own list"}) == (
            files.remove_note(output, "a.jpg.failed.txt"),
            tree(output),
        )

    def test_a_note_goes_when_the_retry_succeeded(self, output: str) -> None:
        """Removing twice is harmless."""
        files.write_note(output, "a.jpg.failed.txt", "reason")

        assert [True, False] == [files.remove_note(output, "a.jpg.failed.txt") for _ in range(2)]

    def test_a_note_can_hold_any_text(self, output: str) -> None:
        """Undecodable names and endless server messages are cut to fit."""
        files.write_note(output, "n.txt", "\udcff" + "x" * 200_000)

        assert 64 * 1024 == len(tree(output)["n.txt"])


class TestFolders:
    """Facts about roots and disks."""

    def test_a_root_made_anew_is_another_one(self, root: str, tmp_path: Path) -> None:
        """Device and inode tell a replaced root, a missing one is None (scenarios 31 to 33)."""
        before = files.root_identity(root)
        Path(root).rename(tmp_path / "aside")
        missing = files.root_identity(root)
        Path(root).mkdir()

        assert (None, True) == (missing, before != files.root_identity(root))

    def test_too_little_free_space_says_how_much_it_takes(self, root: str) -> None:
        """Who frees space knows when it is enough, and which setting says so."""
        with pytest.raises(files.NoSpace, match=r"less than 1024 TiB is left on its disk \(limits\.free_space\)"):
            files.require_space(root, 2**50)

    def test_free_space_of_a_folder_yet_to_be_made(self, root: str) -> None:
        """The nearest existing parent answers."""
        assert files.free_space(f"{root}/not/yet") > 0

    def test_ensure_root_makes_parents_once(self, root: str) -> None:
        """A second call is harmless, a file in the way is not."""
        files.ensure_root(f"{root}/a/b")
        files.ensure_root(f"{root}/a/b")
        put(root, "file")

        with pytest.raises(files.FileError):
            files.ensure_root(f"{root}/file")


class TestTrouble:
    """Errors say what happened and what to do."""

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (errno.ENOSPC, files.NoSpace),
            (errno.EDQUOT, files.NoSpace),
            (errno.EACCES, files.Forbidden),
            (errno.EROFS, files.ReadOnly),
            (errno.ENOENT, files.Missing),
            (errno.ENAMETOOLONG, files.NameTooLong),
            (errno.EIO, files.Unusable),
            (errno.ESTALE, files.Unusable),
        ],
    )
    def test_each_system_error_has_its_class(self, code: int, kind: type[files.FileError]) -> None:
        """Callers catch by meaning, never by number."""
        with pytest.raises(kind) as caught, files.errors.explained("write", "/out/x.png"):
            raise OSError(code, os.strerror(code))

        assert (kind, code) == (type(caught.value), caught.value.code)

    def test_a_read_only_folder_names_the_sandbox_setting(self) -> None:
        """Hot reload can add a rule that the systemd unit forbids."""
        trouble = files.ReadOnly("write", "/data/out/x.png", code=errno.EROFS)

        assert 'add "ReadWritePaths=/data/out" to the unit' in str(trouble)

    def test_names_are_shown_on_one_line(self) -> None:
        """A file name cannot forge a log line or colour a terminal (scenario 45)."""
        trouble = files.Missing("read", "a\n\x1b[31m\udcff.jpg")

        assert r"cannot read a\n\x1b[31m\xff.jpg: there is no such file or folder." == str(trouble)

    def test_a_full_disk_is_no_space(self, tmp_path: Path) -> None:
        """On a real full disk the draft goes away and the old file stays (scenario 55)."""
        code = """
            import os, sys
            from runflowd import files
            root = sys.argv[1]
            def save(data):
                with files.Draft(root, "", limit=1 << 30) as draft:
                    draft.write(data)
                    draft.commit("x.png", overwrite=True)
            save(b"old")
            try:
                save(bytes(4 << 20))
            except files.NoSpace as trouble:
                print(os.listdir(root), open(root + "/x.png", "rb").read(), trouble.advice)
        """
        script = tmp_path / "full.py"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        mount = (
            f'mount -t tmpfs -o size=1m none "{tmp_path}/disk" && exec "{sys.executable}" "{script}" "{tmp_path}/disk"'
        )
        (tmp_path / "disk").mkdir()
        if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
            pytest.skip("mount namespaces are not available")

        done = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, check=False)

        assert "['x.png'] b'old' Free some space or raise the quota; runflowd tries again by itself.\n" == done.stdout


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied (Operation not permitted)"),
        (0, "permission denied"),
    ],
)
def test_the_system_is_quoted_only_where_it_adds_something(code: int, reason: str) -> None:
    """Or the sentence reads "permission denied (Permission denied)"."""
    assert reason == files.Forbidden("read", "/in/a.jpg", code=code).reason
