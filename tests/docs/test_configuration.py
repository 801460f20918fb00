"""The samples load, and the reference, the schema and the models say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from page_blocks import Block, blocks

from runflowd.config import load, load_override, schema, schema_text, stored_schema
from runflowd.config.document import Document, MoveSection, RuleSection, SharedSection
from runflowd.config.money_section import ApproveSection, BudgetSection, MoneySection, RuleBudgetSection
from runflowd.config.notify_section import (
    FailuresSection,
    FoldersSection,
    HeartbeatSection,
    NotifySection,
    WebhookSection,
)
from runflowd.config.sections import (
    BatchSection,
    CallbacksSection,
    LimitsSection,
    LocalSection,
    LogSection,
    Section,
    ServiceSection,
)
from runflowd.config.web_section import ProxySection, TlsSection, WebSection
from runflowd.config.yaml.source import load_text
from runflowd.core.droppings import DROPPINGS
from runflowd.core.model import Rule

ROOT = Path(__file__).parents[2]
SAMPLES = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "configs/examples").glob("*.yaml")])
REFERENCE = ROOT / "docs" / "configuration.md"
BLOCKS = [pytest.param(block, id=block.name) for block in blocks("yaml") if "prometheus" not in block.marks]

RULE = Rule("scenes", "/in", "/out", "m/n", {"prompt": "wood"}, overridable=("prompt",))
"""The rule that the block for the share is read with."""

CHAPTERS: dict[str, type[Section]] = {
    "The whole document": Document,
    "`service`": ServiceSection,
    "`service.callbacks`": CallbacksSection,
    "`service.local`": LocalSection,
    "`web`": WebSection,
    "`web.tls`": TlsSection,
    "`web.proxy`": ProxySection,
    "`log`": LogSection,
    "`limits`": LimitsSection,
    "`notify`": NotifySection,
    "`notify.webhook`": WebhookSection,
    "`money`": MoneySection,
    "`money.budget`": BudgetSection,
    "`rules.NAME.budget`": RuleBudgetSection,
    "`notify.failures`": FailuresSection,
    "`notify.folders`": FoldersSection,
    "`notify.heartbeat`": HeartbeatSection,
    "`defaults`": SharedSection,
    "`approve`": ApproveSection,
    "`batch`": BatchSection,
    "`after`": MoveSection,
    "`rules`": RuleSection,
}


def own_fields(section: type[Section]) -> dict[str, Any]:
    """The fields that a chapter must explain: those of defaults are not repeated for rules."""
    shared = SharedSection.model_fields if section is RuleSection else {}

    return {name: field for name, field in section.model_fields.items() if name not in shared}


def table(chapter: str) -> dict[str, str]:
    """Key and meaning in the first table of a chapter of the reference."""
    _, _, rest = REFERENCE.read_text().partition(f"# {chapter}\n")
    lines = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    rows = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in lines if line.startswith("| `")]

    return {row[0].strip("`"): row[1].replace("\\|", "|") for row in rows}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_loads(path: Path) -> None:
    """Whoever starts from a sample starts from something that works."""
    assert load(path).rules


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_fits_the_schema(path: Path) -> None:
    """An editor that knows the schema finds nothing to mark."""
    jsonschema.Draft202012Validator(schema()).validate(load_text(path.read_text(), path.name).data)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_names_a_schema_that_is_there(path: Path) -> None:
    """The first line is what makes editors help."""
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())

    assert named is not None
    assert (path.parent / named[1]).is_file()


@pytest.mark.parametrize("block", BLOCKS)
def test_yaml_in_the_documents_is_right(tmp_path: Path, block: Block) -> None:
    """Each is a whole configuration, or says by a mark that it is a part of one."""
    if "_runflow.yaml" in block.marks:
        assert load_override(block.text, "block", RULE)
        return
    given = load_text(block.text, "block").data
    needed = {"service": "service: local\n", "rules": "rules: {}\n"} if "part" in block.marks else {}
    path = tmp_path / "block.yaml"
    path.write_text(block.text + "".join(line for key, line in needed.items() if key not in given))
    path.chmod(0o600)

    assert (str(path),) == load(path).files


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_reference_explains_every_field_and_no_other(chapter: str) -> None:
    """Both ways: nothing is missing, nothing is made up."""
    assert list(own_fields(CHAPTERS[chapter])) == list(table(chapter))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_reference_uses_the_words_of_the_models(chapter: str) -> None:
    """Schema, editor and page explain a field alike."""
    assert {name: field.description for name, field in own_fields(CHAPTERS[chapter]).items()} == table(chapter)


@pytest.mark.parametrize("section", CHAPTERS.values(), ids=lambda section: section.__name__)
def test_every_field_has_a_description_and_an_example(section: type[Section]) -> None:
    """An error message shows the example, an editor the description."""
    poor = [name for name, field in section.model_fields.items() if not field.description or not field.examples]

    assert poor == []


@pytest.mark.parametrize("section", CHAPTERS.values(), ids=lambda section: section.__name__)
def test_every_example_is_accepted(section: type[Section]) -> None:
    """What a message suggests must work, for the models and for the schema alike."""
    whole = schema()
    part = whole if section is Document else {**whole["$defs"][section.__name__], "$defs": whole["$defs"]}
    needed = {
        name: next(iter(field.examples or ())) for name, field in section.model_fields.items() if field.is_required()
    }
    for name, field in section.model_fields.items():
        for example in field.examples or ():
            section.model_validate({**needed, name: example})
            jsonschema.Draft202012Validator(part).validate({**needed, name: example})


def test_every_dropping_is_listed() -> None:
    """What is ignored by default can be looked up where `check` says."""
    page = REFERENCE.read_text("utf-8")

    assert [line for line in DROPPINGS if f"`{line}`" not in page] == []


def test_schema_is_a_schema() -> None:
    """It keeps to the draft it names."""
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "data",
    [
        {"service": "local"},
        {"service": "hosted", "rules": {}},
        {"service": "local", "rules": {}, "rles": {}},
        {"service": "local", "rules": {"one": {"watch": "a", "output": "b"}}},
        {"service": "local", "rules": {"one": {"watch": "a", "output": "b", "model": "m/n", "settle": 5}}},
        {"service": "local", "rules": {"one": {"watch": "a", "output": "b", "model": "m/n", "after": "mve"}}},
        {"service": "local", "rules": {}, "web": {"listen": "8787"}},
    ],
)
def test_schema_refuses_what_the_daemon_refuses(data: dict[str, Any]) -> None:
    """An editor marks it before it is saved."""
    assert not jsonschema.Draft202012Validator(schema()).is_valid(data)


def test_stored_schema_is_current() -> None:
    """Renew it with `python -c "from runflowd.config.published import store_schema; store_schema()"`."""
    assert schema_text() == stored_schema()
