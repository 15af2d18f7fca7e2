"""For Grafana: the JSON datasource (simpod-json-datasource), and flat JSON that the Infinity datasource reads.

The datasource's contract: https://github.com/simPod/GrafanaJsonDatasource. Panels of the system that this replaces: the
mean price of windows, and candles; variables ``product`` and ``Interval``. Its dashboards are in ``deploy/grafana``.

While prices are simulated the names of products say so, for panels show no headers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import JSONBody, QueryParameter

from fulltape.api.compat.answers import answer
from fulltape.api.compat.candles import FIELDS, Row, Span, means, rolled
from fulltape.api.compat.symbols import Symbols
from fulltape.api.paging import nearest, parse_time
from fulltape.api.services import Services
from fulltape.errors import did_you_mean
from fulltape.records.interval import parse_interval

INTERVALS: Final = ("1m", "5m", "10m", "30m", "1h", "6h", "12h", "1d", "7d", "14d", "30d")
"""What the variable ``Interval`` offers."""

_DEFAULT: Final = "5m"
_MS_NS: Final = 1_000_000
_MS: Final = re.compile(r"-?\d{1,18}\Z", re.ASCII)
_SIMULATED: Final = " SIMULATED"
_METRICS: Final = ("mean", "candles", *FIELDS)

Text = Annotated[str, msgspec.Meta(max_length=100)]
Product = Annotated[str, QueryParameter(min_length=1, max_length=100)]
Interval = Annotated[str, QueryParameter(max_length=10)]
Since = Annotated[str, QueryParameter(name="from", max_length=40)]
Until = Annotated[str, QueryParameter(name="to", max_length=40)]


class Payload(msgspec.Struct, frozen=True):
    """What a panel asks for: an instrument, and the length of the windows."""

    product: Text = ""
    interval: Text = _DEFAULT


class Target(msgspec.Struct, frozen=True):
    """One query of a panel; ``target`` is a metric."""

    target: Text = ""
    payload: Payload = Payload()
    hide: bool = False


class TimeRange(msgspec.Struct, frozen=True):
    """The stretch that a panel shows, RFC 3339 or milliseconds since 1970."""

    start: Text = msgspec.field(name="from")
    end: Text = msgspec.field(name="to")


class PanelQuery(msgspec.Struct, frozen=True):
    """What Grafana sends for a panel."""

    range: TimeRange
    targets: Annotated[tuple[Target, ...], msgspec.Meta(max_length=50)]


class OptionsQuery(msgspec.Struct, frozen=True):
    """Which choice of a metric's payload is being made."""

    name: Text = ""


class VariableTarget(msgspec.Struct, frozen=True):
    """Which variable is asked for."""

    target: Text = "product"


class VariableQuery(msgspec.Struct, frozen=True):
    """What Grafana sends for a variable."""

    payload: VariableTarget = VariableTarget()


def grafana_router() -> Router:
    """Return the calls below ``/grafana``."""
    return Router("/grafana", route_handlers=[alive, metrics, options, variable, query, products, candles, mean])


@get("/", include_in_schema=False, sync_to_thread=False)
def alive() -> Response[bytes]:
    """Answer the button that tests the connection."""
    return answer({"status": "ok"})


@post("/metrics", status_code=200, include_in_schema=False, sync_to_thread=False)
def metrics(services: NamedDependency[Services]) -> Response[bytes]:
    """Return what can be drawn, and what must be chosen for it."""
    payloads = [
        {"name": "product", "label": "Product", "type": "select", "options": _choices(services, "product")},
        {"name": "interval", "label": "Interval", "type": "select", "options": _choices(services, "interval")},
    ]
    return answer([{"label": name, "value": name, "payloads": payloads} for name in _METRICS])


@post("/metric-payload-options", status_code=200, include_in_schema=False, sync_to_thread=False)
def options(services: NamedDependency[Services], data: JSONBody[OptionsQuery]) -> Response[bytes]:
    """Return what may be chosen."""
    return answer(_choices(services, data.name))


@post("/variable", status_code=200, include_in_schema=False, sync_to_thread=False)
def variable(services: NamedDependency[Services], data: JSONBody[VariableQuery]) -> Response[bytes]:
    """Return what a dashboard's variable ``product`` or ``interval`` may be."""
    return answer(_variable(services, data.payload.target.lower()))


