"""The container file and its example, as far as that goes without an engine.

What is tried: every line is understood, the steps that make the second stage are carried out over this machine's files
with the package's environment in place of the first stage, and the entry point runs as the user that it names, with the
variables and the folders that the example mounts. What is not: the base image, the build cache, and an engine.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from overlaid_machine import BUILT, Machine, why_not

from runflowd.config import load
from runflowd.config.yaml.source import load_text

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path(__file__).parents[2] / "packaging" / "container"
TEXT = (HOME / "Containerfile").read_text("utf-8")
COMPOSE = load_text((HOME / "compose.yaml").read_text("utf-8"), "compose.yaml").data
DAEMON = COMPOSE["services"]["runflowd"]
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
SECOND = STEPS[[index for index, step in enumerate(STEPS) if step[0] == "FROM"][-1] :]
KNOWN = {"FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def of(word: str) -> list[str]:
    """What the second stage says with an instruction."""
    return [rest for name, rest in SECOND if name == word]


def variables() -> dict[str, str]:
    """The environment that it sets."""
    return dict(each.split("=", 1) for each in of("ENV"))


def test_every_instruction_is_one() -> None:
    """In one line each, those in brackets as JSON."""
    assert {step[0] for step in STEPS} <= KNOWN
    for word in ("ENTRYPOINT", "CMD"):
        assert all(isinstance(part, str) for part in json.loads(of(word)[0]))
    assert json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])[0] == "python"


def test_the_extras_exist_and_are_those_of_the_package() -> None:
    """One program in both forms."""
    build = (HOME.parent / "deb" / "build").read_text("utf-8")
    [extras] = re.findall(r"\[([\w,]+)\]\"$", "\n".join(step[1] for step in STEPS), re.MULTILINE)

    assert f"${{EXTRAS:-{extras}}}" in build


def test_the_example_gives_what_the_image_expects() -> None:
    """The folders that it names are mounted, and may be written where that is needed."""
    mounted = dict(reversed(each.removesuffix(":ro").split(":", 1)) for each in DAEMON["volumes"])
    writable = [each.split(":")[1] for each in DAEMON["volumes"] if not each.endswith(":ro")]
    writable += [each.split(":")[0] for each in DAEMON["tmpfs"]]
    found = variables()

    assert {found["CONFIGURATION_DIRECTORY"], found["STATE_DIRECTORY"], "/srv/runflow"} <= set(mounted)
    assert {found[f"{name}_DIRECTORY"] for name in ("STATE", "CACHE", "RUNTIME")} <= set(writable)
    assert found["CREDENTIALS_DIRECTORY"] == "/run/secrets"
    assert set(DAEMON["secrets"]) == set(COMPOSE["secrets"]) == {"api-key"}
    named = {
        name for each in COMPOSE["services"].values() for name in (volume.split(":")[0] for volume in each["volumes"])
    }
    assert {name for name in named if name[0] not in "./"} == set(COMPOSE["volumes"])


def test_the_example_is_closed() -> None:
    """No capability, no writable root, and a page on loopback that a declared proxy brings out."""
    config = load(HOME / "runflowd")

    assert (True, ["ALL"], ["no-new-privileges:true"]) == (
        DAEMON["read_only"],
        DAEMON["cap_drop"],
        DAEMON["security_opt"],
    )
    assert (str(config.web), config.access.proxies) == ("127.0.0.1:8787", ("127.0.0.1",))
    assert COMPOSE["services"]["proxy"]["network_mode"] == "service:runflowd"
    assert f"reverse_proxy {config.web} " in (HOME / "Caddyfile").read_text("utf-8")


def test_it_may_take_as_long_to_end_as_under_systemd() -> None:
    """What is in hand is finished."""
    unit = (HOME.parents[1] / "systemd" / "runflowd.service").read_text("utf-8")

    assert f"TimeoutStopSec={DAEMON['stop_grace_period']}" in unit


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One on which the steps of the second stage were carried out, with the package's environment from the first."""
    if reason := why_not():
        pytest.skip(reason)
    with Machine(tmp_path_factory.mktemp("machine")) as made:
        made.type("sed -i '/^runflowd/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow")
        made.type(f"dpkg-deb --extract {made.place(BUILT[-1], '/tmp/runflowd.deb')} /tmp/package")
        made.type("mv /tmp/package/opt/runflowd /opt")
        for step in of("RUN"):
            made.type(step)
        yield made


def test_the_steps_make_what_the_daemon_needs(machine: Machine) -> None:
    """A user of the number that the folders have."""
    machine.type("""
        test "$(id -u runflowd)" = 990
        test "$(stat -c '%a %u:%g' /var/lib/runflowd /srv/runflow/in | tr '\\n' ' ')" = '700 990:990 2770 0:990 '
    """)


def test_the_entry_point_runs_as_the_user_that_is_named(machine: Machine) -> None:
    """With nothing but the variables of the image: it finds configuration, state and key, and works."""
    environment = " ".join(f"{name}={value}" for name, value in variables().items())
    entry = shlex.join(json.loads(of("ENTRYPOINT")[0]))
    user, group = of("USER")[0].split(":")
    run = f"setpriv --reuid {user} --regid {group} --clear-groups env -i {environment} {entry}"
    machine.type(f"""
        cat > /etc/runflowd/runflowd.yaml <<END
        service: local
        rules: {{trial: {{watch: /srv/runflow/in/trial, output: /srv/runflow/out/trial, model: runflow/pass-through}}}}
        END
        install -d -m 2770 -g 990 /srv/runflow/in/trial
        printf %s iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg== \\
            | base64 -d > /srv/runflow/in/trial/a.png
        {run} check | grep -q 'is valid'
        {run} sync
        test -e /var/lib/runflowd/state.db
        test "$(stat -c '%a %u' /srv/runflow/out/trial/a.png)" = '660 990'
    """)
