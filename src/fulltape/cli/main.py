"""The command line. Commands import what they need when they run, so that ``fulltape --help`` is instant."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fulltape import __version__
from fulltape.cli import (
    alerts,
    backfill,
    configuration,
    doctor,
    importing,
    instruments,
    query,
    replay,
    serve,
    simulate,
    tail,
    token,
    topics,
)
from fulltape.cli.output import complain
from fulltape.errors import ConfigError, FulltapeError

app = typer.Typer(
    name="fulltape",
    help="Capture the full tape of crypto markets in real time, and prove that it is full.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    serve,
    replay,
    backfill,
    importing,
    simulate,
    tail,
    query,
    instruments,
    alerts,
    configuration,
    token,
    topics,
    doctor,
):
    group.register(app)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"fulltape {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that come before a command."""


def main() -> None:
    """Run the program. Expected errors become one line: exit code 2 for what the user can change, else 1."""
    try:
        app()
    except ConfigError as error:
        complain(str(error))
        sys.exit(2)
    except FulltapeError as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output, such as `head`, has seen enough; Python must not complain when it flushes.
        sys.stdout = None
        sys.exit(141)
