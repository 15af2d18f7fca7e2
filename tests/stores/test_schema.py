"""Tables and views follow from the records, and each column of a view is documented."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance.samples import BTC, MINUTE, NOON, candle, commit, coverage, every_kind, trade

from fulltape.records import CANDLES, STORED, TRADES, Instrument
from fulltape.stores.base import Reader, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.stores.schema import public_tables, quoted, rows_of, tables_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "tables.md"
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| \S.* \|$", re.MULTILINE)
SQL_OF = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP_NS",
    "bytes": "BLOB",
}


def documented() -> dict[str, list[tuple[str, str]]]:
    """Return (column, SQL type) of each table in the documentation."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {name: [(c, SQL_OF[kind]) for c, kind in ROW.findall(body)] for name, body in SECTION.findall(text)}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, make_database: Callable[[Path], None]) -> Iterator[Reader]:
    """A reader of a database in which nothing is."""
    path = tmp_path_factory.mktemp("empty") / "tape.duckdb"
    make_database(path)
    with DuckDbStore.open(path, simulated=False) as store:
        yield store.reader()


@pytest.mark.parametrize("view", sorted(public_tables()))
def test_every_column_of_every_view_is_documented(view: str, empty: Reader) -> None:
    rows = empty.sql(f"DESCRIBE {quoted(view)}").to_pylist()
    assert documented()[view] == [(row["column_name"], row["column_type"]) for row in rows]


def test_no_table_is_documented_that_does_not_exist() -> None:
    assert set(documented()) == public_tables()


def test_views_have_the_columns_of_their_records(store: Store) -> None:
    reader = store.reader()
    for schema in STORED:
        assert reader.sql(f"FROM {quoted(schema.name)}").column_names == [column.name for column in schema.columns]
    assert tuple(reader.sql("FROM instruments").column_names) == Instrument.__struct_fields__


def test_a_stretch_that_goes_on_ends_with_the_last_commit(store: Store) -> None:
    store.commit(commit(1, coverage(), coverage(NOON - MINUTE, NOON)))
    store.commit(commit(2))
    found = store.reader().sql('SELECT epoch_ns("end") AS ended FROM coverage ORDER BY start').to_pylist()
    assert found == [{"ended": NOON}, {"ended": NOON + 2}]


def test_open_and_final_candles_are_one_view(store: Store) -> None:
    store.commit(commit(1, candle(), candle(NOON + MINUTE, is_final=False)))
    query = f"SELECT is_final FROM candles WHERE instrument = '{BTC.id}' AND interval = '1m' ORDER BY start"
    assert store.reader().sql(query).column("is_final").to_pylist() == [True, False]


def test_ids_are_text_in_every_form(store: Store) -> None:
    forms = ["0", str(2**63 - 1), "00000000-0000-0001-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    store.commit(commit(1, *[trade(form, NOON + i) for i, form in enumerate(forms)]))
    assert store.reader().sql("SELECT trade_id FROM trades ORDER BY event_time").column(0).to_pylist() == forms


def test_no_value_becomes_null_in_a_view(store: Store) -> None:
    rows = every_kind()
    store.commit(commit(1, *rows))
    reader = store.reader()
    for schema in STORED:
        required = [column.name for column in schema.columns if not column.nullable]
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in required)
        assert reader.sql(f"FROM {quoted(schema.name)} WHERE {nulls}").num_rows == 0
        assert reader.sql(f"FROM {quoted(schema.name)}").num_rows == reader.table_sizes()[schema.name] > 0


def test_a_name_is_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
    assert rows_of(TRADES) == '_tape."trades"'
    assert tables_of(CANDLES) == ("candles", "candles_open")
