"""Tables as answers: JSON, CSV, Arrow or Parquet, by ``?format=`` or by the ``Accept`` header."""

from __future__ import annotations

import enum
import math
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.params import QueryParameter

from fulltape.errors import did_you_mean
from fulltape.records.codec import format_times
from fulltape.records.csv_form import CsvWriter
from fulltape.records.readable import marked

SIMULATED: Final = "Fulltape-Simulated"
"""Header with value 1 when the prices are made up."""
CUT: Final = "Fulltape-Cut"
"""Header with value 1 when there were more rows than are sent."""
NEXT: Final = "Fulltape-Next"
"""Header with the cursor of the next page, if there is one."""
_EXACT: Final = 2**53
"""Beyond it a browser's numbers are not exact, so integers become text."""


class Form(enum.StrEnum):
    """How a table is sent."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """The media type of the answer."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    Form.JSON: "application/json",
    Form.CSV: "text/csv",
    Form.ARROW: "application/vnd.apache.arrow.stream",
    Form.PARQUET: "application/vnd.apache.parquet",
}
MEDIA_TYPES: Final = tuple(_MEDIA_TYPES.values())
"""What ``Accept`` may ask for."""
FORMAT: Final = "format"
FormatText = Annotated[
    str | None,
    QueryParameter(
        name=FORMAT,
        description="How rows are sent; left out, `Accept` tells.",
        schema_extra={"type": "string", "oneOf": None, "enum": [form.value for form in Form]},
    ),
]
"""The query parameter that names a form."""


def wanted_form(request: Request[Any, Any, Any], name: str | None) -> Form:
    """Return the form that ``?format=`` names, else the one that ``Accept`` likes best.

    Raises HTTPException: 400 for a name of none, 406 when nothing that is accepted can be sent.
    """
    if name is not None:
        try:
            return Form(name.lower())
        except ValueError:
            known = ", ".join(Form)
            raise HTTPException(
                f"unknown format {name!r}{did_you_mean(name, [form.value for form in Form])}; there are {known}",
                status_code=400,
            ) from None
    chosen = request.accept.best_match(list(MEDIA_TYPES), default=None)
    if chosen is None:
        known = ", ".join(MEDIA_TYPES)
        raise HTTPException(status_code=406, detail=f"none of the accepted types can be sent; there are {known}")
    return next(form for form in Form if form.media_type == chosen)


def encode_table(table: pa.Table, form: Form) -> bytes:
    """Return the table as a file in one of the forms; JSON is ``{"columns": [...], "types": [...], "rows": [...]}``."""
    if form is Form.JSON:
        return msgspec.json.encode(json_table(table))
    out = pa.BufferOutputStream()
    match form:
        case Form.CSV:
            printable = _printable(table)
            CsvWriter(out, printable.schema).write_batch(printable)
        case Form.PARQUET:
            pa.parquet.write_table(table, out, compression="zstd")
        case _:
            with pa.ipc.new_stream(out, table.schema) as writer:
                writer.write_table(table)
    return bytes(out.getvalue().to_pybytes())


def table_response(
    table: pa.Table, form: Form, *, simulated: bool, is_cut: bool = False, following: str | None = None
) -> Response[bytes]:
    """Return a table in another form than JSON, with headers for what JSON has fields for."""
    told = {SIMULATED: "1" if simulated else None, CUT: "1" if is_cut else None, NEXT: following}
    headers = {"Cache-Control": "no-store", **{name: value for name, value in told.items() if value is not None}}
    table = table.replace_schema_metadata(marked(table.schema, simulated=simulated).metadata)
    return Response(encode_table(table, form), media_type=form.media_type, headers=headers)


def json_table(table: pa.Table) -> dict[str, Any]:
    """Return the table as JSON-ready values: times as RFC 3339, integers that a browser cannot hold as text."""
    columns = [_json_values(column) for column in table.columns]
    return {
        "columns": table.column_names,
        "types": [str(field.type) for field in table.schema],
        "rows": list(zip(*columns, strict=True)),
    }


def _json_values(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        counts = column.cast(pa.timestamp("ns")).cast(pa.int64())
        texts = format_times(counts.fill_null(0).to_numpy())
        return [None if count is None else text for count, text in zip(counts.to_pylist(), texts, strict=True)]
    values: list[Any] = column.to_pylist()
    if pa.types.is_floating(kind):
        return [None if value is None or not math.isfinite(value) else value for value in values]
    if pa.types.is_integer(kind):
        return [value if value is None or abs(value) < _EXACT else str(value) for value in values]
    if pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return values
    if pa.types.is_binary(kind):
        return [None if value is None else value.decode("utf-8", "replace") for value in values]
    return [None if value is None else str(value) for value in values]


def _printable(table: pa.Table) -> pa.Table:
    """Return the table with every column of a type that CSV has no form of as text."""
    columns = [
        column if _is_plain(column.type) else pa.array(_json_values(column), pa.string()) for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _is_plain(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_date)
    return any(test(kind) for test in tests)
