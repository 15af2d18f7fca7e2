"""Indicators of TA-Lib, with its defaults. Their formulas are on https://ta-lib.org/functions.

One figure of TA-Lib is not taken: the standard deviation of BBANDS, which is a difference of large sums there and
loses half of its digits where the price is large against its movement.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fulltape.errors import ConfigError
from fulltape.operators.indicators.base import (
    ALL,
    Columns,
    Indicator,
    Values,
    ema_history,
    factor,
    forgetting,
    length,
    wilder_history,
)
from fulltape.records import Array

SETTLED: Final = 2_000
"""After how many candles a stop that follows a trend no longer tells where it began.

Two stops that began apart agree from the first trend on that both see from its beginning. In random walks, 6,060
beginnings with the defaults took at most 134 candles for SAR and 229 for SUPERTREND; 348 beginnings with each of four
other settings (SUPERTREND up to 20 and 6.0) took at most 426 and 722. What lies beyond those settings was not measured.
"""
_KAMA_SLOWEST: Final = (2.0 / 31.0) ** 2  # while the price goes nowhere

_CLOSE: Final = ("close",)
_RANGE: Final = ("high", "low", "close")


def call(name: str, *arrays: Array, **parameters: float) -> Any:
    """Return what TA-Lib's function of that name does. Raises ConfigError if TA-Lib is not installed."""
    try:
        library = importlib.import_module("talib")
    except ImportError:
        raise ConfigError("indicators need TA-Lib: install it with `pip install 'fulltape[indicators]'`") from None
    return getattr(library, name)(*arrays, **parameters)


def _of(name: str, inputs: tuple[str, ...], **takes: str) -> Callable[[Columns, Values], tuple[Array, ...]]:
    """Return the call of a TA-Lib function; ``takes`` are its parameters and our names for them."""

    def compute(columns: Columns, values: Values) -> tuple[Array, ...]:
        # TA-Lib refuses 14.0 where it counts candles; it counts in whatever is called a period.
        given = {theirs: int(values[ours]) if "period" in theirs else values[ours] for theirs, ours in takes.items()}
        found = call(name, *(columns[column] for column in inputs), **given)
        return found if isinstance(found, tuple) else (found,)

    return compute


def _by_period(
    name: str, inputs: tuple[str, ...], default: int, history: Callable[[int], int], least: int = 2
) -> Indicator:
    """Return an indicator with one output, one parameter and a history that follows from it."""

    def needs(values: Values, _: int) -> int:
        return history(int(values["period"]))

    compute = _of(name, inputs, timeperiod="period")
    return Indicator(name, inputs, (name.lower(),), needs, compute, {"period": length(default, least)})


def _bands(columns: Columns, values: Values) -> tuple[Array, ...]:
    period, close = int(values["period"]), columns["close"]
    middle = np.asarray(call("SMA", close, timeperiod=period))
    std = np.full(len(close), np.nan)
    if len(close) >= period:
        std[period - 1 :] = np.lib.stride_tricks.sliding_window_view(close, period).std(axis=1)
    return middle + values["deviations"] * std, middle, middle - values["deviations"] * std


def _stochastic_history(values: Values, _: int) -> int:
    return int(values["fast_k"] + values["slow_k"] + values["slow_d"]) - 3


def _macd_history(values: Values, _: int) -> int:
    return ema_history(max(values["fast"], values["slow"])) + ema_history(values["signal"])


def _stochrsi_history(values: Values, _: int) -> int:
    return wilder_history(values["period"]) + int(values["fast_k"] + values["fast_d"]) - 2


REFERENCE: Final = (
    _by_period("SMA", _CLOSE, 30, lambda n: n - 1),
    _by_period("EMA", _CLOSE, 30, ema_history),
    _by_period("WMA", _CLOSE, 30, lambda n: n - 1),
    _by_period("DEMA", _CLOSE, 30, lambda n: 2 * ema_history(n)),
    _by_period("KAMA", _CLOSE, 30, lambda n: n + forgetting(_KAMA_SLOWEST)),
    Indicator(
        "MACD",
        _CLOSE,
        ("macd", "macdsignal", "macdhist"),
        _macd_history,
        _of("MACD", _CLOSE, fastperiod="fast", slowperiod="slow", signalperiod="signal"),
        {"fast": length(12), "slow": length(26), "signal": length(9, least=1)},
    ),
    _by_period("RSI", _CLOSE, 14, wilder_history),
    Indicator(
        "STOCH",
        _RANGE,
        ("slowk", "slowd"),
        _stochastic_history,
        _of("STOCH", _RANGE, fastk_period="fast_k", slowk_period="slow_k", slowd_period="slow_d"),
        {"fast_k": length(5, least=1), "slow_k": length(3, least=1), "slow_d": length(3, least=1)},
    ),
    Indicator(
        "STOCHRSI",
        _CLOSE,
        ("fastk", "fastd"),
        _stochrsi_history,
        _of("STOCHRSI", _CLOSE, timeperiod="period", fastk_period="fast_k", fastd_period="fast_d"),
        {"period": length(14), "fast_k": length(5, least=1), "fast_d": length(3, least=1)},
    ),
    _by_period("ROC", _CLOSE, 10, lambda n: n, least=1),
    _by_period("CCI", _RANGE, 14, lambda n: n - 1),
    _by_period("WILLR", _RANGE, 14, lambda n: n - 1),
    _by_period("MFI", (*_RANGE, "volume"), 14, lambda n: n),
    Indicator("OBV", ("close", "volume"), ("obv",), lambda values, interval_s: ALL, _of("OBV", ("close", "volume"))),
    _by_period("ATR", _RANGE, 14, wilder_history, least=1),
    Indicator(
        "BBANDS",
        _CLOSE,
        ("upperband", "middleband", "lowerband"),
        lambda values, interval_s: int(values["period"]) - 1,
        _bands,
        {"period": length(20), "deviations": factor(2.0)},
    ),
    Indicator(
        "SAR",
        ("high", "low"),
        ("sar",),
        lambda values, interval_s: SETTLED,
        _of("SAR", ("high", "low"), acceleration="acceleration", maximum="maximum"),
        {"acceleration": factor(0.02, 0.002, 1.0), "maximum": factor(0.2, 0.02, 1.0)},
    ),
    _by_period("ADX", _RANGE, 14, lambda n: 2 * wilder_history(n)),
    Indicator(
        "AROON",
        ("high", "low"),
        ("aroondown", "aroonup"),
        lambda values, interval_s: int(values["period"]),
        _of("AROON", ("high", "low"), timeperiod="period"),
        {"period": length(14)},
    ),
)
"""TA-Lib's indicators: `REFERENCE[0]` is the simple mean."""
