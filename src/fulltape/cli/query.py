"""``sql`` and ``export``: rows out of a database, or by SQL out of a running fulltape that has it open."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from fulltape.cli.calling import HERE, call
from fulltape.cli.output import Format, print_columns, print_rows, tell, tell_simulated
from fulltape.errors import ConfigError

if TYPE_CHECKING:
    from fulltape.stores.base import Reader

Database = Annotated[Path, typer.Option("--db", help="The database file.", dir_okay=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sql)
    app.command()(export)


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over trades, candles, quotes, coverage ...")],
    db: Database = Path("fulltape.duckdb"),
    form: Annotated[Format, typer.Option("--format", help="How to print the rows.")] = Format.TABLE,
    url: Annotated[
        str | None, typer.Option("--url", help=f"Ask a running fulltape instead, such as {HERE}.", show_default=False)
    ] = None,
) -> None:
    """Run a query and print its rows."""
    from fulltape.cli.running import heeding_ctrl_c

    if url is not None:
        _ask(url, query, form, sys.stdout)
        return
    with heeding_ctrl_c(), _reading(db) as (reader, is_simulated):
        rows = reader.sql(query)
    if is_simulated:
        tell_simulated()
    print_rows(rows, form, sys.stdout)


def export(
    query: Annotated[str, typer.Argument(help="A table's name, or one SELECT.", metavar="TABLE_OR_QUERY")],
    file: Annotated[Path, typer.Argument(help="Where to: a .csv, .parquet or .arrow file.", dir_okay=False)],
    db: Database = Path("fulltape.duckdb"),
) -> None:
    """Write a table or the rows of a query to a file, whole or not at all."""
    from fulltape.cli.running import heeding_ctrl_c

    with heeding_ctrl_c(), _reading(db) as (reader, is_simulated):
        count = reader.export(query, file)
    if is_simulated:
        tell_simulated()
    tell(f"{count:,} rows in {file}")


def _ask(url: str, query: str, form: Format, out: TextIO) -> None:
    """Print what a running fulltape answers, within its limits."""
    answer = call("POST", url, "sql", json={"query": query})
    if answer["simulated"]:
        tell_simulated()
    print_columns(answer["columns"], answer["rows"], form, out)
    if answer["is_cut"]:
        tell("there are more rows: ask for fewer, or stop fulltape and use --db, which has no limits", style="yellow")


@contextlib.contextmanager
def _reading(db: Path) -> Iterator[tuple[Reader, bool]]:
    """Open a database to read. Raises ConfigError that names the other way in when a running fulltape has it."""
    from fulltape.cli.wiring import open_reader

    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(open_reader(db))
        except ConfigError as error:
            if "in use by" not in str(error):
                raise
            raise ConfigError(f"{error}; a running fulltape answers `fulltape sql --url {HERE}`") from None
        yield opened
