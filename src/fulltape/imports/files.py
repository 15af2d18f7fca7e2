"""Reading the files and requests in which people bring records, a chunk at a time."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fulltape.errors import ConfigError, did_you_mean
from fulltape.imports.convert import as_array
from fulltape.imports.form import Chunk, RowError
from fulltape.records.readable import is_marked

CHUNK_ROWS: Final = 50_000
_CSV_BLOCK: Final = 8 << 20
_LONGEST_LINE: Final = 1 << 20
_LONGEST_HEADING: Final = 1 << 16
_SHOWN: Final = 60
_COMPRESSED: Final = {".gz": "gzip", ".zst": "zstd"}

Source = Iterator[Chunk]
"""Chunks in order; the first is there, without rows if need be, and shows the names of the columns."""


def open_source(path: Path) -> Source:
    """Yield the rows of a file, whose suffix tells its format, before ``.gz`` or ``.zst`` if it is compressed.

    Raises ConfigError for a file that cannot be read, and for one that is not of its format or ends too soon.
    """
    compression = _COMPRESSED.get(path.suffix)
    suffix = path.with_suffix("").suffix if compression else path.suffix
    if suffix not in _READERS:
        raise ConfigError(
            f"{path}: files end in {', '.join(_READERS)}{did_you_mean(suffix, _READERS)}, then .gz or .zst"
        )
    try:
        with pa.OSFile(str(path)) as file:
            if compression and suffix not in _STREAMED:
                raise ConfigError(f"{path}: {suffix} is compressed inside: take {path.suffix} off it")
            stream = pa.CompressedInputStream(file, compression) if compression else file
            yield from _READERS[suffix](stream)
    except ConfigError as error:
        raise ConfigError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: {_first_line(error)}") from None


def open_body(body: bytes, media_type: str) -> Source:
    """Yield the rows of a request's body. Raises ConfigError for one that is not of its type."""
    try:
        yield from MEDIA_TYPES[media_type](io.BytesIO(body))
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(_first_line(error)) from None


def _read_csv(stream: BinaryIO) -> Source:
    heading = _heading(stream)
    broken: list[RowError] = []

    def note(row: pa.csv.InvalidRow) -> str:
        reason = f"has {row.actual_columns} columns, not {row.expected_columns}"
        # The heading is not in what Arrow reads, and it counts from 1.
        broken.append(RowError(row.number, "row", reason, row.text[:_SHOWN], row.text.encode()))
        return "skip"

    try:
        reader = _open_csv(stream, heading, note)
    except pa.ArrowInvalid as error:
        if "Empty CSV file" not in str(error):
            raise
        return
    first = 1
    with closing(reader):
        for batch in reader:
            told = _among(broken, first, len(batch))
            del broken[: len(told)]  # Arrow reads ahead: the others lie in batches to come
            numbers = np.arange(first, first + len(batch) + len(told))
            first += len(numbers)
            rows = numbers[~np.isin(numbers, [error.row for error in told])]
            yield Chunk(dict(zip(heading, batch.columns, strict=True)), rows, told)
    if broken:
        yield Chunk({name: pa.array([], pa.binary()) for name in heading}, np.empty(0, np.int64), tuple(broken))


def _open_csv(
    stream: BinaryIO, heading: list[str], note: Callable[[pa.csv.InvalidRow], str]
) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        stream,
        # One thread: only then are rows numbered.
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK, column_names=heading),
        parse_options=pa.csv.ParseOptions(invalid_row_handler=note),
        # Bytes, so that one wrong byte costs its row and not the file.
        convert_options=pa.csv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(heading, pa.binary()), null_values=[]
        ),
    )


def _among(broken: Sequence[RowError], first: int, count: int) -> tuple[RowError, ...]:
    """Return the broken rows, of those in order, that lie among ``count`` good ones from row ``first`` on."""
    found = 0
    while found < len(broken) and broken[found].row < first + count + found:
        found += 1
    return tuple(broken[:found])


def _heading(stream: BinaryIO) -> list[str]:
    """Read the first line, and no more."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := stream.read(1)):
        line += byte
        if len(line) > _LONGEST_HEADING:
            raise ConfigError("the first line does not end: is this CSV?")
    try:
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError("the first line is not UTF-8 text with the names of the columns") from None
    if not names:
        raise ConfigError("is empty: the first line holds the names of the columns")
    return names


def _read_parquet(stream: BinaryIO) -> Source:
    with pa.parquet.ParquetFile(stream) as file:
        schema = file.schema_arrow
        yield from _numbered(schema, file.iter_batches(CHUNK_ROWS))


def _read_arrow_file(stream: BinaryIO) -> Source:
    reader = pa.ipc.open_file(stream)
    yield from _numbered(reader.schema, (reader.get_batch(i) for i in range(reader.num_record_batches)))


def _read_arrow_stream(stream: BinaryIO) -> Source:
    reader = pa.ipc.open_stream(stream)
    yield from _numbered(reader.schema, reader)


def _numbered(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Source:
    first = 1
    for batch in chain([pa.RecordBatch.from_pylist([], schema)], batches):
        for start in range(0, max(len(batch), 1), CHUNK_ROWS):
            part = batch.slice(start, CHUNK_ROWS)
            columns = dict(zip(schema.names, part.columns, strict=True))
            if len(columns) < len(schema.names):
                raise ConfigError(f"a column appears twice among {', '.join(schema.names)}")
            yield Chunk(columns, np.arange(first, first + len(part)), is_simulated=is_marked(schema))
            first += len(part)


def _read_ndjson(stream: BinaryIO) -> Source:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    lines = enumerate(_lines(stream), 1)
    while part := list(islice(lines, CHUNK_ROWS)):
        rows: list[tuple[int, dict[str, Any]]] = []
        broken = []
        for number, line in part:
            try:
                if line.strip():
                    rows.append((number, decode(line)))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                broken.append(RowError(number, "row", f"not a JSON object: {error}", "", line))
        yield _chunk_of(rows, tuple(broken))


def _read_json(stream: BinaryIO) -> Source:
    try:
        rows = msgspec.json.decode(stream.read(), type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a JSON array of objects: {error}") from None
    yield _chunk_of(list(enumerate(rows, 1)), ())


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a stream. Raises ConfigError for one that does not end."""
    rest = b""
    while block := stream.read(_CSV_BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE:
            raise ConfigError("a line does not end: is this NDJSON?")
    if rest:
        yield rest


def _chunk_of(rows: Sequence[tuple[int, Mapping[str, Any]]], broken: tuple[RowError, ...]) -> Chunk:
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    columns = {name: as_array([row.get(name) for _, row in rows]) for name in names}
    return Chunk(columns, np.array([number for number, _ in rows], np.int64), broken)


def _first_line(error: Exception) -> str:
    # Arrow tells a number as others do, and words of its own.
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return text.splitlines()[0] if text else type(error).__name__


_READERS: Final[dict[str, Callable[[BinaryIO], Source]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".ndjson": _read_ndjson,
    ".jsonl": _read_ndjson,
    ".json": _read_json,
    ".arrow": _read_arrow_file,
    ".arrows": _read_arrow_stream,
}
_STREAMED: Final = (".csv", ".ndjson", ".jsonl", ".json", ".arrows")

MEDIA_TYPES: Final[dict[str, Callable[[BinaryIO], Source]]] = {
    "application/json": _read_json,
    "application/x-ndjson": _read_ndjson,
    "application/vnd.apache.arrow.stream": _read_arrow_stream,
    "text/csv": _read_csv,
}
"""What a request's body may be."""
