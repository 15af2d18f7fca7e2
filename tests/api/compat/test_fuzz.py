"""Whatever is asked of the calls of older systems, they answer in their own form: no mistake of ours, no other shape.

These calls stand in no document, as their shapes are others'. One that tells their parameters is made for this test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient
from schemathesis import GenerationMode
from tests.api.scene import BTC, ETH, FakeBackend, candle, last, minute, quote, trade
from tests.applications import APPLICATIONS

from fulltape.api.app import create_app
from fulltape.api.compat.grafana import INTERVALS
from fulltape.api.compat.udf import RESOLUTIONS
from fulltape.api.config import ApiConfig
from fulltape.clock import format_rfc3339
from fulltape.stores.duckdb import DuckDbStore

pytestmark = pytest.mark.slow

ACTIVITY: Final = (
    "current_price", "hourly_stats_last_12_hours", "top_n_highest_volumes", "trade_volume_last_6_hours",
    "transactions_count_last_6_hours", "transactions_in_last_n_min",
)  # fmt: skip
GRAFANA: Final = ("", "/candles", "/mean", "/products", "/metric-payload-options", "/metrics", "/query", "/variable")
UDF: Final = ("config", "history", "quotes", "search", "symbols", "time")
CALLS: Final = [
    *(f"/{name}" for name in ("health", "influx", *ACTIVITY)),
    *(f"/grafana{name}" for name in GRAFANA),
    *(f"/udf/{name}" for name in UDF),
]
TEXTS: Final = {"/influx", "/udf/time"}
NOTHING_TO_GET_WRONG: Final = {
    "/health", "/trade_volume_last_6_hours", "/transactions_count_last_6_hours", "/grafana", "/grafana/products",
    "/grafana/metrics", "/udf/config", "/udf/time",
    "/udf/quotes",  # but its length, which takes long to get wrong
}  # fmt: skip
ALLOWED: Final = {200, 400, 404, 413, 422, 503}
KNOWN: Final = {
    "symbol": [BTC, ETH, "XBTUSD", "BTC-USD", f"COINBASE:{BTC}"],
    "symbols": [BTC, f"{BTC},{ETH}", "," * 50, f"{BTC}," * 200],
    "product": [BTC, ETH, "XBTUSD"],
    "interval": [*INTERVALS, "1s", "9d", "0m", "999999d"],
    "resolution": [*RESOLUTIONS, "D", "S", "W", "M"],
    "from": ["0", "1800000000", "-1", "9000000000", "1800000000000", format_rfc3339(minute(0)), "9" * 18],
    "to": ["0", "1800000600", "9000000000", "1800000600000", format_rfc3339(minute(60)), "-" + "9" * 18],
    "start": [format_rfc3339(minute(0)), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"],
    "end": [format_rfc3339(minute(60)), "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
    "measurement": ["m", "m,a=b", "m 1\nn", "x" * 100],
}
"""What is worth asking; schemas alone would hardly ever name an instrument."""

quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def is_of_older_systems(handler: HTTPRouteHandler) -> bool:
    return handler.fn.__module__.startswith("fulltape.api.compat.")


def config(*, at_root: bool) -> ApiConfig:
    return ApiConfig(
        allowed_hosts=("testserver.local",), compat_at_root=at_root, max_query_bytes=1 << 20, request_burst=1_000_000
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeBackend]:
    with DuckDbStore.open(tmp_path_factory.mktemp("compat") / "api.duckdb", simulated=False) as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        store.commit(backend.build(trade(1), trade(2), quote(1), candle(minute(0)), last(1)))
        backend.clock = minute(120)
        yield backend


@pytest.fixture(scope="module", params=[False, True], ids=["prefix", "root"])
def client(request: pytest.FixtureRequest, market: FakeBackend) -> Iterator[tuple[TestClient[Litestar], str]]:
    """Return what asks an application, and what its paths begin with."""
    app = create_app(market, static_dir=None, config=config(at_root=request.param))
    with TestClient(app, raise_server_exceptions=False) as asking:
        yield asking, "" if request.param else "/compat"


@pytest.fixture(scope="module")
def document(market: FakeBackend) -> schemathesis.BaseSchema:
    """The parameters of these calls as the application would document them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HTTPRouteHandler, "resolve_include_in_schema", is_of_older_systems)
        patch.setattr("fulltape.api.app._routes", APPLICATIONS.build)
        app = create_app(market, static_dir=None, config=config(at_root=False))
        raw = app.openapi_schema.to_schema()
    return schemathesis.openapi.from_dict(json.loads(msgspec.json.encode(raw)))


