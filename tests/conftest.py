"""What tests share: a unit speaks to nobody, and with FULLTAPE_REQUIRE_ALL=1 nothing required is skipped."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.api.scene import EmptyStores
    from tests.databases import Templates
    from tests.kafka.broker import Broker

BEYOND_UNITS = ("integration", "e2e", "slow")
"""The marks of tests that may open connections; the others are the unit suite, which is to stay under a minute."""

REQUIRE_ALL = os.environ.get("FULLTAPE_REQUIRE_ALL") == "1"

# Recordings of real venues belong to others and are not part of the repository: their absence is no failure.
ALLOWED_SKIPS = re.compile(r"shared (data|recordings)", re.IGNORECASE)

# An example that is slow, for a kernel is compiled or the machine is busy, is none that fails. What CI tries is the
# same in every run; elsewhere the search goes on for what nobody has thought of.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("patient"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if REQUIRE_ALL else "patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite golden expectations; read the diff")


class Connections:
    """Whether anything connects to an address while a test runs, in whatever thread and library."""

    def __init__(self) -> None:
        self.seen = 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: tuple[object, ...]) -> None:
        self.seen += event == "socket.connect"


CONNECTIONS = Connections()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that connects to something without a mark that says so."""
    before = CONNECTIONS.seen
    result = yield
    if CONNECTIONS.seen > before and not any(map(item.get_closest_marker, BEYOND_UNITS)):
        pytest.fail("a unit test speaks to nobody: mark it with pytest.mark.integration", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def pytest_collection_finish() -> None:
    """Leave what all the imports have made out of every later search for garbage, and search more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure() -> None:
    """Let the interpreter clear away everything at its end, or DuckDB reports what it finds as leaked."""
    gc.unfreeze()


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not REQUIRE_ALL or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not ALLOWED_SKIPS.search(reason):
        report.outcome = "failed"
        report.longrepr = f"{reason}: FULLTAPE_REQUIRE_ALL=1 lets no required part be left out"


@pytest.fixture
def rewrite_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden expectations are to be rewritten instead of compared."""
    return bool(request.config.getoption("--rewrite-golden"))


@pytest.fixture(scope="session", autouse=True)
def applications_alike() -> Iterator[None]:
    """Work out once what all applications have alike, most of what each costs."""
    from tests.applications import APPLICATIONS

    with APPLICATIONS.shared():
        yield


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Return what copies databases that were made once."""
    from tests.databases import Templates

    return Templates(tmp_path_factory.mktemp("database"))


@pytest.fixture(scope="session")
def make_database(templates: Templates) -> Callable[[Path], None]:
    """Return what makes a new database of live prices, closed."""
    return templates.copy


@pytest.fixture
def databases_by_copy(templates: Templates) -> Iterator[None]:
    """Let every new database of the test be a copy; that they are made rightly is tested in tests/stores."""
    with templates.in_use():
        yield


@pytest.fixture(scope="session")
def empty_stores(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[[Path], None]
) -> Iterator[EmptyStores]:
    """Databases of live prices in which nothing is committed, opened once for many tests."""
    from tests.api.scene import EmptyStores

    stores = EmptyStores(tmp_path_factory.mktemp("empty"), make_database)
    yield stores
    stores.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka that runs for all tests: each uses topics of its own."""
    from tests.kafka.broker import running

    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Where the recordings of real venues lie; without them the test is skipped."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("shared recordings are not on this machine")
    return path
