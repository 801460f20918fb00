"""What the doctor makes of what it saw: each judgement is a function of values."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runflowd import __version__
from runflowd.api import Credit, Identity, NotFound, Permanent, RateLimited, Service, Transient, Unauthorized
from runflowd.api.errors import ApiError, Place
from runflowd.api.probing import Echo
from runflowd.config import Credential, CredentialError
from runflowd.core.media.kinds import MediaKind
from runflowd.core.model import After, AfterKind, Rule, WatchMode
from runflowd.decoder import Installed
from runflowd.doctor.access import Block, Way, check_person, check_way
from runflowd.doctor.decoders import check_decoders
from runflowd.doctor.findings import Finding, Level
from runflowd.doctor.folders import (
    check_space,
    check_watched,
    check_watched_system,
    check_written,
    check_written_system,
)
from runflowd.doctor.inotify import Limit, Tree, check_instances, check_tree, check_watches
from runflowd.doctor.keys import check_configuration, check_key, check_missing, check_warning
from runflowd.doctor.receiving import check_echo, check_secrets
from runflowd.doctor.running import check_daemon
from runflowd.doctor.service import (
    NEEDED,
    check_clock,
    check_credit,
    check_identity,
    check_models,
    check_refusal,
    check_scopes,
)
from runflowd.doctor.state import check_absent, check_error, check_incidents, check_soundness, check_state_system
from runflowd.doctor.unit import Unit, check_sandbox, settings_of
from runflowd.errors import StoreError
from runflowd.files import Forbidden, NoSpace, ReadOnly
from runflowd.store import Damaged
from runflowd.store.reports import Incident
from runflowd.store.state_file import Integrity

OK, NOTE, WARNING, PROBLEM = Level.OK, Level.NOTE, Level.WARNING, Level.PROBLEM
PLACE = Place("read the account", "api.example")
URL = "https://api.example"
GIB = 1024**3
RULE = Rule("one", "/in", "/out", "a/b", {})
STATE = Path("/var/lib/runflowd/state.db")


def told(finding: Finding) -> tuple[Level, str]:
    """How bad, and the remedy."""
    return finding.level, finding.remedy


@pytest.mark.parametrize(
    ("scopes", "level", "named"),
    [
        (NEEDED, OK, ""),
        ((*NEEDED, "assets:delete"), OK, ""),
        (("runs:*", "assets:*"), OK, ""),
        (("*",), OK, ""),
        ((), NOTE, ""),
        (("runs:read", "assets:create", "assets:read"), PROBLEM, "runs:create, runs:execute"),
    ],
)
def test_scopes_are_held_against_those_needed(scopes: tuple[str, ...], level: Level, named: str) -> None:
    """A service that tells none is believed to give them."""
    found = check_scopes("$KEY", scopes)

    assert (level, True) == (found.level, named in found.message)


@pytest.mark.parametrize(
    ("credit", "level", "named"),
    [
        (Credit(Decimal("12.50")), OK, "$12.50"),
        (Credit(Decimal(5), Decimal(5)), OK, "$5.00"),
        (Credit(Decimal("4.99"), Decimal(5)), WARNING, "below the account's own threshold of $5.00"),
        (Credit(Decimal(0), Decimal(0)), WARNING, "purchases are refused"),
        (Credit(Decimal("-0.25")), WARNING, "$-0.25"),
        (None, NOTE, "credit_balance:read"),
    ],
)
def test_a_low_balance_is_a_warning(credit: Credit | None, level: Level, named: str) -> None:
    """By the account's own threshold, where it has one."""
    (found,) = check_credit(URL, credit)

    assert (level, True) == (found.level, named in found.message)


@pytest.mark.parametrize(
    ("ahead", "level", "named"),
    [
        (0.4, OK, "within 1s"),
        (-119.0, OK, "within 1m59s"),
        (121.0, WARNING, "2m1s behind the service's"),
        (-7200.0, WARNING, "2h ahead of the service's"),
    ],
)
def test_a_clock_that_is_minutes_off_is_a_warning(ahead: float, level: Level, named: str) -> None:
    """Signed addresses live for minutes."""
    (found,) = check_clock(URL, ahead)

    assert (level, True) == (found.level, named in found.message)


