"""The `runflowd` command: names its subcommands, loads the one that is asked for, maps errors to exit codes."""

from __future__ import annotations

import gc
import os
import sys
import time
from importlib import import_module

import click

from runflowd import __version__
from runflowd.commands.exit_codes import Exit, exit_code, explain

COMMANDS = {
    "init": "Write a commented configuration to start from.",
    "check": "Say what is wrong with the configuration, or what it means.",
    "run": "The daemon: keep the folders in step until stopped.",
    "sync": "Process everything pending once, then end.",
    "plan": "Show what `sync` would send now, and why the rest would wait.",
    "status": "Show how things stand, whether a daemon runs or not.",
    "list": "List files by rule, state, path, name or batch.",
    "sheet": "Show the latest results of a rule on one page.",
    "logs": "Tell the whole story of one file.",
    "doctor": "Examine everything the daemon rests on, and name the remedies.",
    "retry": "Give failed files another try.",
    "rerun": "Apply a rule as it is now to old files, or restore deleted results.",
    "pause": "Buy nothing more for a rule, or for all of them.",
    "resume": "Let a paused rule go on.",
    "approve": "Let files pass that wait for an approval.",
    "review": "Show the results that wait for review.",
    "accept": "Accept results, so that they get their place.",
    "reject": "Reject results, so that they move aside.",
    "spend": "Show what was charged, and whether the service says the same.",
    "hosts": "Show the machines that work on one database, or drain one.",
    "reload": "Have the daemon take the configuration now.",
    "notify": "Try whether people are reached by messages.",
    "user": "Say who may see, review or spend on the page.",
    "callbacks": "Make the secret that proves where callbacks come from.",
    "backup": "Copy the state file whole, while the daemon runs.",
    "state": "Move the state to a database or to another file, and back.",
    "systemd": "Place the unit files, and say what their sandbox must allow.",
    "local": "Serve the local service alone.",
    "schema": "Print the JSON Schema of the configuration.",
    "man": "Print the manual pages, or place them.",
    "completion": "Print the completion script for bash, zsh or fish.",
    "demo": "Process eight sample photos on this machine and show them.",
}
"""Every command in the order of `--help`; the module `runflowd.commands.NAME` has the rest."""


YOUNG = 20_000
"""Objects made until Python looks for cycles among them. Most of what a command, or a file, makes is gone by then."""

LAST_WAIT = 1.0
"""Seconds that threads get to end by themselves."""


class LazyGroup(click.Group):
    """Imports a command when it is called, so that `status` does not wait for what `run` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names, for `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, None when there is none."""
        if cmd_name not in COMMANDS:
            from runflowd.commands.unknown_command import no_such_command  # noqa: PLC0415  only for a mistake

            ctx.fail(no_such_command(cmd_name, COMMANDS))
        command = import_module(f"runflowd.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # same
        """The list of commands, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 some items failed or the ledger differs, 75 try again, "
    "77 not allowed, 78 configuration.",
)
@click.version_option(__version__, message="runflowd %(version)s")
def group() -> None:
    """Keep folders in step with the Runflow API: drop files in, get results out."""


def program() -> int:
    """What the script `runflowd` calls: `main` in a process that ends with it."""
    gc.set_threshold(YOUNG)
    code = main()
    # Python would look through all that is left for cycles before it ends, a tenth of what `status` takes.
    gc.freeze()
    _leave_hanging(code)
    return code


def _leave_hanging(code: int) -> None:
    """End now if a thread waits for a folder that does not answer: Python would wait for it, be it for days."""
    if "anyio" not in sys.modules:
        return  # only its threads are waited for
    import threading  # noqa: PLC0415  there already

    deadline = time.monotonic() + LAST_WAIT
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in others:
        if not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() and not thread.daemon for thread in others):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)


def _explain_dash(arguments: list[str]) -> None:
    from runflowd.commands.unknown_command import dashed_name  # noqa: PLC0415  only for a mistake

    if sentence := dashed_name(arguments):
        click.echo(sentence, err=True)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code. What nobody raised on purpose keeps its traceback."""
    try:
        outcome = group.main(arguments, prog_name="runflowd", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption):
            _explain_dash(sys.argv[1:] if arguments is None else arguments)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped. What is in flight is taken up by the next run.", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has closed it (`runflowd status | head`); python(1) would complain at its end.
        sys.stdout = None
        return Exit.DONE
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        explain(error)
        return code
    return outcome if isinstance(outcome, int) else Exit.DONE
