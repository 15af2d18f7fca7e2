"""Tables as CSV by RFC 4180: quotes only where a name or a text needs them."""

from __future__ import annotations

import re
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

_NEEDS: Final = '[",\r\n]'
_NEEDS_OR_EMPTY: Final = f"{_NEEDS}|^$"  # empty without quotes is null
_TEXTS: Final = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


class CsvWriter:
    """Writes the names of the columns, then batches. Raises ArrowInvalid for a type that CSV has no form of."""

    def __init__(self, file: BinaryIO | pa.NativeFile, schema: pa.Schema) -> None:
        self._file = file
        quoting = "needed" if any(re.search(_NEEDS, name) for name in schema.names) else "none"
        pa.csv.write_csv(schema.empty_table(), file, pa.csv.WriteOptions(quoting_header=quoting))

    def write_batch(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Write rows; if a text of them needs quotes, all get them."""
        quoting = "needed" if any(map(_needs_quotes, rows.columns)) else "none"
        options = pa.csv.WriteOptions(include_header=False, quoting_style=quoting)
        pa.csv.write_csv(rows, self._file, options)

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file open: it belongs to the caller."""


def _needs_quotes(column: Any) -> bool:
    return column.type in _TEXTS and pc.any(pc.match_substring_regex(column, _NEEDS_OR_EMPTY)).as_py() is True