@pytest.mark.parametrize(
    ("error", "check", "named"),
    [
        (Unauthorized(PLACE, status=401, code="BAD"), "key", "refuses the key from /etc/key"),
        (Transient(PLACE, code="ConnectError", message="no route"), "service", "does not answer, so nothing else"),
        (RateLimited(PLACE, status=429), "service", "is in trouble"),
        (Transient(PLACE, status=503), "service", "is in trouble"),
        (Permanent(PLACE, status=400), "service", "does not answer as the service does"),
        (NotFound(PLACE, status=404), "service", "does not answer as the service does"),
    ],
)
def test_the_first_answer_of_the_service_tells_the_key_from_the_network(
    error: ApiError, check: str, named: str
) -> None:
    """Each is a problem, and has its own remedy."""
    found = check_refusal(error, URL, "/etc/key")

    assert (check, PROBLEM, True) == (found.check, found.level, named in found.message)
    assert found.remedy


@pytest.mark.parametrize(
    ("identity", "whom"),
    [
        (Identity("u1", "a@b.example", ("studio", "lab")), "studio, lab"),
        (Identity("u1", "a@b.example"), "a@b.example"),
        (Identity("", ""), "an account without a name"),
    ],
)
def test_a_key_that_is_taken_has_an_owner(identity: Identity, whom: str) -> None:
    """A key of the wrong organization is seen."""
    assert whom in check_identity(identity, Service(URL)).message


def test_models_that_fit_are_said_to_fit() -> None:
    """What the service does not tell is a note."""
    fitting, worried = check_models(Path("x"), [], [], 2), check_models(Path("x"), [], ["nothing was compared"], 2)

    assert [(OK, NOTE)] == [(one.level, other.level) for one, other in zip(fitting, worried, strict=True)]


@pytest.mark.parametrize(
    ("echo", "level", "named"),
    [
        (Echo(401), OK, "refused as it must be"),
        (Echo(401, login=True), WARNING, "wants a password"),
        (Echo(200), WARNING, "somebody else takes callbacks"),
        (Echo(204), WARNING, "somebody else takes callbacks"),
        (Echo(302), WARNING, "sends callers elsewhere"),
        (Echo(403), WARNING, "refused on the way"),
        (Echo(404), WARNING, "does not know the path"),
        (Echo(502), WARNING, "finds no daemon"),
        (Echo(503), WARNING, "cannot read its callback secret"),
        (Echo(520), WARNING, "in trouble"),
        (Echo(999), WARNING, "refused on the way"),
    ],
)
def test_only_our_refusal_proves_that_callbacks_arrive(echo: Echo, level: Level, named: str) -> None:
    """Polling works without them, so nothing else is more than a warning."""
    found = check_echo("https://hooks.example/callbacks/runflow", echo)

    assert (level, True, level is WARNING) == (found.level, named in found.message, "polling works" in found.remedy)


@pytest.mark.parametrize(
    ("key", "mode", "level", "remedy"),
    [
        (Credential("k", "$RUNFLOW_API_KEY"), None, OK, ""),
        (Credential("k", "/k"), 0o600, OK, ""),
        (Credential("k", "/k"), 0o640, OK, ""),
        (Credential("k", "/k"), 0o660, WARNING, "chmod go-w /k"),
        (Credential("k", "/k", "all read it"), 0o644, WARNING, "chmod 600 /k"),
    ],
)
def test_a_key_that_others_read_or_replace_is_a_warning(
    key: Credential, mode: int | None, level: Level, remedy: str
) -> None:
    """The group may read it: that is what groups are for (scenario 79)."""
    (found,) = check_key(key, mode)

    assert (level, True) == (found.level, found.remedy.startswith(remedy))
    assert key.secret not in found.message.split()


def test_a_key_that_is_nowhere_is_a_problem_unless_the_unit_hands_it_over() -> None:
    """A credential of systemd is for root's eyes; that this user has none says nothing."""
    error = CredentialError("the API key", "is nowhere", "put it somewhere")

    (nowhere,), (handed,) = check_missing(error, ""), check_missing(error, "/etc/key")

    assert ((PROBLEM, "put it somewhere"), NOTE) == (told(nowhere), handed.level)


