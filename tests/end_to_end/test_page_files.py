"""The files that the page needs: `check` ends as `run` would, with the same sentence."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from tls_files import make

if TYPE_CHECKING:
    from command_line import Desk

pytest.importorskip("argon2", reason="users need the extra `users`")


def nothing_amiss(_: Desk) -> None:
    """As it should be."""


def no_users(desk: Desk) -> None:
    """No users."""
    (desk.folder / "users").unlink()


def users_for_everybody(desk: Desk) -> None:
    """Users for everybody."""
    (desk.folder / "users").chmod(0o644)


def damaged_users(desk: Desk) -> None:
    """Damaged users."""
    (desk.folder / "users").write_text("anna\n")


def no_key(desk: Desk) -> None:
    """No key."""
    (desk.folder / "page.key").unlink()


def no_certificate(desk: Desk) -> None:
    """No certificate."""
    (desk.folder / "page.pem").unlink()


def another_key(desk: Desk) -> None:
    """Another key."""
    make(desk.folder, "other")[1].replace(desk.folder / "page.key")


def free_address() -> str:
    """One that nobody listens at."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{chosen.getsockname()[1]}"


def page_of(desk: Desk, listen: str) -> dict[str, Any]:
    """A configuration whose page has users and https, and the files that it names."""
    make(desk.folder, "page")
    (desk.folder / "users").write_text("anna:see:-\n")
    (desk.folder / "users").chmod(0o640)
    tls = {"certificate": "page.pem", "key": "page.key"}
    return {"service": "local", "web": {"listen": listen, "users_file": "users", "tls": tls}, "rules": {}}


FAULTS = (no_users, users_for_everybody, damaged_users, no_key, no_certificate, another_key)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_check_refuses_what_run_would_end_with(desk: Desk, fault: Any) -> None:
    """The same code, 75 as it may be mended without an edit, and the same words with their remedy."""
    desk.config.write_text(json.dumps(page_of(desk, free_address())))
    fault(desk)
    checked, told = desk.call("check"), desk.call("check", "--json")
    ran = desk.run("run")

    assert (75, 75, 75) == (checked.code, told.code, ran.code)
    assert checked.err.splitlines()[-1] == ran.err.splitlines()[-1]
    assert (False, True) == (told.json["valid"], told.json["problems"][0]["message"] in checked.err)


@pytest.mark.parametrize(("listen", "fault"), [("127.0.0.1:8787", nothing_amiss), ("off", no_users)])
def test_check_has_nothing_against_a_page_that_can_be_served_or_is_off(desk: Desk, listen: str, fault: Any) -> None:
    """Whatever lies there, nobody asks for it."""
    desk.config.write_text(json.dumps(page_of(desk, listen)))
    fault(desk)

    assert 0 == desk.call("check").code
