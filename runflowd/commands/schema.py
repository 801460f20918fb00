"""`runflowd schema`: the JSON Schema of the configuration, for editors."""

from __future__ import annotations

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.config import schema_text, stored_schema


@click.command()
@click.option("--check", is_flag=True, help="Print nothing; fail when the stored copy is out of date.")
def command(*, check: bool) -> int:
    """Print the JSON Schema of the configuration, for editors and other tools."""
    if not check:
        click.echo(schema_text(), nl=False)
    elif schema_text() != stored_schema():
        renew = "from runflowd.config.published import store_schema; store_schema()"
        raise CommandError(f'the stored schema is out of date. Renew it with: python -c "{renew}"')
    return Exit.DONE