@pytest.mark.parametrize(("mode", "level"), [(0o644, OK), (0o664, OK), (0o646, WARNING)])
def test_a_configuration_that_everyone_may_change_is_a_warning(mode: int, level: Level) -> None:
    """Whoever may edit it, sends pictures where they like (scenario 79)."""
    assert [level] == [found.level for found in check_configuration({"/etc/a.yaml": mode}, 1)]


def test_what_check_warns_of_is_reported_with_its_place() -> None:
    """The setting is the subject."""
    found = check_warning("a.yaml:3:5: rules.x: is odd")

    assert ("a.yaml:3:5: rules.x", "is odd", WARNING) == (found.subject, found.message, found.level)


def test_secrets_of_callbacks_are_for_the_daemon_alone() -> None:
    """One finding for each that others read; the secret itself is never in it."""
    kept, read = Credential("whsec_1", "/new"), Credential("whsec_2", "/old", "everyone reads it")

    assert [OK] == [found.level for found in check_secrets([kept])]
    assert [(WARNING, "chmod 600 /old")] == [told(found) for found in check_secrets([kept, read])]


@pytest.mark.parametrize(
    ("way", "remedy"),
    [
        (Way(Block.MISSING, "/srv/in"), "mkdir -p /srv/in/a"),
        (Way(Block.CLOSED, "/srv/my in"), "chmod o+x '/srv/my in'"),
        (Way(Block.NO_FOLDER, "/srv/in"), "move that file away"),
    ],
)
def test_a_blocked_way_names_the_place_that_blocks(way: Way, remedy: str) -> None:
    """Not only the folder that was meant."""
    found = check_way("one: watch", "/srv/in/a", way, "runflowd")

    assert found is not None
    assert (PROBLEM, True, True) == (found.level, way.at in found.message, remedy in found.remedy)


def test_a_free_way_is_no_finding() -> None:
    """What may be done at its end is another question."""
    assert check_way("one: watch", "/srv/in", Way(), "runflowd") is None


@pytest.mark.parametrize(
    ("kind", "readable", "writable", "level", "named"),
    [
        (AfterKind.KEEP, True, False, OK, ""),
        (AfterKind.KEEP, False, False, PROBLEM, "no file in it is seen"),
        (AfterKind.MOVE, True, False, PROBLEM, "not moved away"),
        (AfterKind.DELETE, True, False, PROBLEM, "not deleted"),
        (AfterKind.DELETE, True, True, OK, ""),
    ],
)
def test_a_watched_folder_must_be_written_to_where_sources_leave_it(
    kind: AfterKind, level: Level, named: str, *, readable: bool, writable: bool
) -> None:
    """Reading is enough for the others."""
    rule = replace(RULE, after=After(kind, "/done"))

    found = check_watched(rule, "runflowd", readable=readable, writable=writable)

    assert (level, True) == (found.level, named in found.message)


@pytest.mark.parametrize(
    ("mode", "kind", "silent", "level", "named"),
    [
        (WatchMode.AUTO, "ext4", False, OK, "noticed at once"),
        (WatchMode.AUTO, "", False, OK, "an unknown type"),
        (WatchMode.AUTO, "nfs4", True, NOTE, "rescanned every 10s"),
        (WatchMode.RESCAN, "ext4", False, NOTE, "rescanned every 10s"),
        (WatchMode.EVENTS, "cifs", True, WARNING, "every 5m only"),
    ],
)
def test_shares_are_rescanned_unless_a_rule_insists_on_events(
    mode: WatchMode, kind: str, level: Level, named: str, *, silent: bool
) -> None:
    """With the interval (scenarios 34 and 35)."""
    (found,) = check_watched_system(replace(RULE, mode=mode), kind, silent=silent)

    assert (level, True) == (found.level, named in found.message)


@pytest.mark.parametrize(
    ("trouble", "there", "expected"),
    [
        (None, "/out", ("permissions", OK, "")),
        (None, "/", ("permissions", OK, "")),
        (Forbidden("write", "/out/x"), "/out", ("permissions", PROBLEM, "let runflowd write there: setfacl")),
        (ReadOnly("write", "/out/x"), "/out", ("permissions", PROBLEM, "Remount it writable")),
        (NoSpace("write", "/out/x"), "/out", ("disk", PROBLEM, "Free some space")),
    ],
)
def test_what_came_of_writing_a_file_has_its_remedy(trouble: Any, there: str, expected: tuple[str, Level, str]) -> None:
    """A folder may be there, or be makeable."""
    found = check_written("one: output", "/out", there, trouble, "runflowd")

    assert expected == (found.check, found.level, found.remedy[: len(expected[2])])


