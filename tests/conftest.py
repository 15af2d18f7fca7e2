"""What every test shares: with FULLTAPE_REQUIRE_ALL=1 nothing may be skipped for want of a required part."""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from litestar._openapi.plugin import OpenAPIPlugin
from litestar._signature.model import SignatureModel
from litestar.openapi.spec import OpenAPI
from litestar.utils.signature import ParsedSignature

from fulltape.stores.duckdb import DuckDbStore

if TYPE_CHECKING:
    from tests.kafka.broker import Broker

REQUIRE_ALL = os.environ.get("FULLTAPE_REQUIRE_ALL") == "1"

# Recordings of real venues belong to others and are not part of the repository: their absence is no failure.
ALLOWED_SKIPS = re.compile(r"shared (data|recordings)", re.IGNORECASE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite golden expectations; read the diff")


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
    """Work out once what all applications have alike, most of what each costs: their document, their signatures."""
    document, parsed, model = OpenAPIPlugin._build_openapi, ParsedSignature.from_fn, SignatureModel.create
    documents = dict[frozenset[str], OpenAPI]()
    signatures = dict[Any, ParsedSignature]()
    models = dict[Any, type[SignatureModel]]()

    def one_document(plugin: OpenAPIPlugin) -> OpenAPI:
        calls = frozenset(plugin.included_routes)
        if calls not in documents:
            documents[calls] = document(plugin)
        return documents[calls]

    def one_signature(fn: Any, namespace: dict[str, Any]) -> ParsedSignature:
        if not _is_of_a_module(fn):
            return parsed(fn, namespace)
        if fn not in signatures:
            signatures[fn] = parsed(fn, namespace)
        return signatures[fn]

    def one_model(*, fn: Any, dependency_name_set: set[str], **others: Any) -> type[SignatureModel]:
        if not _is_of_a_module(fn):
            return model(fn=fn, dependency_name_set=dependency_name_set, **others)
        key = fn, frozenset(dependency_name_set)
        if key not in models:
            models[key] = model(fn=fn, dependency_name_set=dependency_name_set, **others)
        return models[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAPIPlugin, "_build_openapi", one_document)
        patch.setattr(ParsedSignature, "from_fn", one_signature)
        patch.setattr(SignatureModel, "create", one_model)
        yield


def _is_of_a_module(fn: Any) -> bool:
    """Return whether a function is the same for every application: one with a closure may hold its services."""
    return isinstance(fn, FunctionType) and fn.__closure__ is None


@pytest.fixture(scope="session")
def make_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Return what makes a new database of live prices, closed: by a copy, for making its tables takes long."""
    template = tmp_path_factory.mktemp("database") / "new.duckdb"
    DuckDbStore.open(template, simulated=False).close()

    def copy(path: Path) -> None:
        shutil.copyfile(template, path)

    return copy


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