@post("/query", status_code=200, include_in_schema=False)
async def query(services: NamedDependency[Services], data: JSONBody[PanelQuery]) -> Response[bytes]:
    """Points of a panel's metrics: a series each, or a table of candles."""
    found: list[dict[str, Any]] = []
    for target in data.targets:
        if not target.hide:
            found.append(await _panel(services, target, data.range))
    return answer(found)


@get("/products", include_in_schema=False, sync_to_thread=False)
def products(services: NamedDependency[Services]) -> Response[bytes]:
    """Return what a variable may be, as rows that Infinity reads: ``__text`` is shown, ``__value`` is asked with."""
    return answer(_variable(services, "product"))


@get("/candles", include_in_schema=False)
async def candles(
    services: NamedDependency[Services], product: Product, since: Since, until: Until, interval: Interval = _DEFAULT
) -> Response[bytes]:
    """Candles as a list of flat objects, ``time`` in milliseconds: what Infinity calls JSON rows."""
    span = _span(services, Payload(product, interval), since, until)
    rows = await services.read(lambda reader: rolled(reader, span))
    return answer([{"time": _ms(row), **{name: row[name] for name in FIELDS}} for row in rows])


@get("/mean", include_in_schema=False)
async def mean(
    services: NamedDependency[Services], product: Product, since: Since, until: Until, interval: Interval = _DEFAULT
) -> Response[bytes]:
    """Mean prices of windows in the same form."""
    span = _span(services, Payload(product, interval), since, until)
    rows = await services.read(lambda reader: means(reader, span))
    return answer([{"time": _ms(row), "mean": row["mean"]} for row in rows])


async def _panel(services: Services, target: Target, shown: TimeRange) -> dict[str, Any]:
    if target.target not in _METRICS:
        there = ", ".join(_METRICS)
        raise ValidationException(
            f"unknown metric {target.target!r}{did_you_mean(target.target, _METRICS)}; there are {there}"
        )
    span = _span(services, target.payload, shown.start, shown.end)
    read = means if target.target == "mean" else rolled
    rows = await services.read(lambda reader: read(reader, span))
    if target.target == "candles":
        columns = [{"text": "time", "type": "time"}, *({"text": name, "type": "number"} for name in FIELDS)]
        return {"type": "table", "columns": columns, "rows": [[_ms(r), *(r[n] for n in FIELDS)] for r in rows]}
    points = [[row[target.target], _ms(row)] for row in rows]
    return {"target": f"{target.payload.product}{_mark(services)} {target.target}", "datapoints": points}


def _span(services: Services, payload: Payload, start: str, end: str) -> Span:
    instrument = Symbols(services.catalogue.table()).find(payload.product)
    try:
        interval_s = parse_interval(payload.interval)
    except ValueError as error:
        raise ValidationException(str(error)) from None
    return Span.of(services, instrument, interval_s, _time("from", start), _time("to", end))


def _time(name: str, text: str) -> int:
    """Return the ns of a time as Grafana writes it: milliseconds since 1970 (``${__from}``), or RFC 3339."""
    if _MS.match(text):
        return nearest(int(text) * _MS_NS)
    time_ns = parse_time(name, text)
    assert time_ns is not None
    return time_ns


def _values(services: Services, name: str) -> Sequence[str]:
    if name not in ("product", "interval"):
        raise ValidationException(f"unknown variable {name!r}; there are product, interval")
    return sorted(row.id for row in services.catalogue.table()) if name == "product" else INTERVALS


def _choices(services: Services, name: str, shown: str = "label", asked: str = "value") -> list[dict[str, str]]:
    """Return what a variable may be, each under the two names of what people read and of what is asked with."""
    mark = _mark(services) if name == "product" else ""
    return [{shown: value + mark, asked: value} for value in _values(services, name)]


def _variable(services: Services, name: str) -> list[dict[str, str]]:
    return _choices(services, name, "__text", "__value")


def _mark(services: Services) -> str:
    """Return what is said after the name of a product."""
    return _SIMULATED if services.simulated else ""


def _ms(row: Row) -> int:
    return int(row["start"] // _MS_NS)
