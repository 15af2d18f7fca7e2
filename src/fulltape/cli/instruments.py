"""``instruments list``, ``add`` and ``remove``: which instruments a running fulltape follows."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from fulltape.cli.calling import HERE, Url, call
from fulltape.cli.output import Format, print_rows, tell, tell_simulated

Form = Annotated[Format, typer.Option("--format", help="How to print them.")]
Ids = Annotated[list[str], typer.Argument(help="Such as SOL-USD.COINBASE or '*-EUR.COINBASE'.", metavar="ID...")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="What a running fulltape follows.", no_args_is_help=True)
    group.command("list")(show)
    group.command()(add)
    group.command()(remove)
    app.add_typer(group, name="instruments")


def show(
    pattern: Annotated[str | None, typer.Argument(help="Only ids that match, such as '*-USD.COINBASE'.")] = None,
    venue: Annotated[str | None, typer.Option("--venue", help="All that this venue offers, followed or not.")] = None,
    url: Url = HERE,
    form: Form = Format.TABLE,
) -> None:
    """List the instruments that the database has seen, or that a venue offers."""
    import pyarrow as pa

    path = f"venues/{quote(venue, safe='')}/instruments" if venue else "instruments"
    answer = call("GET", url, path, params={"pattern": pattern} if pattern else None)
    if answer["simulated"]:
        tell_simulated()
    columns = ("id", "followed", "status", "venue_symbol", "price_step", "size_step")
    rows = [{name: row[name] for name in columns} for row in answer["instruments"]]
    empty = pa.schema([(name, pa.string()) for name in columns])
    print_rows(pa.Table.from_pylist(rows, schema=None if rows else empty), form, sys.stdout)


def add(ids: Ids, url: Url = HERE) -> None:
    """Follow instruments from now on, after a restart too. Needs a token of scope write in FULLTAPE_TOKEN."""
    answer = call("POST", url, "instruments", json={"instruments": ids})
    _tell("follows", answer["instruments"])


def remove(ids: Ids, url: Url = HERE) -> None:
    """Follow instruments no more; what is stored of them stays. Needs a token of scope write in FULLTAPE_TOKEN."""
    for one in ids:
        answer = call("DELETE", url, f"instruments/{quote(one, safe='')}")
        _tell("no longer follows", answer["instruments"])


def _tell(what: str, rows: list[dict[str, Any]]) -> None:
    tell(f"fulltape {what} {', '.join(row['id'] for row in rows) or 'nothing that is there now'}", style="green")
