"""A network share whose server stops answering: FUSE over the raw device, served by a process that can be stopped.

The server passes everything on to an ordinary folder (fuse(4), linux/fuse.h). Stopped, it leaves whoever asks
waiting in the kernel, as a dead NFS or SMB server does; killed, it lets them all go with an error. It stops between two
requests, unless it is told otherwise: one that it has taken and not answered holds its thread beyond SIGKILL.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import stat as modes
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

DEVICE = "/dev/fuse"
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1

LONGEST = 800.0
"""Seconds after which a stopped server goes on by itself: a test that waits for it fails, and does not hang."""

MOST_WRITE = 1 << 17
STOP, AT_RENAME, IN_READ = b".", b"r", b"d"
"""When the server is to stop, told on its standard input."""

DIRECT_IO = 1
"""Let nothing stay in the page cache: every read asks the server."""


class SilentShare:
    """A mounted folder; `behind` is where its files really lie, and can be looked at while the server is silent."""

    def __init__(self, folder: Path, behind: Path) -> None:
        self.folder, self.behind = folder, behind
        self._revival: threading.Timer | None = None
        self._turn = threading.Lock()
        for each in (folder, behind):
            each.mkdir(parents=True, exist_ok=True)
        device = os.open(DEVICE, os.O_RDWR)
        try:
            _mount(device, folder)
            os.set_blocking(device, False)
            command = [sys.executable, __file__, str(device), str(behind)]
            self._server = subprocess.Popen(command, pass_fds=[device], stdin=subprocess.PIPE)
        finally:
            os.close(device)  # the server's is the only one: with it the connection ends

    def stop(self, when: bytes = STOP) -> None:
        """From now on nobody gets an answer; with AT_RENAME, once the next rename was answered. Waits for that.

        With IN_READ nobody gets one from the next read on, which is not waited for.
        """
        with self._turn:  # several threads may be told to do it
            if self._revival is not None:
                return
            assert self._server.stdin is not None
            self._server.stdin.write(when)
            self._server.stdin.flush()
            if when != IN_READ:
                self.until_stopped()
            self._revival = threading.Timer(LONGEST, self.go_on)
            self._revival.daemon = True
            self._revival.start()

    def until_stopped(self) -> None:
        """Wait until nobody gets an answer."""
        os.waitid(os.P_PID, self._server.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Answer again, and all that was asked meanwhile."""
        with self._turn:
            if self._revival is not None:
                self._revival.cancel()
                self._revival = None
            self._server.send_signal(signal.SIGCONT)

    @contextmanager
    def silence(self, when: bytes = STOP) -> Iterator[None]:
        """Nobody gets an answer while this is entered; see `stop`."""
        self.stop(when)
        try:
            yield
        finally:
            self.go_on()

    def close(self) -> None:
        """Let whoever waits go with an error, and take the share away, whoever still uses it."""
        if self._revival is not None:
            self._revival.cancel()
        self._server.kill()
        self._server.communicate()
        _libc().umount2(os.fsencode(self.folder), MNT_DETACH)


@contextmanager
def share(folder: Path) -> Iterator[SilentShare]:
    """A share at `folder` over a folder beside it."""
    mounted = SilentShare(folder, folder.with_name(f"{folder.name}-behind"))
    try:
        yield mounted
    finally:
        mounted.close()


@lru_cache(maxsize=1)
def why_no_share() -> str:
    """What keeps this process from mounting one; nothing if it may."""
    if sys.platform != "linux":
        return "FUSE over a device is Linux's"
    if os.geteuid() != 0:
        return "mounting takes root, or `unshare -Urm` before the tests"
    probe = Path(f"/tmp/runflowd-share-{os.getpid()}")
    try:
        with share(probe) as mounted:
            os.stat(mounted.folder)  # noqa: PTH116  one call, no object needed
    except OSError as error:
        return f"no FUSE mount here: {error}"
    finally:
        for each in (probe, probe.with_name(f"{probe.name}-behind")):
            with suppress(OSError):
                each.rmdir()
    return ""


