"""https at the listener itself: a certificate that is served, renewed, and never half taken."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from tls_files import make
from web_rig import config_over, site_over

from runflowd.commands.exit_codes import single
from runflowd.config.essentials import Listen
from runflowd.config.snapshot import Access
from runflowd.core.incident_scope import ScopeKind
from runflowd.web import counted_socket
from runflowd.web.address import AddressOpen, bind
from runflowd.web.certificate import Certificate, CertificateUnusable
from runflowd.web.listener import ListenerManager
from runflowd.web.users_file import UsersUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config

pytestmark = [pytest.mark.anyio, pytest.mark.waits]


def renew(old: tuple[Path, Path], new: tuple[Path, Path]) -> None:
    """Put another certificate in the place of one, as programs that renew them do."""
    for before, after in zip(old, new, strict=True):
        after.replace(before)


def access_of(folder: Path, *files: Path) -> Access:
    """Users and a certificate."""
    users = folder / "users"
    users.write_text("anna:see:-\n")
    users.chmod(0o640)
    certificate, key = map(str, files or ("", ""))
    return Access(str(users), certificate, key)


async def name_served(port: int, trusted: str) -> str:
    """Whose certificate a new connection gets; whoever has another one is not trusted."""
    context = ssl.create_default_context(cafile=trusted)
    async with httpx.AsyncClient(verify=context, timeout=30) as http:
        answer = await http.get(f"https://127.0.0.1:{port}/healthz")
        stream = answer.extensions["network_stream"]
        certificate = stream.get_extra_info("ssl_object").getpeercert()
        assert 200 == answer.status_code
    return str(dict(pair[0] for pair in certificate["subject"])["commonName"])


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    """A broken one is an incident, and the one before is served on."""
    pytest.importorskip("argon2", reason="users need the extra `users`")
    files, second = make(tmp_path, "first"), make(tmp_path, "second")
    trusted = tmp_path / "trusted.pem"
    trusted.write_text("".join(each[0].read_text() for each in (files, second)))
    listen = Listen("127.0.0.1", free_port())
    config = config_over(tmp_path, access=access_of(tmp_path, *files), web=listen)
    async with site_over(tmp_path, config) as site, anyio.create_task_group() as group:
        await group.start(ListenerManager(site).run)
        names = [await name_served(listen.port, str(trusted))]
        key = files[1].read_text()
        files[1].write_text("no key")
        with anyio.fail_after(30):
            while not (found := site.context.incidents.snapshot()):
                await anyio.sleep(0.05)
        names.append(await name_served(listen.port, str(trusted)))
        files[1].write_text(key)
        renew(files, second)
        with anyio.fail_after(60):
            while await name_served(listen.port, str(trusted)) != "second" or site.context.incidents.snapshot():
                await anyio.sleep(0.05)
        group.cancel_scope.cancel()

    assert ["first", "first"] == names
    assert ["CERTIFICATE_UNUSABLE"] == [each.code for each in found]


def free_port() -> int:
    """A port that nobody listens on."""
    bound = bind(Listen("127.0.0.1", 0))
    port = int(bound.socket.getsockname()[1])
    bound.close()
    return port


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    """With the files and what belongs into which."""
    one, two = make(tmp_path, "one"), make(tmp_path, "two")
    with pytest.raises(CertificateUnusable, match=r"cannot be used together .KEY_VALUES_MISMATCH"):
        Certificate(str(one[0]), str(two[1]))


def test_a_key_with_a_password_is_told_and_not_asked_for(tmp_path: Path) -> None:
    """Nobody sits at the daemon's terminal."""
    certificate, key = make(tmp_path, "one")
    locked = tmp_path / "locked.key"
    command = ["openssl", "ec", "-aes128", "-passout", "pass:secret", "-in", str(key), "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(CertificateUnusable, match="without a password"):
        Certificate(str(certificate), str(locked))


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With both names, since it may be either."""
    with pytest.raises(CertificateUnusable, match=r"cannot be read .No such file"):
        Certificate(str(tmp_path / "c.pem"), str(tmp_path / "k.pem"))


async def test_who_never_ends_the_handshake_takes_no_descriptor_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections count from the moment they are accepted: as many as wished would do nothing but be there."""
    pytest.importorskip("argon2", reason="users need the extra `users`")
    monkeypatch.setattr(counted_socket, "MAX_CONNECTIONS", 2)
    files = make(tmp_path, "one")
    listen = Listen("127.0.0.1", free_port())
    config = config_over(tmp_path, access=access_of(tmp_path, *files), web=listen)
    async with site_over(tmp_path, config) as site, anyio.create_task_group() as group:
        await group.start(ListenerManager(site).run)
        idle = [await anyio.connect_tcp("127.0.0.1", listen.port) for _ in range(2)]
        async with await anyio.connect_tcp("127.0.0.1", listen.port) as beyond:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)), anyio.fail_after(30):
                await beyond.receive()
        for each in idle:
            await each.aclose()
        with anyio.fail_after(30):
            while await served_again(listen.port, str(files[0])) is None:
                await anyio.sleep(0.05)
        group.cancel_scope.cancel()


async def served_again(port: int, trusted: str) -> str | None:
    """Whose certificate is served, None while nobody is."""
    try:
        return await name_served(port, trusted)
    except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
        return None


async def failing_start(site_config: Config, folder: Path, *passed: object) -> BaseException:
    """The error of a listener that cannot start."""
    async with site_over(folder, site_config) as site:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                await group.start(ListenerManager(site, passed).run)  # type: ignore[arg-type]
    return single(caught.value)


async def test_a_port_of_systemd_that_others_reach_needs_users_and_https_too(tmp_path: Path) -> None:
    """The unit's address is not in the configuration, so it is looked at when it is there."""
    passed = bind(Listen("0.0.0.0", 0))
    error = await failing_start(config_over(tmp_path), tmp_path, passed.socket)
    passed.close()

    assert isinstance(error, AddressOpen)
    assert "It needs `web.users_file`, and `web.tls` or a `web.proxy`" in str(error)


async def test_at_the_start_users_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    """Whoever starts it is there to read it."""
    pytest.importorskip("argon2", reason="users need the extra `users`")
    config = config_over(tmp_path, access=Access(str(tmp_path / "users")))

    assert isinstance(await failing_start(config, tmp_path), UsersUnusable)


async def test_users_that_become_unreadable_are_an_incident_until_they_are_mended(tmp_path: Path) -> None:
    """The page stays up, and says so to nobody, since nobody can log in."""
    pytest.importorskip("argon2", reason="users need the extra `users`")
    access = access_of(tmp_path)
    async with site_over(tmp_path, config_over(tmp_path, access=access)) as site, anyio.create_task_group() as group:
        await group.start(ListenerManager(site).run)
        (tmp_path / "users").chmod(0o666)
        with anyio.fail_after(30):
            while not (found := site.context.incidents.snapshot()):
                await anyio.sleep(0.05)
        (tmp_path / "users").chmod(0o640)
        with anyio.fail_after(30):
            while site.context.incidents.snapshot():
                await anyio.sleep(0.05)
        group.cancel_scope.cancel()

    assert [(ScopeKind.WEB, "USERS_UNUSABLE")] == [(each.scope.kind, each.code) for each in found]
