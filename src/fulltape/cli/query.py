"""``sql`` and ``export``: rows out of a database that no running fulltape holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fulltape.cli.output import Format, print_rows, tell, tell_simulated

Database = Annotated[Path, typer.Option("--db", help="The database file.", dir_okay=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sql)
    app.command()(export)


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over trades, candles, quotes, coverage ...")],
    db: Database = Path("fulltape.duckdb"),
    form: Annotated[Format, typer.Option("--format", help="How to print the rows.")] = Format.TABLE,
) -> None:
    """Run a query and print its rows."""
    from fulltape.cli.running import heeding_ctrl_c
    from fulltape.cli.wiring import open_reader

    with heeding_ctrl_c(), open_reader(db) as (reader, is_simulated):
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
    from fulltape.cli.wiring import open_reader

    with heeding_ctrl_c(), open_reader(db) as (reader, is_simulated):
        count = reader.export(query, file)
    if is_simulated:
        tell_simulated()
    tell(f"{count:,} rows in {file}")
