"""CSV by RFC 4180: names and texts are quoted only where they must be."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from fulltape.records.csv_form import CsvWriter


def written(*tables: pa.Table) -> str:
    out = io.BytesIO()
    with CsvWriter(out, tables[0].schema) as writer:
        for table in tables:
            writer.write_batch(table)
    return out.getvalue().decode()


def test_names_and_rows_agree_and_have_no_quotes_that_they_do_not_need() -> None:
    """The names were quoted, and so was every text."""
    table = pa.table({"instrument": ["BTC-USD.COINBASE", None], "price": [1.5, None], "trades": [7, None]})
    assert written(table) == "instrument,price,trades\nBTC-USD.COINBASE,1.5,7\n,,\n"


def test_without_rows_there_are_names() -> None:
    assert written(pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.int64())})) == "a,b\n"


@pytest.mark.parametrize("text", ["a,b", 'say "so"', "two\nlines", "carriage\rreturn", '"', ","])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_what_needs_quotes_comes_back(text: str, kind: pa.DataType) -> None:
    values = pa.array([text.encode(), b"plain", None]).cast(kind)
    (names, first, second, third) = csv.reader(
        io.StringIO(written(pa.table({text: values, "n": [1, 2, 3]})), newline="")
    )
    assert (names, first, second, third) == ([text, "n"], [text, "1"], ["plain", "2"], ["", "3"])


def test_an_empty_text_is_not_null() -> None:
    assert written(pa.table({"text": ["", None, "x"], "n": [1, 2, 3]})) == 'text,n\n"",1\n,2\n"x",3\n'


def test_batches_follow_each_other_under_one_heading() -> None:
    assert written(pa.table({"a": ["x"]}), pa.table({"a": ["y,z"]})) == 'a\nx\n"y,z"\n'
