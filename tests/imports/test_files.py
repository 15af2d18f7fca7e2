"""Files and bodies, as they come: whole, cut, compressed, or not what their name says."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import zstandard

from fulltape.errors import ConfigError
from fulltape.imports import files
from fulltape.imports.files import open_source
from fulltape.imports.form import Chunk

TABLE = pa.table({"price": [1.5, 2.5, 3.5], "note": ["a", "b,\n", '"c"']})
NDJSON = b'{"price": 1.5}\n\n{"price": 2.5}\r\n[1]\nhalf\n{"price": 3.5}'


def read(path: Path) -> list[Chunk]:
    return list(open_source(path))


def values(chunks: list[Chunk], name: str = "price") -> list[object]:
    return [value for chunk in chunks for value in chunk.columns[name].to_pylist()]


def _arrow(path: Path, new: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> None:
    with path.open("wb") as file, new(file, TABLE.schema) as writer:
        writer.write_table(TABLE)


def test_each_format_is_read(tmp_path: Path) -> None:
    pa.parquet.write_table(TABLE, tmp_path / "t.parquet")
    _arrow(tmp_path / "t.arrow", pa.ipc.new_file)
    _arrow(tmp_path / "t.arrows", pa.ipc.new_stream)
    for suffix in (".parquet", ".arrow", ".arrows"):
        assert values(read(tmp_path / f"t{suffix}")) == [1.5, 2.5, 3.5], suffix
    pa.csv.write_csv(TABLE, tmp_path / "t.csv")
    (tmp_path / "t.json").write_bytes(b'[{"price": 1.5}, {"price": "2.5"}]')
    assert values(read(tmp_path / "t.csv")) == [b"1.5", b"2.5", b"3.5"]
    assert values(read(tmp_path / "t.csv"), "note") == [b"a", b"b,\n", b'"c"']
    assert values(read(tmp_path / "t.json")) == ["1.5", "2.5"]


@pytest.mark.parametrize("name", ["t.ndjson", "t.jsonl"])
def test_lines_that_are_no_objects_cost_themselves(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(NDJSON)
    (chunk,) = read(tmp_path / name)
    assert (values([chunk]), chunk.rows.tolist()) == ([1.5, 2.5, 3.5], [1, 3, 6])
    assert [(error.row, error.raw) for error in chunk.broken] == [(4, b"[1]"), (5, b"half")]


def test_compressed_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.ndjson.gz").write_bytes(gzip.compress(NDJSON))
    (tmp_path / "t.ndjson.zst").write_bytes(zstandard.compress(NDJSON))
    for suffix in ("gz", "zst"):
        assert values(read(tmp_path / f"t.ndjson.{suffix}")) == [1.5, 2.5, 3.5]


def test_lines_of_csv_with_other_columns_cost_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CSV_BLOCK", 64)  # so that bad lines fall into several blocks
    lines = [f"{n},{n}" if n % 5 else f"{n}" for n in range(1, 41)]
    (tmp_path / "t.csv").write_text("\ufeffa,b\n" + "\n".join([*lines, "41,"]) + "\n42,1,")
    chunks = read(tmp_path / "t.csv")
    rows = [row for chunk in chunks for row in chunk.rows.tolist()]
    assert rows == [int(value) for value in values(chunks, "a")]  # type: ignore[call-overload]
    broken = [error for chunk in chunks for error in chunk.broken]
    assert [error.row for error in broken] == [5, 10, 15, 20, 25, 30, 35, 40, 42]
    assert (broken[0].raw, str(broken[-1])) == (b"5", "row 42: row: has 3 columns, not 2 (42,1,)")


def test_large_files_come_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 2)
    pa.parquet.write_table(TABLE, tmp_path / "t.parquet")
    (tmp_path / "t.ndjson").write_bytes(NDJSON)
    for name in ("t.parquet", "t.ndjson"):
        chunks = read(tmp_path / name)
        assert len(chunks) >= 2
        assert all(len(chunk.rows) <= 2 for chunk in chunks)
        assert values([chunk for chunk in chunks if chunk.columns]) == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"\xff\xfea", "the first line is not UTF-8 text"),
        ("t.csv", b"\n1,2\n", "is empty"),
        ("t.csv", b"x" * (2 << 20), "the first line does not end"),
        ("t.ndjson", b"x" * (2 << 20), "a line does not end"),
        ("t.json", b"{", "not a JSON array"),
        ("t.parquet", b"", ""),
        ("t.parquet", b"PAR1 but no", ""),
        ("t.arrow", b"ARROW1", ""),
        ("t.arrows", b"\x00" * 16, ""),
        ("t.csv.gz", b"no gzip", ""),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-12], ""),
        ("t.ndjson.zst", zstandard.compress(NDJSON)[:-4], ""),
        ("t.parquet.gz", b"", "is compressed inside"),
        ("t.xlsx", b"", "files end in .csv, .parquet, "),
        ("t.cvs", b"", "(did you mean '.csv'?)"),
    ],
)
def test_what_is_no_file_of_its_format_is_told(name: str, content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: ")
    assert complaint in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": No such file or directory$"):
        read(tmp_path / "gone.csv")


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    doubled = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    pa.parquet.write_table(doubled, tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match="appears twice among a, a"):
        read(tmp_path / "t.parquet")
