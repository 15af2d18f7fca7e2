"""What docs/parity.md says is there is there: every test, call, table, view and command that it names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
from litestar import Litestar
from tests.api.scene import FakeBackend
from tests.parity_points import POINTS

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.cli.main import app as commands
from fulltape.engine import config
from fulltape.stores.duckdb import DuckDbStore
from fulltape.stores.schema import public_tables

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCS = ROOT / "docs"
PARITY = (DOCS / "parity.md").read_text(encoding="utf-8")
COMPAT = (DOCS / "compat.md").read_text(encoding="utf-8")

ROWS = [line for line in PARITY.splitlines() if line.startswith("| ") and not line.startswith("| it does")]
NAMED_TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", PARITY)))
CALLS = sorted(set(re.findall(r"`(GET|POST|WS) (/[^`?\s]*)", PARITY + COMPAT)))
COMMANDS = sorted(set(re.findall(r"`fulltape (\w+)", PARITY + COMPAT)))
PATHS = sorted(set(re.findall(r"`((?:deploy|profiles|tests|\.github)/[\w./-]+)`", PARITY)))
PAGES = sorted(set(re.findall(r"page `(/\w*)/?`", PARITY)))
SETTINGS = sorted(set(re.findall(r"`\[([\w.]+)\] ?(\w*)`", PARITY)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litestar]:
    with DuckDbStore.open(tmp_path_factory.mktemp("parity") / "x.duckdb", simulated=False) as store:
        yield create_app(FakeBackend(store), static_dir=None, config=ApiConfig())


@cache
def source(file: str) -> str:
    return (TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test_or_says_that_it_is_missing(row: str) -> None:
    _, _, here, test, _ = row.split("|")
    assert here.strip()
    assert ("**missing**" in here) != bool(test.strip())


@pytest.mark.parametrize(("file", "name"), NAMED_TESTS)
def test_every_test_exists(file: str, name: str) -> None:
    assert re.search(rf"^ *(async )?def {name}\(", source(file), re.MULTILINE)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_is_answered(method: str, path: str, served: Litestar) -> None:
    methods = {
        route.path: {"WS"} if not hasattr(route, "route_handler_map") else set(route.route_handler_map)
        for route in served.routes
    }
    assert method in methods[path.rstrip("/") or "/"]


def test_every_table_and_view_exists() -> None:
    cells = [part for row in ROWS for part in re.findall(r"(?:tables?|views?) (`\w+`(?: and `\w+`)*)", row)]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named
    assert named <= public_tables()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    assert command in typer.main.get_command(commands).commands  # type: ignore[attr-defined]


def test_every_view_of_an_older_system_has_a_row() -> None:
    from fulltape.stores.views import OLDER_SYSTEMS

    assert [name for name in OLDER_SYSTEMS if f"`{name}`" not in PARITY] == []


@pytest.mark.parametrize("path", PATHS)
def test_every_file_and_folder_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_exists(path: str) -> None:
    listed = re.findall(r'path: "([^"]*)"', (ROOT / "web" / "src" / "pages.ts").read_text(encoding="utf-8"))
    assert path in ["/" + one.rstrip("/") for one in listed]


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_every_setting_exists(section: str, key: str) -> None:
    told = tomllib.loads(config.sample())
    for part in section.split("."):
        told = told[part]
    assert not key or key in told


def test_all_five_systems_are_there() -> None:
    assert re.findall(r"^## (S\d):", PARITY, re.MULTILINE) == list(POINTS)


@pytest.mark.parametrize(("system", "point"), [(system, point) for system in POINTS for point in POINTS[system]])
def test_every_point_of_a_system_has_its_row(system: str, point: str) -> None:
    """Rows may say it in other words; none may be lost."""
    assert [said for said in said_of(system) if re.search(point, said)] != []


@pytest.mark.parametrize("system", POINTS)
def test_every_row_is_a_point(system: str) -> None:
    """A row that no point is about could be lost without notice."""
    assert [said for said in said_of(system) if not any(re.search(point, said) for point in POINTS[system])] == []


def said_of(system: str) -> list[str]:
    """Return what the rows of a system's part of the page say that it did."""
    (part,) = (part for part in PARITY.split("\n## ") if part.startswith(f"{system}:"))
    return [row.split("|")[1].strip() for row in ROWS if row in part.splitlines()]
