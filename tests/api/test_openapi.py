"""The OpenAPI document is true: whatever it allows is answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from tests.api.scene import BTC, ETH, FakeBackend, alert, candle, last, minute, quote, stretch, trade
from tests.api.test_tokens import token

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.api.rest.indicators import settings as settings_of
from fulltape.api.tokens import Scope, TokenFile
from fulltape.records import CoverageState
from fulltape.stores.duckdb import DuckDbStore

if TYPE_CHECKING:  # it takes a second to import, in every process that only looks for tests too
    import schemathesis

ABOUT = ("status", "alerts/active", "indicators/available")
WITHOUT_PARAMETERS = ["/health", "/ready", *(f"/api/v1/{name}" for name in ABOUT)]
RECORDS = ("trades", "quotes", "book", "candles", "coverage", "last", "coins", "alerts")
STATISTICS = ("stats", "stats/latest", "windows", "activity_bars", "quote_stats", "depths", "hourly", "daily")
ANALYSIS = ("movers", "correlation", "flow", "trades/large", "distribution", "indicators")
RETURNS = ("drawdown", "ratios", "correlation/rolling")
VOLUME = ("ticks", "relative_volume", "vwap/rolling", "vwap/anchored", "profile")
MARKET = ("sentiment", "across", "rolling", "overview", "winners_losers", "quality")
SETTINGS = tuple(signature(settings_of).parameters)
LISTS = ("instruments", "venues/{venue}/instruments")
WITH_PARAMETERS = [f"/api/v1/{name}" for name in (*RECORDS, *STATISTICS, *ANALYSIS, *RETURNS, *VOLUME, *MARKET, *LISTS)]
WITH_BODIES = [
    ("/api/v1/sql", "POST"),
    ("/api/v1/records", "POST"),
    ("/api/v1/instruments", "POST"),
    ("/api/v1/instruments/{instrument}", "DELETE"),
]
LONGEST = 100
"""The most letters that a path's parameter has."""
MODES = ("positive", "negative")
CHANGING = {"post", "put", "patch", "delete"}
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeBackend]:
    with DuckDbStore.open(tmp_path_factory.mktemp("api") / "api.duckdb", simulated=False) as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        gap = stretch(minute(1), minute(2), state=CoverageState.GAP, first_missing="7")
        store.commit(
            backend.build(trade(1), quote(1), candle(minute(0)), last(1), stretch(minute(0), None), gap, alert(1))
        )
        yield backend


@pytest.fixture
def api_schema(market: FakeBackend) -> schemathesis.BaseSchema:
    import schemathesis

    app = create_app(market, static_dir=None, config=ApiConfig(allowed_hosts=("testserver",), max_query_bytes=1 << 20))
    return schemathesis.openapi.from_asgi("/schema/openapi.json", app)


@pytest.mark.slow
@pytest.mark.parametrize("path", WITHOUT_PARAMETERS + WITH_PARAMETERS)
def test_what_the_document_allows_is_answered_as_it_says(path: str, api_schema: schemathesis.BaseSchema) -> None:
    from schemathesis import GenerationMode

    @quick
    @given(case=api_schema[path]["GET"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case: schemathesis.Case[Any]) -> None:
        case.query.pop("cursor", None)  # opaque: no schema can say which texts are cursors
        for name in SETTINGS if path.endswith("/indicators") else ():  # nor which of these an indicator takes
            case.query.pop(name, None)
        case.call_and_validate()

    check()


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_PARAMETERS)
def test_what_it_does_not_allow_is_refused_with_a_problem(path: str, api_schema: schemathesis.BaseSchema) -> None:
    from schemathesis import GenerationMode

    @quick
    @given(case=api_schema[path]["GET"].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    check()


@pytest.fixture
def writer(market: FakeBackend, tmp_path: Path) -> schemathesis.BaseSchema:
    """The document of an application in which a token may write."""
    import schemathesis

    file = TokenFile(tmp_path / "tokens.json")
    file.add(token("write", "ft_write", Scope.WRITE))
    config = ApiConfig(allowed_hosts=("testserver",), tokens=file.path)
    app = create_app(market, static_dir=None, config=config)
    schema = schemathesis.openapi.from_asgi("/schema/openapi.json", app)
    refused = schema.config.checks.negative_data_rejection
    refused.expected_statuses = [*refused.expected_statuses, "413"]  # too long a body is refused before it is read
    schema.config.generation.with_security_parameters = False  # the token is ours: who may write is tested elsewhere
    return schema


def is_still_too_long(case: schemathesis.Case[Any]) -> bool:
    """Tell whether a path's texts are: Schemathesis counts their letters before it reads ``%41`` as one of them."""
    return all(len(unquote(text)) > LONGEST for text in (case.path_parameters or {}).values())


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("path", "method"), WITH_BODIES)
def test_what_is_sent_is_taken_or_refused_as_it_says(
    path: str, method: str, mode: str, writer: schemathesis.BaseSchema
) -> None:
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    @quick
    @given(case=writer[path][method].as_strategy(generation_mode=GenerationMode(mode)))
    def check(case: schemathesis.Case[Any]) -> None:
        assume(mode == "positive" or is_still_too_long(case))
        # No schema can say which texts are SQL, what a venue offers, or which rows are good: all that may be refused.
        case.call_and_validate(headers={"Authorization": "Bearer ft_write"}, excluded_checks=[positive_data_acceptance])

    check()


def test_every_call_is_tested(market: FakeBackend) -> None:
    document = create_app(market, static_dir=None, config=ApiConfig()).openapi_schema.to_schema()
    paths = document["paths"]
    reads = [path for path, methods in paths.items() if "get" in methods]
    endless = ["/api/v1/events"]  # tests/api/test_events.py
    of_kafka = ["/api/v1/topics", "/api/v1/topics/{topic}/messages"]  # tests/api/test_topics.py
    writes = [(path, method.upper()) for path, methods in paths.items() for method in methods if method in CHANGING]
    assert sorted(writes) == sorted(WITH_BODIES)
    assert sorted(reads) == sorted(WITHOUT_PARAMETERS + WITH_PARAMETERS + endless + of_kafka)
