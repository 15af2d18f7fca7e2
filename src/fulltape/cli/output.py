"""What the commands print: tables, CSV, JSON, and the words around them on standard error."""

from __future__ import annotations

import csv
import enum
import math
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pyarrow as pa

SIMULATED = "SIMULATED prices: made up by the simulated venue, not by a market"


class Format(enum.StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def complain(text: str) -> None:
    """Print an error in red on standard error."""
    Console(stderr=True, soft_wrap=True).print(Text(f"error: {text}", style="bold red"))


def tell(text: str, style: str = "") -> None:
    """Print a remark on standard error, where it does not mix with output that is piped on."""
    Console(stderr=True, soft_wrap=True).print(Text(text, style=style))


def tell_simulated() -> None:
    """Say that the prices printed are made up."""
    tell(SIMULATED, style="bold magenta")


def print_whole(table: Table, out: TextIO) -> None:
    """Print a table: on a screen it folds, piped on it keeps its columns whole."""
    Console(file=out, width=None if out.isatty() else 10_000).print(table)


def print_rows(rows: pa.Table, form: Format, out: TextIO) -> None:
    """Write an Arrow table: times as RFC 3339 UTC with nine digits, bytes as text."""
    _print_columns(rows.column_names, [_values(column) for column in rows.columns], form, out)


def print_columns(names: Sequence[str], rows: Sequence[Sequence[Any]], form: Format, out: TextIO) -> None:
    """Write rows of plain values under the names of their columns."""
    columns = [[row[place] for row in rows] for place in range(len(names))]
    _print_columns(list(names), columns, form, out)


def _print_columns(names: list[str], columns: list[list[Any]], form: Format, out: TextIO) -> None:
    match form:
        case Format.TABLE:
            _print_table(names, columns, out)
        case Format.CSV:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(zip(*columns, strict=True))
        case Format.JSON:
            _print_json(names, columns, out)


def _values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    from fulltape.records.codec import format_times

    if pa.types.is_timestamp(column.type):
        texts = format_times(column.cast(pa.timestamp("ns")).to_numpy())
        return [text if text != "NaTZ" else None for text in texts]
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [None if v is None else v.decode("utf-8", "backslashreplace") for v in column.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _print_table(names: list[str], columns: list[list[Any]], out: TextIO) -> None:
    table = Table()
    for name, values in zip(names, columns, strict=True):
        is_number = any(isinstance(value, int | float) for value in values)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in zip(*columns, strict=True):
        table.add_row(*(Text(text_of(value)) for value in row))
    print_whole(table, out)


def text_of(value: object) -> str:
    """Return a value as people read it: a size of 1e-08 is 0.00000001, nothing is empty."""
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    return "" if value is None else str(value)


def _print_json(names: list[str], columns: list[list[Any]], out: TextIO) -> None:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    lines = [encode(dict(zip(names, row, strict=True))).decode() for row in zip(*columns, strict=True)]
    out.write("[" + ",\n ".join(lines) + "]\n")


def on_screen(out: TextIO | None = None) -> bool:
    """Return whether a person watches the output."""
    return (out or sys.stdout).isatty()
