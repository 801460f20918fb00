"""Results that a person judges: held, delivered, rejected, and what was done about them meanwhile."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from review_rig import HELD, everything, waiting
from stage_rig import picture, rule, running

from runflowd.control.refusal import CommandRefused
from runflowd.core.chains import leaving_out_rejected
from runflowd.core.model import After, AfterKind, OnDelete, Rule
from runflowd.core.review import Review, ReviewMode, ReviewPolicy
from runflowd.store.verdicts import Verdict, give_verdicts, verdicts_of

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.store.verdicts import Given

pytestmark = pytest.mark.anyio

HOLD, AFTER = ReviewPolicy(ReviewMode.HOLD), ReviewPolicy(ReviewMode.AFTER)


async def judge(rig: Rig, verdict: Verdict, *paths: str, who: str = "anna", reason: str = "") -> list[Given]:
    """Give a verdict on the results of files, and let the stages find it."""
    items = {item.path: item.id for item in await rig.items() if item.current}
    write = partial(give_verdicts, verdict=verdict, who=who, reason=reason, now=rig.engine.context.clock.wall())
    given = await rig.store.write(lambda connection: write(connection, [items[path] for path in paths]))
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(5)
    return given


def reviewed(folder: Path, review: ReviewPolicy = HOLD, **changes: object) -> Rule:
    """The usual rule, whose results are judged."""
    return rule(folder, review=review, **changes)


async def test_a_held_result_appears_once_it_is_accepted(tmp_path: Path) -> None:
    """Mirrored as ever, with nothing left of the hidden one."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("shoes/a.jpg")
        await rig.settled(1)
        held, count = everything(rig), await waiting(rig)
        await judge(rig, Verdict.ACCEPT, "shoes/a.jpg")

        assert (held, count, everything(rig)) == ({f"{HELD}shoes/a.jpg"}, 1, {"shoes/a.jpg"})
        assert await waiting(rig) == 0


@pytest.mark.parametrize("review", [HOLD, AFTER], ids=["hold", "after"])
async def test_a_rejected_result_moves_aside_and_an_undone_verdict_brings_it_back(
    tmp_path: Path, review: ReviewPolicy
) -> None:
    """To where it was, waiting again."""
    async with running(tmp_path, reviewed(tmp_path, review)) as rig:
        rig.drop("shoes/a.jpg")
        await rig.settled(1)
        before = everything(rig)
        await judge(rig, Verdict.REJECT, "shoes/a.jpg", reason="blurred")
        rejected = everything(rig)
        await judge(rig, Verdict.UNDO, "shoes/a.jpg")

        assert (rejected, everything(rig), await waiting(rig)) == ({"rejected/shoes/a.jpg"}, before, 1)


async def test_both_who_judge_one_result_are_on_record_and_the_second_hears_of_the_first(tmp_path: Path) -> None:
    """The last verdict counts."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await judge(rig, Verdict.ACCEPT, "a.jpg")
        [same] = await judge(rig, Verdict.ACCEPT, "a.jpg", who="ben")
        [other] = await judge(rig, Verdict.REJECT, "a.jpg", who="ben")
        said = await rig.store.read(partial(verdicts_of, item=1))

        assert (same.before and same.before.who, same.changed, other.changed) == ("anna", False, True)
        assert [(each.verdict, each.who) for each in said] == [("accept", "anna"), ("accept", "ben"), ("reject", "ben")]
        assert everything(rig) == {"rejected/a.jpg"}


async def test_a_rejected_result_replaces_no_file(tmp_path: Path) -> None:
    """One of the same name gets another, in `rejected` as anywhere."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        mine = tmp_path / "out/rejected/a.jpg"
        mine.parent.mkdir()
        mine.write_bytes(b"mine")
        await judge(rig, Verdict.REJECT, "a.jpg")

        assert (mine.read_bytes(), everything(rig)) == (b"mine", {"rejected/a.jpg", "rejected/a (jpg).jpg"})


