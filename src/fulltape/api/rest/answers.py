"""The types of the answers that are worked out of a range."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.problems import problem_answers
from fulltape.records import TRADES
from fulltape.records.codec import wire_type

TimeText = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A time as RFC 3339."""
_Table = list[list[float | None]]
_TRADE: Any = wire_type(TRADES)


class Mover(msgspec.Struct, frozen=True):
    """An instrument's ``change`` in percent at its newest tick."""

    instrument: str
    price: float
    change: float
    event_time: TimeText


class MoversAnswer(msgspec.Struct, frozen=True):
    """Those that rose, the most first, and those that fell, the most first."""

    simulated: bool
    period: str
    winners: tuple[Mover, ...]
    losers: tuple[Mover, ...]


class CorrelationAnswer(msgspec.Struct, frozen=True):
    """Square tables in the order of ``instruments``; ``beta[i][j]`` is that of i against j, ``returns`` the number."""

    simulated: bool
    instruments: tuple[str, ...]
    interval: str
    periods: int
    correlation: _Table
    beta: _Table
    returns: list[list[int]]


class FlowWindow(msgspec.Struct, frozen=True):
    """The takers of a window: volumes and deltas in base currency, null where the venue does not tell sides."""

    start: TimeText
    trades: int
    taker_buy_volume: float | None
    taker_sell_volume: float | None
    taker_buys: int
    taker_sells: int
    delta: float | None
    cumulative_delta: float | None
    taker_buy_ratio: float | None
    trade_imbalance: float | None


class FlowAnswer(msgspec.Struct, frozen=True):
    """Windows with trades, in order of time."""

    simulated: bool
    instrument: str
    interval: str
    flow: tuple[FlowWindow, ...]


class HistogramAnswer(msgspec.Struct, frozen=True):
    """``counts[i]`` values lie between ``edges[i]`` and ``edges[i + 1]``; ``zeros`` are in none."""

    edges: list[float]
    counts: list[int]
    zeros: int


class VolumesAnswer(msgspec.Struct, frozen=True):
    """``volumes[i]`` was traded in the window of ``interval`` that begins at ``starts[i]``, in base units."""

    interval: str
    starts: list[TimeText]
    volumes: list[float]


class RollingAnswer(msgspec.Struct, frozen=True):
    """Means of price and size of the last 50 trades at some of the trades, told by their ``times``."""

    times: list[TimeText]
    prices: list[float]
    sizes: list[float]


class Figures(msgspec.Struct, frozen=True):
    """Sizes in base units, pauses in seconds; ``lorenz[k]`` is the volume's share of the smallest k percent."""

    trades: int
    volume: float
    sizes: HistogramAnswer
    pauses: HistogramAnswer
    quartiles: list[float]
    whiskers: list[float]
    outliers: int
    volumes: VolumesAnswer
    rolling: RollingAnswer
    lorenz: list[float]
    gini: float
    pareto_share: float
    largest: list[_TRADE]


class DistributionAnswer(msgspec.Struct, frozen=True):
    """The distribution of the trades of ``[start, end)``; null if there are none."""

    simulated: bool
    instrument: str
    start: TimeText
    end: TimeText
    distribution: Figures | None


def answers_of(answer: type[msgspec.Struct]) -> dict[int, ResponseSpec]:
    """Return a handler's ``responses``."""
    text = (answer.__doc__ or "").partition(";")[0]
    return {200: ResponseSpec(answer, generate_examples=False, description=text), **problem_answers(400, 404, 503)}
