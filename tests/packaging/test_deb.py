"""The Debian package on a machine that is this one and forgets all that is done to it. `make deb` builds it first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from overlaid_machine import BUILT, Machine, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One with the package installed."""
    with Machine(tmp_path_factory.mktemp("machine")) as made:
        made.type(f"dpkg --install {made.place(BUILT[-1], '/tmp/runflowd.deb')}")
        yield made


def test_the_service_is_whole(machine: Machine) -> None:
    """The program runs, its user and folders are there, and systemd understands its units."""
    machine.type("""
        runflowd --version | grep -q '^runflowd '
        runflowd check | grep -q 'is valid'
        id runflowd > /dev/null && getent group runflowd-operators > /dev/null
        test "$(stat -c '%a %U:%G' /srv/runflow/in)" = '2770 root:runflowd'
        test "$(stat -c '%a %U:%G' /etc/runflowd/credentials/api-key)" = '600 root:root'
        cd /usr/lib/systemd/system && systemd-analyze verify --man=no runflowd*.service runflowd*.timer
        dpkg --verify runflowd
    """)


def test_nothing_knows_where_it_was_built(machine: Machine) -> None:
    """Neither a script nor a trace of an error."""
    machine.type(f"! grep -rIl {Path(__file__).parents[2]} /opt/runflowd /usr/bin/runflowd")
    machine.type("head -1 /opt/runflowd/bin/runflowd | grep -qx '#!/opt/runflowd/bin/python.*'")
    show = "import runflowd.cli; print(runflowd.cli.main.__code__.co_filename)"

    assert machine.type(f"/opt/runflowd/bin/python -c '{show}'").startswith("/opt/runflowd/lib/")


def test_what_is_promised_for_shells_and_readers_is_there(machine: Machine) -> None:
    """Manual pages and completion, as they belong to this version."""
    machine.type("""
        zcat /usr/share/man/man1/runflowd.1.gz | grep -q '^.TH'
        zcat /usr/share/man/man5/runflowd.yaml.5.gz | grep -q '^.TH'
        grep -q _RUNFLOWD_COMPLETE /usr/share/bash-completion/completions/runflowd
        test -s /usr/share/doc/runflowd/copyright
    """)


def test_the_services_own_user_can_do_its_work(machine: Machine) -> None:
    """A file goes through a rule, with the daemon's user and nothing but what the package brought."""
    machine.type("""
        install -d -m 2770 -g runflowd /srv/runflow/in/trial
        install -d -m 700 -o runflowd /var/lib/runflowd
        cat > /tmp/trial.yaml <<END
        service: local
        state: /var/lib/runflowd/trial.db
        rules:
          trial:
            watch: /srv/runflow/in/trial
            output: /srv/runflow/out/trial
            model: runflow/pass-through
        END
        printf '%s' iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg== \
            | base64 -d > /srv/runflow/in/trial/a.png
        setpriv --reuid runflowd --regid runflowd --init-groups runflowd sync -c /tmp/trial.yaml
        cmp /srv/runflow/in/trial/a.png /srv/runflow/out/trial/a.png
    """)


def test_an_upgrade_keeps_what_is_the_operators(machine: Machine) -> None:
    """The edited configuration though the package has another one, the key, drop-ins and the state file."""
    machine.type(r"""
        echo 'x-mine: {kept: true}' >> /etc/runflowd/runflowd.yaml
        echo rf_live_mine > /etc/runflowd/credentials/api-key
        mkdir -p /etc/systemd/system/runflowd.service.d
        echo '[Service]' > /etc/systemd/system/runflowd.service.d/mine.conf
        echo state > /var/lib/runflowd/state.db
        dpkg-deb --raw-extract /tmp/runflowd.deb /tmp/newer
        sed -i 's/^Version: .*/&+newer/' /tmp/newer/DEBIAN/control
        echo '# a newer default' >> /tmp/newer/etc/runflowd/runflowd.yaml
        rm /tmp/newer/opt/runflowd/bin/pygmentize
        dpkg-deb --build -Znone /tmp/newer /tmp/newer.deb
        dpkg --install --force-confold /tmp/newer.deb
        grep -q kept /etc/runflowd/runflowd.yaml && grep -q rf_live_mine /etc/runflowd/credentials/api-key
        test -e /etc/systemd/system/runflowd.service.d/mine.conf && grep -q state /var/lib/runflowd/state.db
        test ! -e /opt/runflowd/bin/pygmentize
        dpkg-query -W -f '${Version}' runflowd | grep -q newer
        runflowd check | grep -q 'is valid'
    """)


def test_a_removal_keeps_what_cannot_be_made_again(machine: Machine) -> None:
    """The configuration until it is purged, the state file and the folders for good; the program goes."""
    machine.type("""
        systemctl --quiet enable runflowd.service runflowd-backup.timer
        dpkg --remove runflowd
        test ! -e /opt/runflowd && test ! -e /usr/bin/runflowd && test ! -e /usr/lib/systemd/system/runflowd.service
        test ! -e /etc/systemd/system/multi-user.target.wants/runflowd.service
        grep -q kept /etc/runflowd/runflowd.yaml && grep -q rf_live_mine /etc/runflowd/credentials/api-key
        dpkg --purge runflowd
        test ! -e /etc/runflowd
        grep -q state /var/lib/runflowd/state.db && test -e /srv/runflow/in/trial/a.png
    """)