async def test_an_accepted_result_replaces_no_file_but_the_older_result(tmp_path: Path) -> None:
    """The new content's result takes the place of the one accepted before; a stranger's name is left to it."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg", "old")
        rig.drop("b.jpg")
        await rig.settled(2)
        (tmp_path / "out/b.jpg").write_bytes(b"mine")
        await judge(rig, Verdict.ACCEPT, "a.jpg", "b.jpg")
        rig.drop("a.jpg", "new")
        await anyio.sleep(60)
        between = (tmp_path / "out/a.jpg").read_bytes()
        await judge(rig, Verdict.ACCEPT, "a.jpg")

        assert (between, (tmp_path / "out/a.jpg").read_bytes()) == (picture("old"), picture("new"))
        assert everything(rig) == {"a.jpg", "b.jpg", "b (jpg).jpg"}


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.UNDO])
async def test_a_result_that_somebody_edited_stays_where_it_is_and_that_is_said(
    tmp_path: Path, verdict: Verdict
) -> None:
    """It is theirs since: a verdict moves nothing; its story, its receipt and the answer of the command say so."""
    receipts = str(tmp_path / "receipts")
    async with running(tmp_path, reviewed(tmp_path, AFTER, receipts=receipts)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        if verdict is Verdict.UNDO:
            await judge(rig, Verdict.REJECT, "a.jpg")
        [place] = everything(rig)
        (tmp_path / "out" / place).write_bytes(b"retouched")
        await judge(rig, verdict, "a.jpg")
        outcome = await rig.ask("verdict-outcome", items=[1])
        told = (await rig.ask("logs", path="a.jpg"))["versions"][0]["steps"][-1]["detail"]
        receipt = json.loads((tmp_path / "receipts/a.jpg.json").read_text())["outputs"][0]

        assert (everything(rig), (tmp_path / "out" / place).read_bytes()) == ({place}, b"retouched")
        assert {"due": [], "removed": [], "left": [{"id": 1, "path": f"{tmp_path}/out/{place}"}]} == outcome
        assert f"{place} was edited since it was delivered, so it stays where it is, and is yours" in told
        assert (place, True) == (receipt["path"], receipt["edited"])


async def test_a_result_that_is_edited_no_more_is_moved_by_the_next_verdict(tmp_path: Path) -> None:
    """Somebody put back what was delivered: it is runflowd's as before, and nothing else is said of it."""
    async with running(tmp_path, reviewed(tmp_path, AFTER)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        delivered = (tmp_path / "out/a.jpg").read_bytes()
        (tmp_path / "out/a.jpg").write_bytes(b"retouched")
        await judge(rig, Verdict.REJECT, "a.jpg")
        await judge(rig, Verdict.UNDO, "a.jpg")
        (tmp_path / "out/a.jpg").write_bytes(delivered)
        await judge(rig, Verdict.REJECT, "a.jpg")

        assert ({"rejected/a.jpg"}, []) == (everything(rig), (await rig.ask("verdict-outcome", items=[1]))["left"])


async def test_a_result_that_somebody_removed_stays_removed(tmp_path: Path) -> None:
    """Accepting it brings nothing back, and is carried out all the same; whoever accepted it is told."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out" / HELD / "a.jpg").unlink()
        await judge(rig, Verdict.ACCEPT, "a.jpg")

        outcome = await rig.ask("verdict-outcome", items=[1])

        assert (everything(rig), await rig.store.read(lambda c: c.all("verdicts_left")[0]["count"])) == (set(), 0)
        assert {"due": [], "removed": [1], "left": []} == outcome


REMOVED: list[tuple[ReviewPolicy, list[Verdict], Verdict, str]] = [
    (HOLD, [], Verdict.ACCEPT, "a.jpg"),
    (AFTER, [], Verdict.REJECT, "rejected/a.jpg"),
    (HOLD, [Verdict.REJECT], Verdict.UNDO, f"{HELD}a.jpg"),
    (HOLD, [Verdict.ACCEPT], Verdict.UNDO, f"{HELD}a.jpg"),
]
"""The verdicts before somebody removed the result, the one after that, and where the result belongs then."""


@pytest.mark.parametrize(("review", "before", "after", "place"), REMOVED)
async def test_a_result_that_was_removed_before_its_verdict_can_be_fetched_again(
    tmp_path: Path, review: ReviewPolicy, before: list[Verdict], after: Verdict, place: str
) -> None:
    """At no price, and to where the verdict wants it."""
    async with running(tmp_path, reviewed(tmp_path, review)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        for verdict in before:
            await judge(rig, verdict, "a.jpg")
        result = tmp_path / "out" / everything(rig).pop()
        result.unlink()
        if result.parent != tmp_path / "out":
            result.parent.rmdir()
        await judge(rig, after, "a.jpg")
        chosen = (await rig.ask("rerun-choose", rule="studio", missing=True))["items"]
        await rig.ask("rerun", items=chosen, missing=True)
        await rig.settled(1)

        assert ([item["what"] for item in chosen], everything(rig), rig.charged()) == (["fetch"], {place}, [1])


@pytest.mark.parametrize("change", ["edited", "removed"])
async def test_a_rejected_result_that_somebody_changed_waits_again_once_that_is_undone(
    tmp_path: Path, change: str
) -> None:
    """What they edited stays where it is, and is judged there."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await judge(rig, Verdict.REJECT, "a.jpg")
        rejected = tmp_path / "out/rejected/a.jpg"
        rejected.write_bytes(b"retouched") if change == "edited" else rejected.unlink()
        there = everything(rig)
        await judge(rig, Verdict.UNDO, "a.jpg")

        assert (everything(rig), await waiting(rig)) == (there, 1)


@pytest.mark.parametrize("review", [HOLD, AFTER], ids=["hold", "after"])
async def test_a_source_is_disposed_of_once_its_result_is_accepted(tmp_path: Path, review: ReviewPolicy) -> None:
    """Not when it is delivered, and not when it is rejected."""
    async with running(tmp_path, reviewed(tmp_path, review, after=After(AfterKind.DELETE))) as rig:
        good, bad = rig.drop("good.jpg"), rig.drop("bad.jpg")
        await rig.settled(2)
        both = good.exists(), bad.exists()
        await judge(rig, Verdict.ACCEPT, "good.jpg")
        await judge(rig, Verdict.REJECT, "bad.jpg")
        await anyio.sleep(60)

        assert (both, good.exists(), bad.exists()) == ((True, True), False, True)


@pytest.mark.parametrize("review", [HOLD, AFTER], ids=["hold", "after"])
async def test_a_source_stays_while_a_result_of_it_is_not_in_place(tmp_path: Path, review: ReviewPolicy) -> None:
    """Somebody removed one of two, and accepted."""
    async with running(tmp_path, reviewed(tmp_path, review, after=After(AfterKind.DELETE))) as rig:
        rig.switch(api_variants={"stages": True})
        source = rig.drop("a.jpg")
        await rig.settled(1)
        results = everything(rig)
        (tmp_path / "out" / max(results)).unlink()
        await judge(rig, Verdict.ACCEPT, "a.jpg")
        await anyio.sleep(60)

        assert (len(results), len(everything(rig)), source.exists()) == (2, 1, True)


async def test_a_source_stays_while_its_only_result_is_not_in_place(tmp_path: Path) -> None:
    """Somebody removed it from where it was delivered, and accepted: the source goes once it was fetched again."""
    async with running(tmp_path, reviewed(tmp_path, AFTER, after=After(AfterKind.DELETE))) as rig:
        source = rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out/a.jpg").unlink()
        await judge(rig, Verdict.ACCEPT, "a.jpg")
        await anyio.sleep(60)
        stayed = source.exists()
        told = (await rig.ask("logs", path="a.jpg"))["versions"][0]["steps"][-1]["detail"]
        chosen = (await rig.ask("rerun-choose", rule="studio", missing=True))["items"]
        await rig.ask("rerun", items=chosen, missing=True)
        await rig.settled(1)

        assert (stayed, source.exists(), everything(rig), rig.charged()) == (True, False, {"a.jpg"}, [1])
        assert told.endswith("the source stays: 1 of its results is not in place")


async def test_a_source_of_two_rules_stays_until_both_results_are_accepted(tmp_path: Path) -> None:
    """The last of them takes it."""
    first = reviewed(tmp_path, after=After(AfterKind.DELETE))
    second = reviewed(tmp_path, name="other", output=str(tmp_path / "other"), after=After(AfterKind.DELETE))
    async with running(tmp_path, first, second) as rig:
        source = rig.drop("a.jpg")
        with anyio.fail_after(600):
            while await waiting(rig) < 2:
                await anyio.sleep(1)
        numbers = [item.id for item in await rig.items()]
        stood = list[bool]()
        for number in numbers:
            give = partial(give_verdicts, numbers=[number], verdict=Verdict.ACCEPT, who="", reason="", now=0.0)
            await rig.store.write(give)
            rig.engine.context.stage_events.notify_all()
            await anyio.sleep(20)
            stood.append(source.exists())

        assert stood == [True, False]


async def test_only_what_is_accepted_goes_on_along_a_chain(tmp_path: Path) -> None:
    """What is held or rejected is bought no further."""
    first = reviewed(tmp_path)
    then = rule(tmp_path, name="then", watch=str(tmp_path / "out"), output=str(tmp_path / "end"))
    (tmp_path / "out").mkdir()
    async with running(tmp_path, *leaving_out_rejected((first, then))) as rig:
        for name in ("held.jpg", "good.jpg", "bad.jpg"):
            rig.drop(name)
        with anyio.fail_after(600):
            while await waiting(rig) < 3:
                await anyio.sleep(1)
        await judge(rig, Verdict.REJECT, "bad.jpg")
        await judge(rig, Verdict.ACCEPT, "good.jpg")
        await anyio.sleep(120)

        assert {path.name for path in (tmp_path / "end").rglob("*.jpg")} == {"good.jpg"}
        assert sum(rig.charged()) == 4


async def test_a_verdict_holds_for_all_files_with_the_same_result(tmp_path: Path) -> None:
    """Those that are there already, and those that come."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg", "same")
        rig.drop("b.jpg", "same")
        await rig.settled(2)
        held = everything(rig)
        [given] = await judge(rig, Verdict.REJECT, "a.jpg")
        rig.drop("c.jpg", "same")
        await rig.settled(3)

        assert (held, len(given.alike)) == ({f"{HELD}a.jpg", f"{HELD}b.jpg"}, 1)
        assert (everything(rig), rig.charged()) == ({f"rejected/{name}.jpg" for name in "abc"}, [1])


@pytest.mark.parametrize("verdict", [None, Verdict.ACCEPT, Verdict.REJECT])
async def test_a_result_follows_its_renamed_source_with_its_verdict(tmp_path: Path, verdict: Verdict | None) -> None:
    """Held, in place or rejected, under the new name, and back under the old one."""
    place = {None: HELD, Verdict.ACCEPT: "", Verdict.REJECT: "rejected/"}[verdict]
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        source = rig.drop("a.jpg")
        await rig.settled(1)
        if verdict:
            await judge(rig, verdict, "a.jpg")
        seen = []
        for name in ("b.jpg", "a.jpg"):
            source = source.rename(tmp_path / "in" / name)
            await anyio.sleep(120)
            seen.append((everything(rig), await waiting(rig)))

        left = 0 if verdict else 1
        assert seen == [({f"{place}b.jpg"}, left), ({f"{place}a.jpg"}, left)]
        assert rig.charged() == [1]


async def test_the_result_of_a_deleted_source_is_judged_all_the_same(tmp_path: Path) -> None:
    """It is paid for."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        source = rig.drop("a.jpg")
        await rig.settled(1)
        source.unlink()
        await anyio.sleep(120)
        await judge(rig, Verdict.ACCEPT, "a.jpg")

        assert everything(rig) == {"a.jpg"}


async def test_a_held_result_goes_with_its_deleted_source_where_the_rule_says_so(tmp_path: Path) -> None:
    """`on_delete: remove` means it, too, and nobody is asked about it any more."""
    async with running(tmp_path, reviewed(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        (tmp_path / "in/a.jpg").unlink()
        await anyio.sleep(200)

        assert (everything(rig), await waiting(rig)) == ({f"{HELD}b.jpg"}, 1)


async def test_a_replaced_source_replaces_its_held_result(tmp_path: Path) -> None:
    """What waits is the newer one."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("a.jpg", "old")
        await rig.settled(1)
        rig.drop("a.jpg", "new")
        await anyio.sleep(120)

        assert (everything(rig), await waiting(rig)) == ({f"{HELD}a.jpg"}, 1)
        assert (tmp_path / "out" / HELD / "a.jpg").read_bytes() == picture("new")


async def test_only_the_share_that_was_asked_for_waits(tmp_path: Path) -> None:
    """The others are delivered as ever."""
    policy = ReviewPolicy(ReviewMode.HOLD, 50)
    async with running(tmp_path, reviewed(tmp_path, policy)) as rig:
        for number in range(8):
            rig.drop(f"{number}.jpg")
        await rig.settled(8)
        items = await rig.items()
        chosen = {item.path for item in items if policy.chooses(item.content_hash or "")}

        assert everything(rig) == {f"{HELD if f'{n}.jpg' in chosen else ''}{n}.jpg" for n in range(8)}
        assert {item.path for item in items if item.review is Review.WAITING} == chosen


async def test_commands_list_judge_and_take_back(tmp_path: Path) -> None:
    """By path, by pattern, by the path of the result, or all; each answer says what came of it."""
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        for name in ("a.jpg", "b.jpg", "bags/c.jpg"):
            rig.drop(name)
        await rig.settled(3)
        listed = await rig.ask("review", rule="studio")
        result = str(tmp_path / "out" / HELD / "b.jpg")
        one = await rig.ask("verdict", verdict="reject", patterns=["b.jpg"], absolute=[result], who="anna")
        more = await rig.ask("verdict", verdict="accept", patterns=["bags/*"])
        rest = await rig.ask("verdict", verdict="accept", everything=True)
        back = await rig.ask("verdict", verdict="reject", undo=True, patterns=["b.jpg"], who="ben")

        places = {item["path"]: item["results"] for item in listed["items"]}
        assert (listed["counts"], set(places), places["b.jpg"]) == (
            {"studio": 3},
            {"a.jpg", "b.jpg", "bags/c.jpg"},
            [result],
        )
        assert [[item["path"] for item in each["items"]] for each in (one, more, rest, back)] == [
            ["b.jpg"],
            ["bags/c.jpg"],
            ["a.jpg"],
            ["b.jpg"],
        ]
        assert (back["items"][0]["before"]["who"], back["left"]) == ("anna", 1)


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"verdict": "accept", "patterns": ["sho.jpg"]}, "did you mean shoe.jpg?"),
    ({"verdict": "accept", "patterns": ["free.jpg"]}, "nobody is asked about the result of free.jpg"),
    ({"verdict": "reject", "patterns": ["shoe.jpg"], "undo": True}, "there is nothing to undo"),
    ({"verdict": "accept", "patterns": ["shoe.jpg"], "rule": "studi"}, "studio"),
    ({"verdict": "approve", "patterns": ["shoe.jpg"]}, "accept or reject"),
]


async def test_what_cannot_be_judged_is_refused_with_the_reason(tmp_path: Path) -> None:
    """A name nearly right, a result that nobody is asked about, a verdict that was never given."""
    free = rule(tmp_path, name="free", watch=str(tmp_path / "free"), output=str(tmp_path / "end"))
    (tmp_path / "free").mkdir()
    async with running(tmp_path, reviewed(tmp_path), free) as rig:
        rig.drop("shoe.jpg")
        (tmp_path / "free/free.jpg").write_bytes(picture("free"))
        await rig.settled(2)
        for words, said in REFUSED:
            with pytest.raises(CommandRefused, match=re.escape(said)):
                await rig.ask("verdict", **words)

        assert await waiting(rig) == 1


@pytest.mark.parametrize("place", [HELD, "rejected/"])
async def test_results_that_were_held_or_rejected_are_not_bought_again_unasked(tmp_path: Path, place: str) -> None:
    """A state file that does not know its rule asks a person first, wherever the results lie."""
    before = tmp_path / "out" / place / "shoes/a.jpg"
    before.parent.mkdir(parents=True)
    before.write_bytes(b"result")
    async with running(tmp_path, reviewed(tmp_path)) as rig:
        rig.drop("shoes/a.jpg")
        await anyio.sleep(120)

        assert ([], []) == (await rig.items(), rig.charged())


async def test_a_receipt_says_where_the_result_is_by_now(tmp_path: Path) -> None:
    """It is written anew when a verdict is carried out."""
    async with running(tmp_path, reviewed(tmp_path, receipts=str(tmp_path / "receipts"))) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        receipt = tmp_path / "receipts/a.jpg.json"
        seen = [json.loads(receipt.read_text())["outputs"][0]["path"]]
        for verdict in (Verdict.ACCEPT, Verdict.REJECT):
            await judge(rig, verdict, "a.jpg")
            seen.append(json.loads(receipt.read_text())["outputs"][0]["path"])

        assert seen == [f"{HELD}a.jpg", "a.jpg", "rejected/a.jpg"]


async def test_a_receipt_names_the_verdict_in_force(tmp_path: Path) -> None:
    """With who gave it and why, also where a second person said the same; none while the result waits."""

    def said() -> object:
        found = json.loads((tmp_path / "receipts/a.jpg.json").read_text())["review"]
        return found and (found["verdict"], found["who"], found["reason"], found["at"] > "2026")

    async with running(tmp_path, reviewed(tmp_path, receipts=str(tmp_path / "receipts"))) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        seen = [said()]
        for verdict, who, reason in (
            (Verdict.REJECT, "anna", "blurred"),
            (Verdict.REJECT, "ben", ""),
            (Verdict.UNDO, "anna", ""),
            (Verdict.ACCEPT, "", ""),
        ):
            await judge(rig, verdict, "a.jpg", who=who, reason=reason)
            seen.append(said())

        assert seen == [
            None,
            ("reject", "anna", "blurred", True),
            ("reject", "ben", None, True),
            None,
            ("accept", None, None, True),
        ]


async def test_the_receipt_of_an_equal_file_names_the_verdict_that_it_takes_over(tmp_path: Path) -> None:
    """Whether it was there when the other was judged, or came later."""
    async with running(tmp_path, reviewed(tmp_path, receipts=str(tmp_path / "receipts"))) as rig:
        rig.drop("a.jpg")
        rig.drop("b.jpg", "a.jpg")
        await rig.settled(2)
        await judge(rig, Verdict.REJECT, "a.jpg", reason="blurred")
        rig.drop("c.jpg", "a.jpg")
        await rig.settled(3)
        await anyio.sleep(5)
        said = {path.name: json.loads(path.read_text())["review"] for path in (tmp_path / "receipts").iterdir()}

        assert {name: each["reason"] for name, each in said.items()} == {
            f"{name}.jpg.json": "blurred" for name in "abc"
        }
