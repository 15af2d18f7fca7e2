"""Grafana's dashboards as far as ours use them, strictly: an unknown key is a mistake. And what a panel asks for.

The forms are those of Grafana's dashboard JSON, schema version 42, and of the Infinity data source's queries; both
resolve variables as documented before a request is made: ``$name``, ``${name}`` and ``${name:format}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_METRIC = re.compile(r"\bfulltape_\w+")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a dashboard in which every key is known."""


class Source(Strict, frozen=True):
    type: str
    uid: str


class Grid(Strict, frozen=True):
    x: int
    y: int
    w: int
    h: int


class KeyValue(Strict, frozen=True):
    key: str
    value: str


class UrlOptions(Strict, frozen=True):
    method: Literal["GET"]
    data: str = ""
    params: tuple[KeyValue, ...] = ()


class Column(Strict, frozen=True):
    selector: str
    text: str
    type: Literal["string", "number", "timestamp_epoch"]


class Rows(Strict, frozen=True, kw_only=True):
    """A query of the Infinity data source: rows of JSON from a URL, read by its backend."""

    datasource: Source | None = None
    refId: str
    type: Literal["json"]
    source: Literal["url"]
    parser: Literal["backend"]
    format: Literal["table"]
    url: str
    root_selector: Literal[""]
    filters: tuple[()]
    url_options: UrlOptions
    columns: tuple[Column, ...]

    def request(self, values: Mapping[str, str]) -> str:
        """Return the path and query that the data source asks for, with every variable replaced."""
        query = [(param.key, interpolated(param.value, values)) for param in self.url_options.params]
        path = interpolated(self.url, values)
        return f"{path}?{urlencode(query)}" if query else path


class PromQl(Strict, frozen=True, kw_only=True):
    """A query of the Prometheus data source."""

    datasource: Source
    refId: str
    expr: str
    legendFormat: str
    editorMode: Literal["code"]
    range: bool
    instant: bool
    format: Literal["time_series", "table"]

    @property
    def metrics(self) -> list[str]:
        """The metrics that it reads."""
        return _METRIC.findall(self.expr)


class Panel(Strict, frozen=True, kw_only=True):
    id: int
    type: Literal["timeseries", "candlestick", "stat", "state-timeline"]
    title: str
    description: str
    datasource: Source
    gridPos: Grid
    fieldConfig: dict[str, Any]
    options: dict[str, Any]
    pluginVersion: str
    targets: tuple[dict[str, Any], ...]

    def rows(self) -> list[Rows]:
        """Return what it asks fulltape for."""
        return [msgspec.convert(target, Rows) for target in self.targets if "url" in target]

    def queries(self) -> list[PromQl]:
        """Return what it asks Prometheus for."""
        return [msgspec.convert(target, PromQl) for target in self.targets if "url" not in target]


class Option(Strict, frozen=True):
    text: str
    value: str
    selected: bool


class InfinityVariable(Strict, frozen=True, kw_only=True):
    queryType: Literal["infinity"]
    refId: str
    query: Literal[""]
    infinityQuery: Rows


class Variable(Strict, frozen=True, kw_only=True):
    name: str
    label: str
    type: Literal["query", "custom"]
    hide: int
    multi: Literal[False]
    includeAll: Literal[False]
    skipUrlSync: bool
    query: InfinityVariable | str
    current: dict[str, Any]
    options: tuple[Option, ...]
    sort: int = 0
    refresh: int = 0
    regex: str = ""
    datasource: Source | None = None


class Range(Strict, frozen=True):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class TimePicker(Strict, frozen=True):
    refresh_intervals: tuple[str, ...]


class Templating(Strict, frozen=True):
    list: tuple[Variable, ...]


class Dashboard(Strict, frozen=True, kw_only=True):
    id: None
    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    schemaVersion: Literal[42]
    version: int
    editable: Literal[False]
    graphTooltip: int
    timezone: Literal["utc"]
    fiscalYearStartMonth: int
    weekStart: str
    preload: bool
    liveNow: bool
    refresh: str
    time: Range
    timepicker: TimePicker
    templating: Templating
    annotations: dict[str, Any]
    links: tuple[()]
    panels: tuple[Panel, ...]

    def variable(self, name: str) -> Variable:
        return next(one for one in self.templating.list if one.name == name)


def dashboard(name: str) -> Dashboard:
    """Read a dashboard. Raises ValidationError for a key or a type that it may not have."""
    return msgspec.json.decode((GRAFANA / "dashboards" / f"{name}.json").read_bytes(), type=Dashboard)


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Replace variables as Grafana does; one that does not exist is a mistake of the dashboard."""

    def value(match: re.Match[str]) -> str:
        return values[match[1] or match[3]]

    return _VARIABLE.sub(value, text)


def names_in(text: str) -> Iterator[str]:
    """Yield the variables that a text uses."""
    yield from (match[1] or match[3] for match in _VARIABLE.finditer(text))
