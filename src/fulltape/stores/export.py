"""Files out of a store: CSV, Parquet and Arrow, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa
import pyarrow.parquet

from fulltape.errors import ConfigError, did_you_mean
from fulltape.records.csv_form import CsvWriter
from fulltape.records.readable import marked


class _Writer(AbstractContextManager["_Writer", None], Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...


_WRITERS: Final[dict[str, Callable[[BinaryIO, pa.Schema], Any]]] = {
    ".csv": CsvWriter,
    ".parquet": pa.parquet.ParquetWriter,
    ".arrow": pa.ipc.new_file,
}


def check_suffix(path: Path) -> None:
    """Raise ConfigError unless the suffix of ``path`` names a format."""
    if path.suffix not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise ConfigError(f"{path}: files end in {known}{did_you_mean(path.suffix, _WRITERS)}")


def write_whole(reader: pa.RecordBatchReader, path: Path, *, simulated: bool = False) -> int:
    """Write all batches to a file in the format of its suffix and return the number of rows.

    They go to a hidden file beside it, which takes the name once it is on disk. Raises ConfigError if it cannot,
    be it for the disk, the rows or a type that the format does not know. Parquet and Arrow say in their metadata if
    the prices are ``simulated``; CSV has no place for it.
    """
    check_suffix(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            rows = _write(reader, marked(reader.schema, simulated=simulated), file, path.suffix)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _write(reader: pa.RecordBatchReader, schema: pa.Schema, file: BinaryIO, suffix: str) -> int:
    rows = 0
    writer: _Writer
    with _WRITERS[suffix](file, schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += len(batch)
    return rows
