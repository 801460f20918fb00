"""What people do to the folders, and what they expect to come of it."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING

from daemon_process import picture, sha256

from runflowd.core.money import Budget, Money, RuleMoney
from tests.soak.paid_service import PRICE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from random import Random

    from daemon_process import Installation

RULES = ("left", "right")
BAD = b"this is no image"


class People:
    """Acts at random and remembers the intent: `files` holds, by rule and path, what should have a result."""

    def __init__(self, installation: Installation, random: Random) -> None:
        self._installation = installation
        self._random = random
        self._versions = dict.fromkeys(RULES, 1)
        self.files: dict[str, dict[str, bytes]] = {rule: {} for rule in RULES}
        self.written: dict[str, set[str]] = {rule: set() for rule in RULES}
        """Every content that a rule ever saw."""
        self.edited: dict[Path, bytes] = {}
        """Results that somebody retouched: nobody else may write there."""
        self.waived: set[tuple[str, str]] = set()
        """Inputs whose result somebody deleted or edited; nothing is expected of them."""
        self.limits = dict.fromkeys(("", "left"), 1000 * PRICE)
        """Dollars a day: of all rules together, and of one of them alone."""
        self._behind: dict[str, Path] = {}
        self._wrong: dict[str, str] = {}
        for rule in RULES:
            self.watched(rule).mkdir()

    def watched(self, rule: str) -> Path:
        """The folder that a rule watches."""
        return self._installation.folder / f"in-{rule}"

    def input(self, rule: str) -> Path:
        """Where people put its files: that folder, or what lies behind the share that it is."""
        return self._behind.get(rule, self.watched(rule))

    def share(self, rule: str, behind: Path) -> None:
        """The watched folder is a share of that one: people write on its server, which answers them at any time."""
        self._behind[rule] = behind

    def output(self, rule: str) -> Path:
        """The folder of its results."""
        return self._installation.folder / f"out-{rule}"

    def act(self) -> None:
        """Do one thing."""
        deeds = [
            (self.drop, 10),
            (self._drop_known, 4),
            (self._drop_slowly, 2),
            (self._drop_bad, 1),
            (self._replace, 4),
            (self._rename, 4),
            (self._rename_folder, 1),
            (self._copy, 2),
            (self._delete, 3),
            (self._touch, 2),
            (self._delete_result, 1),
            (self._edit_result, 1),
            (self._change_prompt, 1),
            (self._raise_limits, 2),
            (self._mistype, 1),
            (self._mend_rule, 2),
            (self._swap_folder, 1),
            (self._break_yaml, 1),
        ]
        (deed,) = self._random.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])
        deed(self._random.choice(RULES))

    def mend(self) -> None:
        """Leave a good configuration, under which everything fits."""
        self._wrong.clear()
        self._widen(1000)

    def tighten(self, spent: Mapping[str, Decimal]) -> None:
        """Leave room for few files more than were `spent` for. Only while nobody buys under the limits before."""
        for whose in self.limits:
            self.limits[whose] = spent.get(whose, Decimal(0)) + self._random.choice([1, 3, 10, 30]) * PRICE
        self.edit_rules()

    def _raise_limits(self, _: str) -> None:
        self._widen(self._random.choice([1, 2, 5]))

    def _widen(self, files: int) -> None:
        for whose in self.limits:
            self.limits[whose] += files * PRICE
        self.edit_rules()

    @property
    def money(self) -> Money:
        """What the configuration says of money, as the daemon reads it."""
        return Money(UTC, Budget(self.limits[""]), {"left": RuleMoney(Budget(self.limits["left"]), PRICE)})

    def edit_rules(self) -> None:
        """Write both rules as they should be."""
        self._installation.configure_rules(
            {
                rule: self._installation.rule(
                    watch=f"in-{rule}",
                    output=f"out-{rule}",
                    on_delete="remove" if rule == "left" else "keep",
                    **({"model": self._wrong[rule]} if rule in self._wrong else {}),
                    **({"budget": {"per_day": float(self.limits[rule])}} if rule in self.limits else {}),
                    price=float(PRICE),
                    receipts="receipts",
                    rescan="5s",
                    input={"image_url": "${file.url}", "prompt": f"{rule} {self._versions[rule]}"},
                )
                for rule in RULES
            },
            money={"timezone": "UTC", "budget": {"per_day": float(self.limits[""])}},
        )

    def _new_path(self) -> str:
        folder = self._random.choice(["", "", "shoes/", "shoes/red/", "bags/"])
        return f"{folder}{self._random.randrange(10**6):06}.{self._random.choice(['jpg', 'jpg', 'JPG', 'jpeg'])}"

    def _some_path(self, rule: str) -> str | None:
        return self._random.choice(sorted(self.files[rule])) if self.files[rule] else None

    def _put(self, rule: str, path: str, data: bytes, *, slowly: bool = False) -> None:
        self.files[rule][path] = data
        self.written[rule].add(sha256(data))
        self.waived.discard((rule, path))
        target = self.input(rule) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            time.sleep(0.15 if slowly else 0.0)
            file.write(data[len(data) // 2 :])

    def drop(self, rule: str) -> None:
        """Put a new file into the folder of a rule."""
        self._put(rule, self._new_path(), picture())

    def _drop_known(self, rule: str) -> None:
        known = self._some_path(self._random.choice(RULES))
        data = self.files["left"].get(known or "") or self.files["right"].get(known or "") or picture()
        self._put(rule, self._new_path(), data)

    def _drop_slowly(self, rule: str) -> None:
        self._put(rule, self._new_path(), picture(), slowly=True)

    def _drop_bad(self, rule: str) -> None:
        self._put(rule, self._new_path(), BAD)

    def _replace(self, rule: str) -> None:
        if path := self._some_path(rule):
            self._put(rule, path, picture())

    def _copy(self, rule: str) -> None:
        if path := self._some_path(rule):
            self._put(rule, self._new_path(), self.files[rule][path])

    def _touch(self, rule: str) -> None:
        if path := self._some_path(rule):
            os.utime(self.input(rule) / path)

    def _delete(self, rule: str) -> None:
        if path := self._some_path(rule):
            del self.files[rule][path]
            (self.input(rule) / path).unlink()

    def _rename(self, rule: str) -> None:
        if path := self._some_path(rule):
            self._move(rule, path, self._new_path())

    def _rename_folder(self, rule: str) -> None:
        before, after = self._random.choice(["shoes/red/", "bags/"]), f"moved/{self._random.randrange(10**6)}/"
        moving = [path for path in self.files[rule] if path.startswith(before)]
        if not moving:
            return
        (self.input(rule) / after).parent.mkdir(exist_ok=True)
        (self.input(rule) / before).rename(self.input(rule) / after)
        for path in moving:
            self._moved(rule, path, after + path.removeprefix(before))

    def _move(self, rule: str, before: str, after: str) -> None:
        (self.input(rule) / after).parent.mkdir(parents=True, exist_ok=True)
        (self.input(rule) / before).rename(self.input(rule) / after)
        self._moved(rule, before, after)

    def _moved(self, rule: str, before: str, after: str) -> None:
        self.files[rule][after] = self.files[rule].pop(before)
        if (rule, before) in self.waived:
            self.waived.add((rule, after))

    def _result(self, rule: str) -> tuple[str, Path] | None:
        path = self._some_path(rule)
        result = self.output(rule) / path if path else None
        return (path, result) if path and result and result.is_file() and result not in self.edited else None

    def _delete_result(self, rule: str) -> None:
        if found := self._result(rule):
            path, result = found
            self.waived.add((rule, path))
            result.unlink(missing_ok=True)

    def _edit_result(self, rule: str) -> None:
        """As careful editors do: a new file takes the place of the old one."""
        if found := self._result(rule):
            path, result = found
            data = b"retouched" + os.urandom(8)
            draft = result.parent / ".draft"
            draft.write_bytes(data)
            draft.rename(result)
            self.waived.add((rule, path))
            self.edited[result] = data

    def _change_prompt(self, rule: str) -> None:
        self._versions[rule] += 1
        self.edit_rules()

    def _mistype(self, rule: str) -> None:
        """A model that nobody has: nothing is bought, and every file goes on once it is mended."""
        self._wrong[rule] = "runflow/pas-through"
        self.edit_rules()

    def _mend_rule(self, rule: str) -> None:
        if self._wrong.pop(rule, ""):
            self.edit_rules()

    def _swap_folder(self, rule: str) -> None:
        """Another folder stands in the place of the watched one for a while, empty or not: nothing of it counts."""
        watched = self.watched(rule)
        if watched.is_mount():
            return
        away = watched.with_name(f"{watched.name}.away")
        watched.rename(away)
        watched.mkdir()
        if self._random.random() < 0.5:
            (watched / "stray.jpg").write_bytes(picture())
        time.sleep(self._random.choice([0.2, 1.0, 6.0]))
        shutil.rmtree(watched)
        away.rename(watched)

    def _break_yaml(self, _: str) -> None:
        self._installation.config.write_text(self._random.choice(["", "rules: [", "rules: {}\nx: 1\n"]))
