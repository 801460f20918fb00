"""The manual pages, written from the commands themselves and from the schema of the configuration."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import click

from runflowd import __version__
from runflowd.commands.exit_codes import Exit
from runflowd.commands.man_format import Page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXITS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "usage: no such command or option",
    Exit.SOME_FAILED: "some items failed, or could not be taken; the output says which and why; "
    "`spend --check` found differences",
    Exit.UNAVAILABLE: "not to be had here: `backup` of a state that is in a database, which its own program copies",
    Exit.TRY_AGAIN: "try again: another daemon holds the state file, the service is silent, the key is not there yet, "
    "credit or disk space is short, files wait for an approval",
    Exit.NOT_ALLOWED: "not allowed: the key was refused, or a permission is missing",
    Exit.CONFIGURATION: "configuration: it has mistakes, is missing, or names what is not installed",
    Exit.INTERRUPTED: "interrupted from the keyboard; what is in flight is taken up by the next run",
}
"""What each exit code means; docs/commands.md says the same."""

ENVIRONMENT = {
    "RUNFLOWD_CONFIG": "The configuration, where --config does not name one.",
    "RUNFLOW_API_KEY": "The API key, where neither a credential nor `api_key_file` has it.",
    "CREDENTIALS_DIRECTORY": "Set by systemd(1): `api-key` and `callback-secret` in it come before any other.",
    "CONFIGURATION_DIRECTORY": "Set by systemd(1): where the configuration of a service is.",
    "STATE_DIRECTORY": "Set by systemd(1): where the state file of a service is.",
    "RUNTIME_DIRECTORY": "Set by systemd(1): where the daemon of a service listens for commands.",
    "XDG_CONFIG_HOME": "Where the configuration of a user is; ~/.config by default.",
    "XDG_STATE_HOME": "Where the state file of a user is; ~/.local/state by default.",
    "HTTPS_PROXY, NO_PROXY": "The proxy on the way to the service; never used for loopback.",
    "NO_COLOR": "When set, output has no colours.",
}

FILES = {
    "/etc/runflowd/*.yaml": "The configuration of the service; see runflowd.yaml(5).",
    "/etc/runflowd/credentials/api-key": "The API key of the service, readable for root alone.",
    "/var/lib/runflowd/state.db": "The state file of the service: what was bought, for what, and where it went.",
    "/run/runflowd/control.sock": "Where the daemon of the service listens for commands.",
    "~/.config/runflowd/runflowd.yaml": "The configuration of a user.",
    "~/.local/state/runflowd/state.db": "The state file of a user.",
}


def pages(group: click.Group) -> dict[str, str]:
    """The source of each page by its file name."""
    return {"runflowd.1": commands_page(group), "runflowd.yaml.5": configuration_page(_schema())}


def commands_page(group: click.Group) -> str:
    """runflowd(1): every command with its arguments and options."""
    page = Page("runflowd", 1, __version__)
    page.heading("NAME")
    page.lines.append(r"runflowd \- keep folders in step with the Runflow API")
    page.heading("SYNOPSIS")
    page.lines.append(r"\fBrunflowd\fR \fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]")
    page.heading("DESCRIPTION")
    page.paragraph(
        "A daemon that watches folders: whatever file comes to rest in one goes through the model that a rule names, "
        "and the result appears at the same relative path in another. `runflowd run` is the daemon; the other "
        "commands ask it, or read the state file when it does not run."
    )
    page.heading("COMMANDS")
    for path, command in walk(group):
        _command(page, path, command)
    page.heading("EXIT STATUS")
    for code, meaning in EXITS.items():
        page.term(str(int(code)), meaning[0].upper() + meaning[1:] + ".")
    page.heading("ENVIRONMENT")
    for name, meaning in ENVIRONMENT.items():
        page.term(name, meaning)
    page.heading("FILES")
    for name, meaning in FILES.items():
        page.term(name, meaning)
    page.heading("SEE ALSO")
    page.paragraph("runflowd.yaml(5), systemd.service(5), systemctl(1), journalctl(1)")
    return page.text


def walk(group: click.Group, path: str = "runflowd") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group with the words that call it, in the order of `--help`."""
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from walk(command, f"{path} {name}")


def _command(page: Page, path: str, command: click.Command) -> None:
    context = click.Context(command, info_name=path, max_content_width=10_000)
    page.subheading(" ".join([path, *command.collect_usage_pieces(context)]))
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        page.paragraph(paragraph)
    for option in command.params:
        if record := option.get_help_record(context):
            page.term(record[0], record[1])


def configuration_page(schema: Mapping[str, Any]) -> str:
    """runflowd.yaml(5): every setting, in the words of the JSON Schema."""
    page = Page("runflowd.yaml", 5, __version__)
    page.heading("NAME")
    page.lines.append(r"runflowd.yaml \- configuration of runflowd")
    page.heading("DESCRIPTION")
    page.paragraph(
        "YAML, in one file or in a folder of *.yaml files that count as one. An edit takes effect within seconds; one "
        "with a mistake is refused as a whole, with file, line and column, and the last good configuration stays in "
        "force. `runflowd check` says what is wrong, or what the configuration will do."
    )
    page.heading("THE WHOLE DOCUMENT")
    _settings(page, schema)
    for title, part in _sections(schema, schema, "", set()):
        page.heading(title)
        _settings(page, part)
    page.heading("SEE ALSO")
    page.paragraph("runflowd(1)")
    return page.text


def _settings(page: Page, part: Mapping[str, Any]) -> None:
    required = set(part.get("required", ()))
    for name, setting in part["properties"].items():
        shown = [f"Example: {json.dumps(example, ensure_ascii=False)}" for example in setting.get("examples", [])[:1]]
        page.term(
            f"{name} (required)" if name in required else name, " ".join([setting.get("description", ""), *shown])
        )


def _sections(
    schema: Mapping[str, Any], part: Mapping[str, Any], above: str, seen: set[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each section once, under the path of keys that leads to it first."""
    for name, setting in part["properties"].items():
        for reference in _references(setting):
            if reference in seen or "properties" not in schema["$defs"][reference]:
                continue
            seen.add(reference)
            path = f"{above}{name}"
            yield path, schema["$defs"][reference]
            yield from _sections(schema, schema["$defs"][reference], f"{path}.", seen)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for name, inner in value.items():
            if name not in ("examples", "default", "description"):
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _schema() -> dict[str, Any]:
    # Imported here: the page on commands needs no models.
    from runflowd.config import schema  # noqa: PLC0415

    return schema()
