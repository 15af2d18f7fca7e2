from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.cli.test_instruments import answering

from fulltape.cli.output import SIMULATED, Format, print_rows
from fulltape.stores.duckdb import DuckDbStore

Run = Callable[..., Any]
Database = Callable[[bool], Path]

QUERY = "SELECT trade_id, price, event_time FROM trades ORDER BY event_time"


def test_json_rows_hold_exact_times(run: Run, database: Database) -> None:
    result = run("sql", "--db", str(database(False)), QUERY, "--format", "json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == [
        {"trade_id": "1", "price": 101.5, "event_time": "1970-01-01T00:00:01.000000007Z"},
        {"trade_id": "2", "price": 102.5, "event_time": "1970-01-01T00:00:02.000000007Z"},
    ]


def test_csv_rows_can_be_read_back(run: Run, database: Database) -> None:
    result = run("sql", "--db", str(database(False)), QUERY, "--format", "csv")
    assert list(csv.reader(io.StringIO(result.out))) == [
        ["trade_id", "price", "event_time"],
        ["1", "101.5", "1970-01-01T00:00:01.000000007Z"],
        ["2", "102.5", "1970-01-01T00:00:02.000000007Z"],
    ]


def test_a_table_is_the_form_unless_another_is_asked_for(run: Run, database: Database) -> None:
    result = run("sql", "--db", str(database(False)), QUERY)
    assert "102.5" in result.out
    assert "event_time" in result.out


@pytest.mark.parametrize("form", list(Format))
def test_simulated_prices_are_never_shown_without_saying_so(run: Run, database: Database, form: Format) -> None:
    result = run("sql", "--db", str(database(True)), QUERY, "--format", str(form))
    assert result.code == 0
    assert SIMULATED in result.err
    assert SIMULATED not in result.out


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("DROP TABLE trades", "only a single SELECT"),
        ("SELECT 1; SELECT 2", "only a single SELECT"),
        ("SELECT prise FROM trades", "prise"),
    ],
)
def test_a_refused_query_is_one_line_and_code_2(run: Run, database: Database, query: str, complaint: str) -> None:
    result = run("sql", "--db", str(database(False)), query)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert complaint in result.err
    assert "Traceback" not in result.err


@pytest.mark.integration
def test_a_running_fulltape_answers_in_the_same_form(run: Run, database: Database) -> None:
    rows = [["1", 101.5, "1970-01-01T00:00:01.000000007Z"], ["2", 102.5, "1970-01-01T00:00:02.000000007Z"]]
    answer = {"simulated": True, "columns": ["trade_id", "price", "event_time"], "rows": rows, "is_cut": True}
    with answering(answer) as (url, asked):
        result = run("sql", "--url", url, QUERY, "--format", "json")
    assert asked == [("POST", "/api/v1/sql", None, json.dumps({"query": QUERY}, separators=(",", ":")).encode())]
    assert result.out == run("sql", "--db", str(database(False)), QUERY, "--format", "json").out
    assert SIMULATED in result.err
    assert "there are more rows" in result.err


@pytest.mark.integration
def test_a_refusal_of_a_running_fulltape_is_told(run: Run) -> None:
    with answering({"detail": "no table 'trade' (did you mean 'trades'?)"}, 400) as (url, _):
        result = run("sql", "--url", url, "SELECT * FROM trade")
    assert (result.code, result.out) == (2, "")
    assert "did you mean 'trades'?" in result.err


def test_a_table_writes_figures_without_an_exponent() -> None:
    out = io.StringIO()
    figures = [1e-08, 2.24e-06, 66075.97, 1e21, 3.0, float("nan"), None]
    print_rows(pa.table({"size": pa.array(figures, pa.float64(), from_pandas=False)}), Format.TABLE, out)
    cells = [line.split()[1] for line in out.getvalue().splitlines() if line.startswith("│")]
    assert cells == ["0.00000001", "0.00000224", "66075.97", "1000000000000000000000", "3.0", "nan", "│"]
    out = io.StringIO()
    print_rows(pa.table({"size": figures[:2]}), Format.CSV, out)
    assert out.getvalue() == "size\n1e-08\n2.24e-06\n"


def test_a_missing_database_is_named(run: Run, tmp_path: Path) -> None:
    result = run("sql", "--db", str(tmp_path / "gone.duckdb"), "SELECT 1")
    assert result.code == 2
    assert "gone.duckdb: no such database" in result.err


def test_export_writes_a_table(run: Run, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    result = run("export", "--db", str(database(True)), "trades", str(path))
    assert result.code == 0
    assert f"2 rows in {path}" in result.err
    assert SIMULATED in result.err
    assert len(path.read_text().splitlines()) == 3


def test_export_refuses_an_unknown_format(run: Run, database: Database, tmp_path: Path) -> None:
    result = run("export", "--db", str(database(False)), "trades", str(tmp_path / "trades.xls"))
    assert result.code == 2
    assert ".parquet" in result.err


def test_every_kind_of_value_can_be_printed() -> None:
    rows = pa.table(
        {
            "when": pa.array([1, None], pa.timestamp("ns")),
            "us": pa.array([1, 2], pa.timestamp("us")),
            "raw": pa.array([b"ok \xff", None]),
            "number": pa.array([float("nan"), 2.0]),
            "list": pa.array([[1, 2], None]),
            "decimal": pa.array([None, Decimal("1.00")]),
        }
    )
    out = io.StringIO()
    print_rows(rows, Format.JSON, out)
    assert json.loads(out.getvalue()) == [
        {
            "when": "1970-01-01T00:00:00.000000001Z",
            "us": "1970-01-01T00:00:00.000001000Z",
            "raw": "ok \\xff",
            "number": None,
            "list": [1, 2],
            "decimal": None,
        },
        {
            "when": None,
            "us": "1970-01-01T00:00:00.000002000Z",
            "raw": None,
            "number": 2.0,
            "list": None,
            "decimal": "1.00",
        },
    ]
    for form in (Format.TABLE, Format.CSV):
        out = io.StringIO()
        print_rows(rows, form, out)
        assert "ok \\xff" in out.getvalue()


def test_no_rows_are_an_empty_answer() -> None:
    out = io.StringIO()
    print_rows(pa.table({"a": pa.array([], pa.int64())}), Format.JSON, out)
    assert json.loads(out.getvalue()) == []


def test_a_database_in_use_by_another_is_explained(run: Run, database: Database) -> None:
    path = database(False)
    with DuckDbStore.open(path, simulated=False):
        result = run("sql", "--db", str(path), "SELECT 1")
    assert result.code == 2
    assert str(path) in result.err