def required(folder: Path) -> AbstractContextManager[SilentShare]:
    """A share, or the end of the test with the reason why there can be none."""
    import pytest  # the server, which is this module too, has no use for it

    if reason := why_no_share():
        pytest.skip(reason)
    return share(folder)


def _mount(device: int, folder: Path) -> None:
    options = f"fd={device},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}"
    libc = _libc()
    if libc.mount(b"share", os.fsencode(folder), b"fuse", 0, options.encode()) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(folder))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


# What follows runs in the server.

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_NO_REPLY = {2, 36, 42}
"""FORGET, INTERRUPT, BATCH_FORGET."""
_RENAMES = frozenset({12, 45})
"""RENAME, RENAME2."""
_READ = frozenset({15})
_ANY = frozenset({0})
"""No call has this number: what stops at once waits for none."""


class _Server:
    """Answers one request after the other. Names of nodes are their paths; an open file is a descriptor."""

    def __init__(self, device: int, behind: str) -> None:
        self._device = device
        self._behind = behind
        self._paths = {1: ""}
        self._nodes = {"": 1}
        self._stop_at: frozenset[int] | None = frozenset()
        self._stop_before: frozenset[int] = frozenset()
        self._calls: dict[int, Callable[[int, bytes], bytes]] = {
            1: lambda node, body: self._entry(self._below(node, body[:-1])),
            3: lambda node, _: self._attributes(self._place(node)),
            4: self._set_attributes,
            9: self._make_folder,
            10: lambda node, body: self._done(os.unlink, self._below(node, body[:-1])),
            11: lambda node, body: self._done(os.rmdir, self._below(node, body[:-1])),
            12: lambda node, body: self._rename(node, body, head=8),
            14: self._open,
            15: self._read,
            16: self._write,
            17: lambda *_: self._space(),
            18: lambda _, body: self._done(os.close, struct.unpack_from("<Q", body)[0]),
            20: lambda _, body: self._done(os.fsync, struct.unpack_from("<Q", body)[0]),
            26: lambda *_: struct.pack("<IIIIHHIIHHI28x", 7, 31, MOST_WRITE, 0, 16, 12, MOST_WRITE, 1, 32, 0, 0),
            27: lambda node, _: self._opened(os.open(self._place(node), os.O_RDONLY)),
            28: self._list,
            29: lambda _, body: self._done(os.close, struct.unpack_from("<Q", body)[0]),
            30: lambda *_: b"",
            35: self._create,
            45: lambda node, body: self._rename(node, body, head=16),
        }

    def serve(self) -> None:
        """Answer until the share is taken away, and stop when that is asked for."""
        orders = sys.stdin.fileno()
        while True:
            ready, _, _ = select.select([self._device, orders], [], [])
            if orders in ready:
                self._stop_at = self._ordered(os.read(orders, 1))
                if self._stop_at is None:
                    return
                if self._stop_at == _ANY:
                    self._stop()
                continue
            try:
                asked = os.read(self._device, MOST_WRITE + 4096)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT, errno.EAGAIN}:
                    continue
                return
            self._serve(asked)

    def _serve(self, asked: bytes) -> None:
        _, call, number, node, *_ = _IN.unpack_from(asked)
        if call in _NO_REPLY:
            return
        if call in self._stop_before:
            self._stop()
        code, answer = self._answer(call, node, asked[_IN.size :])
        with suppress(OSError):  # whoever asked was killed meanwhile
            os.write(self._device, _OUT.pack(_OUT.size + len(answer), -code, number) + answer)
        if self._stop_at and call in self._stop_at:
            self._stop()

    def _ordered(self, order: bytes) -> frozenset[int] | None:
        """After which calls to stop, None at the end; and before which."""
        self._stop_before = _READ if order == IN_READ else frozenset()
        return {STOP: _ANY, AT_RENAME: _RENAMES, IN_READ: frozenset[int](), b"": None}[order]

    def _stop(self) -> None:
        self._stop_at = self._stop_before = frozenset()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _answer(self, call: int, node: int, body: bytes) -> tuple[int, bytes]:
        if call not in self._calls:
            return errno.ENOSYS, b""
        try:
            return 0, self._calls[call](node, body)
        except OSError as error:
            return error.errno or errno.EIO, b""

    def _place(self, node: int) -> str:
        return f"{self._behind}/{self._paths[node]}"

    def _below(self, node: int, name: bytes) -> str:
        return f"{self._place(node).rstrip('/')}/{os.fsdecode(name)}"

    def _entry(self, place: str) -> bytes:
        attributes = _packed(os.lstat(place))
        path = place.removeprefix(f"{self._behind}/")
        node = self._nodes.setdefault(path, len(self._paths) + 1)
        self._paths[node] = path
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + attributes

    @staticmethod
    def _attributes(place: str) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + _packed(os.lstat(place))

    def _set_attributes(self, node: int, body: bytes) -> bytes:
        valid, _, _, size, _, _, modified = struct.unpack_from("<IIQQQQQ", body)
        (nanoseconds,) = struct.unpack_from("<I", body, 60)
        (mode,) = struct.unpack_from("<I", body, 68)
        place = self._place(node)
        if valid & 1:
            Path(place).chmod(modes.S_IMODE(mode))
        if valid & 8:
            os.truncate(place, size)
        if valid & 32:
            moment = modified * 10**9 + nanoseconds
            os.utime(place, ns=(moment, moment))
        return self._attributes(place)

    def _make_folder(self, node: int, body: bytes) -> bytes:
        place = self._below(node, body[8:-1])
        Path(place).mkdir(struct.unpack_from("<I", body)[0])
        return self._entry(place)

    @staticmethod
    def _done(call: Callable[..., object], *given: object) -> bytes:
        call(*given)
        return b""

    def _rename(self, node: int, body: bytes, *, head: int) -> bytes:
        (folder,) = struct.unpack_from("<Q", body)
        old, new, _ = body[head:].split(b"\0")
        source, target = self._below(node, old), self._below(folder, new)
        if head == 16 and struct.unpack_from("<I", body, 8)[0] & 1 and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, target)
        Path(source).rename(target)
        before, after = (place.removeprefix(f"{self._behind}/") for place in (source, target))
        for number, path in list(self._paths.items()):
            if path == before or path.startswith(f"{before}/"):
                self._nodes.pop(path, None)
                self._paths[number] = after + path[len(before) :]
                self._nodes[self._paths[number]] = number
        return b""

    @staticmethod
    def _opened(descriptor: int) -> bytes:
        return struct.pack("<QII", descriptor, DIRECT_IO, 0)

    def _open(self, node: int, body: bytes) -> bytes:
        flags = struct.unpack_from("<I", body)[0] & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
        return self._opened(os.open(self._place(node), flags))

    def _create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", body)
        place = self._below(node, body[16:-1])
        descriptor = os.open(place, flags | os.O_CREAT, modes.S_IMODE(mode))
        return self._entry(place) + self._opened(descriptor)

    @staticmethod
    def _read(_: int, body: bytes) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(descriptor, size, offset)

    @staticmethod
    def _write(_: int, body: bytes) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(descriptor, body[40 : 40 + size], offset), 0)

    def _space(self) -> bytes:
        found = os.statvfs(self._behind)
        counts = (found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree)
        return struct.pack("<QQQQQIIII24x", *counts, found.f_bsize, 255, found.f_frsize, 0)

    def _list(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        answer = b""
        with os.scandir(self._place(node)) as entries:
            names = sorted(os.fsencode(entry.name) for entry in entries)
        for number, name in enumerate(names[offset:], offset + 1):
            packed = struct.pack("<QQII", number, number, len(name), 0) + name
            packed += bytes(-len(packed) % 8)
            if len(answer) + len(packed) > size:
                break
            answer += packed
        return answer


def _packed(found: os.stat_result) -> bytes:
    times = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
    return struct.pack(
        "<QQQQQQIIIIIIIIII",
        *(found.st_ino, found.st_size, found.st_blocks),
        *(moment // 10**9 for moment in times),
        *(moment % 10**9 for moment in times),
        *(found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, found.st_blksize, 0),
    )


if __name__ == "__main__":
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _Server(int(sys.argv[1]), sys.argv[2]).serve()
