"""`runflowd check --online`: the rules held against the models of the service they name."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from command_line import WITH_KEY, Desk

from runflowd.app import catalog_check

if TYPE_CHECKING:
    from local_service import ServiceProcess

RULES = """\
rules:
  white:
    watch: in
    output: out
    model: runflow/background-color
    input:
      image_url: ${file.url}
      color_red: 300
      color_gren: 1
      color_blue: "12"
  nobody:
    watch: in2
    output: out2
    model: runflow/backgroud-color
"""
FITTING = {"image_url": "${file.url}", "color_red": 255, "color_green": 255, "color_blue": 255}
HOSTED = "service: {{url: '{url}', allow_http: true}}\n"


def test_every_misfit_is_reported_with_its_place(desk: Desk) -> None:
    """Missing, out of range, unknown, of a wrong type, and no such model: each with line and column."""
    desk.config.write_text("service: local\n" + RULES)

    said = desk.run("check", "--online")

    unknown = "the service has no such model; did you mean runflow/background-color?"
    assert [
        "runflowd.yaml:7:5: rules.white.input.color_green: is missing; the model needs it (a whole number)",
        "runflowd.yaml:9:18: rules.white.input.color_red: must be at most 255",
        "runflowd.yaml:10:7: rules.white.input.color_gren: the model has no such input; did you mean color_green?",
        "runflowd.yaml:11:19: rules.white.input.color_blue: must be a whole number; without quotes",
        f"runflowd.yaml:15:12: rules.nobody.model: {unknown}",
    ] == said.err.splitlines()
    assert 78 == said.code


def test_the_service_named_is_asked(desk: Desk, bare_service: ServiceProcess) -> None:
    """The same findings over a socket, with a key, for programs."""
    desk.config.write_text(HOSTED.format(url=bare_service.url) + RULES)

    said = desk.run("check", "--online", "--json", env=WITH_KEY)

    found = [(problem["where"], problem["line"], problem["column"]) for problem in said.json["problems"]]
    assert (78, 5, ("rules.white.input.color_red", 9, 18)) == (said.code, len(found), found[1])


def test_rules_that_fit_are_said_to_fit(desk: Desk) -> None:
    """Exit 0, and a sentence for people. The state of a running daemon is not touched."""
    rule = desk.rule(model="runflow/background-color", input=FITTING)
    desk.configure(rules={"white": rule})

    said = desk.run("check", "--online")

    assert (0, True) == (said.code, "Every rule fits the model that it names." in said.out)
    assert {"runflowd.yaml", "in", "home"} == {path.name for path in desk.folder.iterdir()}


@pytest.mark.parametrize(
    ("links", "takes", "sentence"),
    [
        ("asset", "accepted", "uploads are named by runflow://assets/, which the service takes"),
        ("asset", "refused", "the first purchase tells whether the service takes runflow://assets/"),
        ("signed", "accepted", "`input_links: asset` would do as well"),
    ],
)
def test_it_says_where_uploads_can_be_named_without_a_link(desk: Desk, links: str, takes: str, sentence: str) -> None:
    """By what the model declares, and once there were purchases by what became of them (scenario 134)."""
    rule = desk.rule(model="runflow/background-color", input=FITTING, input_links=links)
    desk.configure(service={"local": {"api_variants": {"asset_ref": takes}}}, rules={"white": rule})

    said = desk.run("check", "--online")

    assert (0, True, True) == (said.code, sentence in said.out, "Every rule fits" in said.out)


def test_without_the_option_nobody_is_asked(desk: Desk) -> None:
    """The text alone is valid."""
    desk.config.write_text("service: local\n" + RULES)

    assert 0 == desk.run("check").code


def test_a_refused_key_is_exit_77(desk: Desk, bare_service: ServiceProcess) -> None:
    """The key, not the rules."""
    desk.config.write_text(HOSTED.format(url=bare_service.url) + RULES)

    said = desk.run("check", "--online", env={"RUNFLOW_API_KEY": "rf_live_revoked"})

    assert (77, True) == (said.code, "401" in said.err)
    assert "rf_live_revoked" not in said.err + said.out


def test_a_service_that_does_not_answer_is_exit_75(desk: Desk) -> None:
    """Try again later; nothing is said about the rules."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        desk.config.write_text(HOSTED.format(url=url) + RULES)
        said = desk.run("check", "--online", env=WITH_KEY)

    assert (75, "error:") == (said.code, said.err[:6])


def test_a_model_that_declares_nothing_is_a_warning(desk: Desk, bare_service: ServiceProcess) -> None:
    """An answer without inputs is no reason to refuse a rule, and none to say that it fits."""
    login: dict[str, Any] = {"requests": [{"route": "GET /v1/models/*", "kind": "huge", "size": 1}]}
    bare_service.control(faults=login)
    desk.config.write_text(HOSTED.format(url=bare_service.url) + RULES.partition("  nobody")[0])

    said = desk.run("check", "--online", env=WITH_KEY)
    bare_service.control(faults={})

    assert (0, True) == (said.code, "does not say what runflow/background-color takes" in said.err)
    assert "Every rule fits" not in said.out


def test_a_model_of_a_catalogue_without_owners_is_suggested_with_the_one_that_was_written() -> None:
    """What is suggested can be pasted: a model without its owner is no model name."""
    assert (
        catalog_check._unknown("acme/ayn", ["any", "other/one"])
        == "the service has no such model; did you mean acme/any?"
    )
