"""Calls, parameters and metrics that pages name are those of the program, and every call is documented."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from litestar import Litestar
from prometheus_client.core import Metric
from tests.api.scene import EmptyStores, backend_over, engine, feed, target
from tests.docs.pages import BY_HAND, DOCS, page, section, table

from fulltape.api import app
from fulltape.api.config import ApiConfig
from fulltape.api.messages import Text
from fulltape.api.metrics import StatusCollector
from fulltape.api.subscription import CONFLATED, INDICATORS, SCHEMAS
from fulltape.records.status import Delay, LogState, LogStatus, RecordingStatus, Status, Wait

API = page(DOCS / "api.md")
PATH = re.compile(r"(?:(GET|POST|DELETE|WS) )?(/(?:api/v1|compat|health|ready|metrics|schema)\b[^ ]*)")
ADDRESS = re.compile(r"\b(?:127\.0\.0\.1|localhost):8000(/[^\s'\"`)]*)")
METRIC = re.compile(r"fulltape_[a-z0-9_.]+|\.\.\.(?:_[a-z0-9]+)+")


class Call(NamedTuple):
    """A call as a page tells it; without a method it may be any."""

    place: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]


def calls_of(place: str, text: str, method: str = "") -> Call:
    parts = urlsplit(text.replace("...", "").replace("…", ""))
    return Call(place, method, parts.path.rstrip("/") or "/", tuple(parse_qsl(parts.query, keep_blank_values=True)))


def told() -> Iterator[Call]:
    """Yield every call between backticks, and every address of ours."""
    for one in BY_HAND:
        for span in one.code():
            if found := PATH.match(span):
                path = re.sub(r"\{[^}]*\}", "{}", span[found.start(2) :])
                yield calls_of(one.name, path.split()[0], found[1] or "")
        yield from (calls_of(one.name, path) for path in ADDRESS.findall(one.text))


TOLD = sorted(set(told()))
OF_API = {
    path.replace("/api/v1/", "")
    for row in table(section(API, "REST"))
    for path in re.findall(r"`(?:[A-Z]+ /api/v1/)?([a-z][a-z_/{}]*)", re.sub(r"\{[^}]*\}", "{}", row[0]))
}
"""What stands in the first column of the table of calls: whole calls, or names of calls like the one before."""


@pytest.fixture(scope="module")
def served(empty_stores: EmptyStores) -> Iterator[Litestar]:
    with backend_over(empty_stores) as backend:
        yield app.create_app(backend, static_dir=None, config=ApiConfig(compat_at_root=True))


def methods_of(served: Litestar) -> dict[str, set[str]]:
    return {
        re.sub(r"\{[^}]*\}", "{}", route.path): set(getattr(route, "route_handler_map", {"WS": None}))
        for route in served.routes
    }


def document(served: Litestar) -> Mapping[str, Any]:
    paths: Mapping[str, Any] = served.openapi_schema.to_schema()["paths"]
    return {re.sub(r"\{[^}]*\}", "{}", path): methods for path, methods in paths.items()}


def test_calls_are_found_where_they_stand() -> None:
    assert len(TOLD) > 100
    assert Call("README.md", "", "/api/v1/coverage", (("instrument", "BTC-USD.COINBASE"),)) in TOLD
    assert Call("docs/api.md", "GET", "/api/v1/book", (("instrument", ""), ("levels", "20"))) in TOLD


def test_every_call_that_is_told_exists(served: Litestar) -> None:
    methods = methods_of(served)

    def exists(one: Call) -> bool:
        if one.method:
            return one.method in methods.get(one.path, set())
        return any(f"{path}/".startswith(f"{one.path}/") for path in methods)  # an address, or where calls begin

    assert [one for one in TOLD if not exists(one)] == []


def parameters_of(calls: Mapping[str, Any], one: Call) -> Mapping[str, Any]:
    """Return the schemas of the parameters that a call takes, by name."""
    ways = calls[one.path]
    methods = [one.method.lower()] if one.method else list(ways)
    return {found["name"]: found["schema"] for method in methods for found in ways[method].get("parameters", ())}


def test_every_parameter_that_is_told_exists(served: Litestar) -> None:
    calls = document(served)
    told = [one for one in TOLD if one.path in calls and one.query]
    assert [one for one in told if not {name for name, _ in one.query} <= set(parameters_of(calls, one))] == []


def test_defaults_are_those_of_the_program(served: Litestar) -> None:
    """In the table of calls a value is the default, where there is one."""
    calls = document(served)
    compared = 0
    for one in TOLD:
        if one.place == API.name and one.path in calls:
            schemas = parameters_of(calls, one)
            for name, value in one.query:
                default = schemas[name].get("default")
                if value and default is not None:
                    compared += 1
                    assert value == (f"{default:g}" if isinstance(default, int | float) else default), (one, name)
    assert compared > 20


def test_every_call_of_the_api_is_in_its_table(served: Litestar) -> None:
    paths = [path.removeprefix("/api/v1/") for path in methods_of(served) if path.startswith("/api/v1/")]
    elsewhere = {"stream"}
    assert sorted(path for path in paths if path not in OF_API | elsewhere) == []


def test_every_call_of_older_systems_is_told(served: Litestar) -> None:
    named = {one.path for one in TOLD if one.place == "docs/compat.md"}
    assert sorted(path for path in methods_of(served) if path.startswith("/compat/") and path not in named) == []


async def families(empty_stores: EmptyStores) -> list[Metric]:
    """Return everything that `/metrics` can tell."""
    kafka = LogStatus(
        servers=(), state=LogState.LIVE, commit=1, lag_commits=1, records={"trades": 1}, transactions=1, failures=1,
        too_long=1, detail="",
    )  # fmt: skip
    delay = Delay(connection="COINBASE-1", venue="COINBASE", clock_skew_s=0.1, p50_s=0.1, p99_s=0.2)
    with backend_over(empty_stores) as backend:
        services = app._services(backend, ApiConfig())
        text = Text("{}")
        text.commit_at = asyncio.get_running_loop().time()
        services.hub.note_sent(text)
        status = Status(
            version="1",
            simulated=False,
            started=1,
            feeds=(feed(),),
            engine=msgspec.structs.replace(engine(commit_wait=Wait(0.1, 0.2)), delays=(delay,)),
            kafka=kafka,
            targets=(target(),),
            recording=RecordingStatus(lines=1, bytes=1, dropped=1, detail=""),
        )
        assert None not in msgspec.structs.astuple(status), "fill in what is new, so that its metrics are known here"
        found = list(StatusCollector(status, services.hub, 0, {"silent": 1}).collect())
        services.close()
    return found


async def test_every_metric_that_is_told_is_exported(empty_stores: EmptyStores) -> None:
    names = {sample.name for family in await families(empty_stores) for sample in family.samples}
    told = {(one.name, span) for one in BY_HAND for span in one.code() if METRIC.fullmatch(span)}
    assert len(told) > 10
    for place, span in sorted(told):
        pattern = re.compile(re.escape(span).replace(re.escape("..."), ".*"))
        assert any(pattern.fullmatch(name) for name in names), (place, span)


def test_kinds_of_the_stream_are_told() -> None:
    stream = section(API, "Stream")
    (request,) = [found for found in re.findall(r"```json\n(\{\"op\".*?\})\n```", stream, re.DOTALL)]
    assert sorted(json.loads(request)["kinds"]) == sorted([*SCHEMAS, INDICATORS])
    (newest,) = re.findall(r"but of (.*?) the newest of each instrument", stream.replace("\n", " "))
    assert set(re.findall(r"`(\w+)`", newest)) == CONFLATED