def check(answer: httpx.Response, path: str) -> None:
    """Check that an answer has the form of its family: never one of ours, never a number that JSON does not know."""
    told = (path, str(answer.request.url)[:300], answer.status_code, answer.text[:300])
    assert answer.status_code in ALLOWED, told
    kind = "text/plain" if answer.status_code == 200 and path in TEXTS else "application/json"
    assert answer.headers["content-type"].startswith(kind), told
    if path in TEXTS and answer.status_code == 200:
        return
    body = json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} in {told}"))
    if answer.status_code == 200 or path == "/health":
        assert isinstance(body, dict | list)
    elif path.startswith("/udf"):
        assert (body["s"], type(body["errmsg"])) == ("error", str), told
    else:
        assert body.keys() == {"detail"}, told


def method_of(path: str) -> str:
    return "POST" if re.fullmatch("/grafana/(metrics|metric-payload-options|variable|query)", path) else "GET"


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *((path, GenerationMode.POSITIVE) for path in CALLS),
        *((path, GenerationMode.NEGATIVE) for path in CALLS if path not in NOTHING_TO_GET_WRONG),
    ],
)
def test_whatever_the_parameters_are_the_answer_has_its_form(
    path: str, mode: GenerationMode, document: schemathesis.BaseSchema, client: tuple[TestClient[Litestar], str]
) -> None:
    asking, prefix = client

    @quick
    @given(case=document[f"/compat{path}"][method_of(path)].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        body = json.dumps(case.body).encode() if isinstance(case.body, dict | list | str | int) else None
        query = {name: value for name, value in case.query.items() if value is not None}
        address = httpx.URL(f"http://testserver.local{prefix}{path}", params=query)
        check(asking.request(case.method, address, content=body), path)

    ask()


@pytest.mark.parametrize("path", CALLS)
def test_whatever_is_worth_asking_is_answered_in_its_form(
    path: str, document: schemathesis.BaseSchema, client: tuple[TestClient[Litestar], str]
) -> None:
    asking, prefix = client
    names = [parameter.name for parameter in document[f"/compat{path}"][method_of(path)].query]
    values = {
        name: st.sampled_from(KNOWN.get(name, ["0"])) | st.text(max_size=120) | st.integers().map(str) for name in names
    }

    @quick
    @given(query=st.fixed_dictionaries({}, optional=values))
    def ask(query: dict[str, str]) -> None:
        encoded = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        check(asking.request(method_of(path), f"{prefix}{path}", params=encoded), path)

    ask()


TARGETS: Final = st.fixed_dictionaries(
    {},
    optional={
        "target": st.sampled_from(["mean", "candles", "close", "volume", "nothing", ""]) | st.text(max_size=120),
        "payload": st.fixed_dictionaries(
            {},
            optional={
                "product": st.sampled_from(KNOWN["product"]) | st.text(max_size=120),
                "interval": st.sampled_from(KNOWN["interval"]) | st.text(max_size=12),
            },
        )
        | st.none(),
        "hide": st.booleans() | st.none(),
        "refId": st.text(max_size=3),
    },
)
RANGES: Final = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(KNOWN[name]) | st.text(max_size=60) for name in ("from", "to")}
)
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("path", [path for path in CALLS if method_of(path) == "POST"])
def test_whatever_a_panel_sends_is_answered_in_its_form(path: str, client: tuple[TestClient[Litestar], str]) -> None:
    asking, prefix = client
    panels = st.fixed_dictionaries({}, optional={"range": RANGES | st.none(), "targets": st.lists(TARGETS, max_size=4)})

    @quick
    @given(body=panels | ANYTHING)
    def ask(body: Any) -> None:
        sent = json.dumps(body).encode()
        check(asking.post(f"{prefix}{path}", content=sent, headers={"Content-Type": "application/json"}), path)

    ask()


def test_every_call_of_older_systems_is_asked(document: schemathesis.BaseSchema) -> None:
    there = {path.removeprefix("/compat") for path in document.raw_schema["paths"] if path.startswith("/compat")}
    assert {path.rstrip("/") for path in there} == set(CALLS)
