"""What pages say of figures is what computes them: values of columns, indicators, rules, faults, floors."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.docs.pages import DOCS, ROOT, page, section, table

from fulltape.engine.alerts.config import DEFAULT_RULES
from fulltape.operators.figures import FIGURES
from fulltape.operators.indicators.base import ALL
from fulltape.operators.indicators.registry import INDICATORS
from fulltape.records import STORED
from fulltape.records.columns import Column
from fulltape.sim.faults import Faults
from fulltape.stores.schema import public_tables

TABLES, STATISTICS, ALERTS, SIMULATOR, ARCHITECTURE = (
    page(DOCS / f"{name}.md") for name in ("tables", "statistics", "alerts", "simulator", "architecture")
)
ENUMS = [(schema.name, column) for schema in STORED for column in schema.columns if column.choices is not None]
OF_ANOTHER_TABLE = {"aggressor_side"}
"""Columns whose values are told once, with `trades`."""
NEVER = {"coins.origin": {"SNAPSHOT"}, "alerts.origin": {"SNAPSHOT", "REFILL", "IMPORT"}}
"""Values of a vocabulary that a column never has."""
INDICATOR_ROWS = [row for row in table(section(STATISTICS, "Indicators")) if len(row) == 4]
MINUTE_S = 60


@pytest.mark.parametrize(("name", "column"), ENUMS, ids=[f"{name}.{column.name}" for name, column in ENUMS])
def test_every_value_of_a_column_is_told(name: str, column: Column) -> None:
    assert column.choices is not None
    (meaning,) = [row[2] for row in table(section(TABLES, name)) if row[0] == f"`{column.name}`"]
    told = set(re.findall(r"`([A-Z_]+)`", meaning))
    expected = set(column.choices.__members__) - NEVER.get(f"{name}.{column.name}", set())
    assert told == expected or (not told and name != "trades" and column.name in OF_ANOTHER_TABLE)


def test_every_indicator_is_told() -> None:
    assert sorted(row[0].strip("`") for row in INDICATOR_ROWS) == sorted(INDICATORS)


@pytest.mark.parametrize(("name", "parameters", "outputs", "history"), INDICATOR_ROWS)
def test_indicators_are_as_they_are_told(name: str, parameters: str, outputs: str, history: str) -> None:
    indicator = INDICATORS[name.strip("`")]
    defaults = {key: float(value) for key, value in re.findall(r"`(\w+)` ([\d.]+)", parameters)}
    assert defaults == {key: parameter.default for key, parameter in indicator.parameters.items()}
    assert re.findall(r"`(\w+)`", outputs) == list(indicator.outputs)
    values = indicator.values({})
    n = int(values.get("period", 0))
    words = {"n": n, "n \N{MINUS SIGN} 1": n - 1, "all that is stored": ALL, "the day": 1_440}
    told = words[history] if history in words else int(history.replace(",", ""))
    assert told == indicator.history(values, MINUTE_S)


def test_rules_are_the_default_ones() -> None:
    rows = {row[0].strip("`"): row for row in table(section(ALERTS, "Rules"))}
    assert list(rows) == list(DEFAULT_RULES)
    for name, rule in DEFAULT_RULES.items():
        assert rows[name][1] == rule.kind.value


def test_every_figure_is_told() -> None:
    """Those of the tables under their own names, the others in a table."""
    others = {row[0].strip("`") for row in table(section(ALERTS, "Figures"))}
    columns = {row[0].strip("`") for row in table(TABLES.text)}
    assert others == set(FIGURES) - columns
    named = set(re.findall(r"`([a-z_0-9]+)`", section(ALERTS, "Figures"))) - public_tables()
    assert named - {"above"} <= set(FIGURES)


def test_faults_are_those_of_the_simulator() -> None:
    told = [name for row in table(section(SIMULATOR, "Faults")) for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(told) == sorted([*Faults.__struct_fields__, "disconnect"])


def test_floors_are_those_that_lint_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    held = [set(re.findall(r"fulltape\.(\w+)", layer)) for layer in layers]
    told = [set(floor.split()) for floor in re.findall(r"^\d ((?:\w+ *)+)$", ARCHITECTURE.text, re.MULTILINE)]
    assert told == held


def test_every_package_is_in_the_layout() -> None:
    packages = {path.parent.name for path in (ROOT / "src" / "fulltape").glob("*/__init__.py")}
    told = set(re.findall(r"^  (\w+)/ ", ARCHITECTURE.text, re.MULTILINE))
    assert told == packages
