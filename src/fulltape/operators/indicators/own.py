"""Indicators that TA-Lib does not have.

* VWAP: sum(quote_volume) / sum(volume) of the UTC day's candles so far;
* ICHIMOKU: ``conversion`` and ``base`` are the middle between the highest high and the lowest low of the last 9 and 26
  candles; ``leading_a`` is the mean of the two and ``leading_b`` the middle of 52, both as they were 26 candles ago:
  the cloud as it is drawn over the candle. The lagging span is the close, drawn 26 candles back: no figure of its own;
* SUPERTREND: bands at (high + low) / 2 +- 3 ATR(10) that only move towards the price until a close crosses them:
  ``supertrend`` is the lower one while the ``trend`` is 1, the upper one while it is -1;
* KELTNER: EMA(20) of the close +- 2 ATR(10);
* DONCHIAN: highest high and lowest low of the last 20 candles, this one included, and the middle.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel
from fulltape.operators.indicators.base import (
    Columns,
    Indicator,
    Values,
    ema_history,
    factor,
    length,
    wilder_history,
)
from fulltape.operators.indicators.reference import SETTLED, call
from fulltape.records import Array

_DAY_S: Final = 86_400
_RANGE: Final = ("high", "low", "close")


def _vwap(columns: Columns, _: Values) -> tuple[Array, ...]:
    day = columns["start"] // (_DAY_S * SECOND_NS)
    value, volume = np.empty(len(day)), np.empty(len(day))
    for part in np.split(np.arange(len(day)), np.flatnonzero(np.diff(day)) + 1):
        value[part] = np.cumsum(columns["quote_volume"][part])
        volume[part] = np.cumsum(columns["volume"][part])
    return (np.divide(value, volume, out=np.full(len(day), np.nan), where=volume > 0.0),)


def _extremes(columns: Columns, period: float) -> tuple[Array, Array]:
    """Return the highest high and the lowest low of the last ``period`` candles; NaN before there are so many."""
    n = int(period)
    high, low = np.full(len(columns["high"]), np.nan), np.full(len(columns["low"]), np.nan)
    if len(high) >= n:
        high[n - 1 :] = np.lib.stride_tricks.sliding_window_view(columns["high"], n).max(axis=1)
        low[n - 1 :] = np.lib.stride_tricks.sliding_window_view(columns["low"], n).min(axis=1)
    return high, low


def _middle(columns: Columns, period: float) -> Array:
    high, low = _extremes(columns, period)
    return np.asarray((high + low) / 2.0)


def _ichimoku(columns: Columns, values: Values) -> tuple[Array, ...]:
    conversion, base = _middle(columns, values["conversion"]), _middle(columns, values["base"])
    leading = ((conversion + base) / 2.0, _middle(columns, values["span"]))
    back = int(values["displacement"])
    before = np.full(back, np.nan)
    return conversion, base, *(np.concatenate([before, line])[: len(line)] for line in leading)


def _keltner(columns: Columns, values: Values) -> tuple[Array, ...]:
    middle = np.asarray(call("EMA", columns["close"], timeperiod=int(values["period"])))
    reach = values["multiplier"] * _atr(columns, values["atr_period"])
    return middle + reach, middle, middle - reach


def _atr(columns: Columns, period: float) -> Array:
    return np.asarray(call("ATR", *(columns[name] for name in _RANGE), timeperiod=int(period)))


def _donchian(columns: Columns, values: Values) -> tuple[Array, ...]:
    high, low = _extremes(columns, values["period"])
    return high, (high + low) / 2.0, low


def _supertrend(columns: Columns, values: Values) -> tuple[Array, ...]:
    reach = values["multiplier"] * _atr(columns, values["period"])
    middle = (columns["high"] + columns["low"]) / 2.0
    line, trend = np.full(len(middle), np.nan), np.full(len(middle), np.nan)
    _follow(middle - reach, middle + reach, columns["close"], line, trend)
    return line, trend


def _supertrend_history(values: Values, _: int) -> int:
    return wilder_history(values["period"]) + SETTLED


@kernel
def _follow(lower: Array, upper: Array, close: Array, line: Array, trend: Array) -> Any:
    """Write the band that the close has not crossed, and 1 where it is the lower one, -1 where the upper."""
    low, high, up = -np.inf, np.inf, 1.0
    for i in range(len(close)):
        if np.isnan(lower[i]):
            continue
        # A band of the candle before holds as long as that one closed inside it.
        low = max(lower[i], low) if close[i - 1] >= low else lower[i]
        high = min(upper[i], high) if close[i - 1] <= high else upper[i]
        if up > 0.0 and close[i] < low:
            up = -1.0
        elif up < 0.0 and close[i] > high:
            up = 1.0
        line[i], trend[i] = (low if up > 0.0 else high), up


OWN: Final = (
    Indicator(
        "VWAP",
        ("quote_volume", "volume"),
        ("vwap",),
        lambda values, interval_s: _DAY_S // interval_s,
        _vwap,
    ),
    Indicator(
        "ICHIMOKU",
        ("high", "low"),
        ("conversion", "base", "leading_a", "leading_b"),
        lambda v, interval_s: int(max(v["conversion"], v["base"], v["span"]) + v["displacement"]),
        _ichimoku,
        {"conversion": length(9), "base": length(26), "span": length(52), "displacement": length(26)},
    ),
    Indicator(
        "SUPERTREND",
        _RANGE,
        ("supertrend", "trend"),
        _supertrend_history,
        _supertrend,
        {"period": length(10), "multiplier": factor(3.0, least=0.1, most=10.0)},
    ),
    Indicator(
        "KELTNER",
        _RANGE,
        ("upper", "middle", "lower"),
        lambda values, interval_s: max(ema_history(values["period"]), wilder_history(values["atr_period"])),
        _keltner,
        {"period": length(20), "atr_period": length(10), "multiplier": factor(2.0)},
    ),
    Indicator(
        "DONCHIAN",
        ("high", "low"),
        ("upper", "middle", "lower"),
        lambda values, interval_s: int(values["period"]) - 1,
        _donchian,
        {"period": length(20)},
    ),
)
"""Our own indicators."""