@pytest.mark.parametrize(
    ("kind", "folding", "count"), [("ext4", False, 0), ("ext4", True, 1), ("vfat", False, 1), ("cifs", True, 1)]
)
def test_names_that_fold_are_a_note(kind: str, count: int, *, folding: bool) -> None:
    """Seen, or known of the type (scenario 49)."""
    assert [NOTE] * count == [found.level for found in check_written_system("s", "/out", kind, folding=folding)]


@pytest.mark.parametrize(
    ("free", "level"), [(GIB - 1, PROBLEM), (GIB, WARNING), (2 * GIB - 1, WARNING), (2 * GIB, OK), (0, PROBLEM)]
)
def test_space_is_held_against_the_floor(free: int, level: Level) -> None:
    """Below it nothing is bought; a little above it that is near (scenario 57)."""
    assert level is check_space("one: output", "/out", free, GIB).level


SYSCTL = "fs.inotify.max_user_watches"


@pytest.mark.parametrize(
    ("needed", "most", "used_up", "level", "remedy"),
    [
        (10, 8192, False, OK, ""),
        (5000, 8192, False, WARNING, f"sysctl {SYSCTL}=524288;"),
        (9000, 8192, False, WARNING, f"sysctl {SYSCTL}=524288;"),
        (400_000, 8192, False, WARNING, f"sysctl {SYSCTL}=800000;"),
        (10, 8192, True, WARNING, f"sysctl {SYSCTL}=524288;"),
        (10, None, False, NOTE, ""),
        (10, None, True, WARNING, f"sysctl {SYSCTL}=524288;"),
    ],
)
def test_watches_are_held_against_the_tree(
    needed: int, most: int | None, level: Level, remedy: str, *, used_up: bool
) -> None:
    """With the line to type; what cannot be read is unknown (scenario 28)."""
    found = check_watches(needed, Limit(SYSCTL, most), used_up=used_up)

    assert (level, True) == (found.level, found.remedy.startswith(remedy))


@pytest.mark.parametrize(
    ("most", "refused", "expected"),
    [
        (128, False, (OK, "")),
        (None, False, (OK, "")),
        (128, True, (WARNING, "sysctl fs.inotify.max_user_instances=256")),
    ],
)
def test_an_instance_must_be_had(most: int | None, expected: tuple[Level, str], *, refused: bool) -> None:
    """One is enough."""
    assert expected == told(check_instances(Limit("fs.inotify.max_user_instances", most), refused=refused))


def test_closed_folders_below_a_watched_one_are_a_warning() -> None:
    """The first by name (scenario 37)."""
    assert [] == check_tree(Tree("one", 3))
    (found,) = check_tree(Tree("one", 3, ("/in/a", "/in/b")))

    assert (WARNING, True) == (found.level, "/in/a cannot be read, nor can 1 more" in found.message)


@pytest.mark.parametrize(("kind", "network", "level"), [("ext4", False, OK), ("", False, OK), ("nfs4", True, PROBLEM)])
def test_a_state_file_on_a_share_is_a_problem(kind: str, level: Level, *, network: bool) -> None:
    """Locks do not hold there (scenario 68)."""
    assert level is check_state_system(STATE, kind, network=network).level


@pytest.mark.parametrize(("schema", "level"), [(2, OK), (1, WARNING), (3, PROBLEM)])
def test_the_schema_must_be_known(schema: int, level: Level) -> None:
    """An older one is brought up to date by the daemon, a newer one by nobody (scenarios 69 and 70)."""
    assert level is check_soundness(STATE, Integrity(schema, 2, 4096)).level


def test_damage_and_a_closed_file_have_remedies_of_their_own() -> None:
    """Nothing is replaced in silence (scenario 62)."""
    damaged, closed = check_error(STATE, Damaged(STATE, "torn")), check_error(STATE, StoreError(f"{STATE}: closed"))

    assert (PROBLEM, True) == (damaged.level, "runflowd backup" in damaged.remedy)
    assert (PROBLEM, "closed") == (closed.level, closed.message)


def test_no_state_file_yet_is_a_note() -> None:
    """The first run makes it."""
    assert NOTE is check_absent(STATE, "").level


def test_open_incidents_keep_their_remedy() -> None:
    """In the daemon's own words."""
    open_one = Incident("rule:one", "MODEL_NOT_FOUND", "no such model", "correct it", 1.0, 2.0, 3)

    assert [(WARNING, "correct it")] == [told(found) for found in check_incidents([open_one])]
    assert [OK] == [found.level for found in check_incidents([])]


ANSWER = {"pid": 7, "uptime": 61.5, "version": __version__, "config": {"problems": []}}


@pytest.mark.parametrize(
    ("pid", "daemon", "levels"),
    [
        (None, None, [NOTE]),
        (7, None, [WARNING]),
        (7, ANSWER, [OK]),
        (7, {**ANSWER, "version": "0.0.1"}, [OK, WARNING]),
        (7, {**ANSWER, "config": {"problems": ["a.yaml:1:1: no"]}}, [OK, WARNING]),
    ],
)
def test_a_daemon_that_holds_the_state_file_should_answer(
    pid: int | None, daemon: dict[str, Any] | None, levels: list[Level]
) -> None:
    """And be of this version, and follow the configuration as it is."""
    assert levels == [found.level for found in check_daemon(pid, daemon, [Path("/run/x.sock")])]


@pytest.mark.parametrize(("own", "daemon", "count"), [(0, None, 0), (995, 995, 0), (0, 995, 1)])
def test_permissions_of_another_user_than_the_daemons_say_little(own: int, daemon: int | None, count: int) -> None:
    """Root may everything, the daemon may not."""
    assert [NOTE] * count == [found.level for found in check_person(own, daemon, "runflowd")]


SANDBOX = """
[Unit]
ReadWritePaths=/no
[Service]
# ReadWritePaths=/neither
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=true
StateDirectory=runflowd
ReadWritePaths=-/srv/runflow "/mnt/my 100%% share"
"""
DROP_IN = "[Service]\nReadWritePaths=-/data/out\\\n -/home/x\n"


@pytest.mark.parametrize(
    ("texts", "folders", "levels"),
    [
        ([SANDBOX], ["/srv/runflow", "/srv/runflow/in", "/var/lib/runflowd", "/mnt/my 100% share/a"], [OK]),
        ([SANDBOX], ["/srv/runflowing", "/data/out"], [PROBLEM, PROBLEM]),
        ([SANDBOX, DROP_IN], ["/data/out/deep"], [OK]),
        ([SANDBOX, DROP_IN], ["/home/x/in"], [PROBLEM]),
        ([SANDBOX, DROP_IN, "[Service]\nProtectHome=no\n"], ["/home/x/in"], [OK]),
        ([SANDBOX], ["/tmp/in"], [PROBLEM]),
        ([SANDBOX, "[Service]\nReadWritePaths=\n"], ["/srv/runflow"], [PROBLEM]),
        (["[Service]\nUser=x\n"], ["/anywhere"], [OK]),
    ],
)
def test_a_sandbox_must_let_the_daemon_write_to_its_folders(
    texts: list[str], folders: list[str], levels: list[Level]
) -> None:
    """As systemd reads units and drop-ins: later ones add, an empty value forgets."""
    found = check_sandbox(Unit("/etc/u", settings_of(texts)), folders, "/etc/runflowd")

    assert levels == [each.level for each in found]


@pytest.mark.parametrize(
    ("has", "levels"),
    [
        (Installed("13.0.0", "1.8.1", ffmpeg="/usr/bin/ffmpeg"), [Level.OK, Level.OK]),
        (Installed("13.0.0", "1.8.1", av="18.1.0"), [Level.OK, Level.OK]),
        (Installed("13.0.0"), [Level.OK, Level.NOTE, Level.NOTE]),
        (Installed(), [Level.NOTE, Level.NOTE]),
    ],
)
def test_decoders_that_are_missing_are_worth_a_note(has: Installed, levels: list[Level]) -> None:
    """The work goes on without them; what each is for is said."""
    assert levels == [each.level for each in check_decoders({MediaKind.VIDEO}, has)]


def test_a_rule_for_images_needs_no_decoder_of_films() -> None:
    """What no rule takes is not asked for."""
    assert ["images"] == [each.subject for each in check_decoders({MediaKind.IMAGE}, Installed("13.0.0", "1.8.1"))]
