"""TA-Lib's indicators under its names and defaults, once more by pandas and NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib.abstract
from tests.operators.indicators.walks import close_to, minutes, walk
from tests.operators.test_recordings import _csv

from fulltape.operators.indicators.reference import REFERENCE
from fulltape.operators.indicators.registry import INDICATORS
from fulltape.records import Array, Batch

Figures = Mapping[str, pd.Series]
OUR_NAMES = {
    "timeperiod": "period", "fastperiod": "fast", "slowperiod": "slow", "signalperiod": "signal",
    "fastk_period": "fast_k", "fastd_period": "fast_d", "slowk_period": "slow_k", "slowd_period": "slow_d",
    "nbdevup": "deviations", "nbdevdn": "deviations",
}  # fmt: skip


@pytest.mark.parametrize("name", [indicator.name for indicator in REFERENCE])
def test_names_defaults_and_columns_are_those_of_ta_lib(name: str) -> None:
    theirs, ours = talib.abstract.Function(name), INDICATORS[name]
    defaults = {OUR_NAMES.get(p, p): value for p, value in theirs.parameters.items() if "matype" not in p}
    assert ours.values({}) == defaults
    assert not any(value for p, value in theirs.parameters.items() if "matype" in p)
    columns = [name.lower()] if theirs.output_names == ["real"] else theirs.output_names
    assert list(ours.outputs) == columns


@pytest.mark.parametrize("indicator", [i for i in REFERENCE if i.name != "BBANDS"], ids=lambda i: i.name)
def test_figures_are_those_of_ta_lib(indicator: talib.abstract.Function) -> None:
    candles = walk(600)
    found = indicator.over(candles, indicator.values({}))
    expected = talib.abstract.Function(indicator.name)(dict(candles.columns))
    arrays = expected if isinstance(expected, list) else [expected]
    close_to(found, dict(zip(indicator.outputs, arrays, strict=True)))


def wilder(values: pd.Series, period: int) -> pd.Series:
    """Return the mean of the first values, then m += (x - m) / period."""
    seeded = values.copy()
    first = values.index.get_loc(values.first_valid_index())
    seeded.iloc[first + period - 1] = values.iloc[first : first + period].mean()
    seeded.iloc[: first + period - 1] = np.nan
    return seeded.ewm(alpha=1 / period, adjust=False).mean()


def true_range(c: pd.DataFrame) -> pd.Series:
    before = c["close"].shift()
    spans = pd.concat([c["high"], before], axis=1).max(axis=1) - pd.concat([c["low"], before], axis=1).min(axis=1)
    return spans.where(before.notna())


def rsi(c: pd.DataFrame) -> Figures:
    change = c["close"].diff()
    up, down = wilder(change.clip(lower=0), 14), wilder((-change).clip(lower=0), 14)
    return {"rsi": 100 * up / (up + down)}


def macd(c: pd.DataFrame) -> Figures:
    fast, slow = (c["close"].ewm(span=n, adjust=False).mean() for n in (12, 26))
    line = fast - slow
    signal = line.ewm(span=9, adjust=False).mean()
    return {"macd": line, "macdsignal": signal, "macdhist": line - signal}


def stochastic(c: pd.DataFrame) -> Figures:
    low, high = c["low"].rolling(5).min(), c["high"].rolling(5).max()
    k = (100 * (c["close"] - low) / (high - low)).rolling(3).mean()
    return {"slowk": k, "slowd": k.rolling(3).mean()}


def cci(c: pd.DataFrame) -> Figures:
    typical = c[["high", "low", "close"]].mean(axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(typical.to_numpy(), 14)
    mean = windows.mean(axis=1)
    off = abs(windows - mean[:, None]).mean(axis=1)
    return {"cci": pd.Series(np.r_[np.full(13, np.nan), (windows[:, -1] - mean) / (0.015 * off)])}


def willr(c: pd.DataFrame) -> Figures:
    low, high = c["low"].rolling(14).min(), c["high"].rolling(14).max()
    return {"willr": -100 * (high - c["close"]) / (high - low)}


def mfi(c: pd.DataFrame) -> Figures:
    typical = c[["high", "low", "close"]].mean(axis=1)
    flow, change = typical * c["volume"], typical.diff().round(6)  # the last bit is no movement
    up, down = (flow.where(side, 0.0).rolling(14).sum() for side in (change > 0, change < 0))
    return {"mfi": (100 * up / (up + down)).where(c.index >= 14)}


def bands(c: pd.DataFrame) -> Figures:
    windows = np.lib.stride_tricks.sliding_window_view(c["close"].to_numpy(), 20)
    mean = np.r_[np.full(19, np.nan), windows.mean(axis=1)]
    std = np.r_[np.full(19, np.nan), np.sqrt(((windows - windows.mean(axis=1)[:, None]) ** 2).mean(axis=1))]
    return {
        "upperband": pd.Series(mean + 2 * std),
        "middleband": pd.Series(mean),
        "lowerband": pd.Series(mean - 2 * std),
    }


def aroon(c: pd.DataFrame) -> Figures:
    # Of two equal extremes the later one counts.
    high = c["high"].rolling(15).apply(lambda w: 14 - w[::-1].argmax(), raw=True)
    low = c["low"].rolling(15).apply(lambda w: 14 - w[::-1].argmin(), raw=True)
    return {"aroondown": 100 * low / 14, "aroonup": 100 * high / 14}


def wma(c: pd.DataFrame) -> Figures:
    weights = np.arange(1.0, 31.0)
    return {"wma": c["close"].rolling(30).apply(lambda w: (w * weights).sum() / weights.sum(), raw=True)}


def dema(c: pd.DataFrame) -> Figures:
    once = c["close"].ewm(span=30, adjust=False).mean()
    return {"dema": 2 * once - once.ewm(span=30, adjust=False).mean()}


PANDAS: dict[str, tuple[int, Callable[[pd.DataFrame], Figures]]] = {
    "SMA": (0, lambda c: {"sma": c["close"].rolling(30).mean()}),
    "EMA": (550, lambda c: {"ema": c["close"].ewm(span=30, adjust=False).mean()}),
    "WMA": (0, wma),
    "DEMA": (1_100, dema),
    "MACD": (640, macd),
    "RSI": (0, rsi),
    "STOCH": (8, stochastic),
    "ROC": (0, lambda c: {"roc": 100 * (c["close"] / c["close"].shift(10) - 1)}),
    "CCI": (0, cci),
    "WILLR": (0, willr),
    "MFI": (0, mfi),
    "OBV": (0, lambda c: {"obv": (np.sign(c["close"].diff().fillna(1)) * c["volume"]).cumsum()}),
    "ATR": (0, lambda c: {"atr": wilder(true_range(c), 14)}),
    "BBANDS": (0, bands),
    "AROON": (0, aroon),
}
"""From which candle on each is that of pandas: means that forget begin in another way there."""


def compare(name: str, candles: Batch) -> None:
    since, reference = PANDAS[name]
    indicator = INDICATORS[name]
    found = indicator.over(candles, indicator.values({}))
    figures = reference(pd.DataFrame({k: candles[k] for k in ("open", "high", "low", "close", "volume")}))
    expected: dict[str, Array] = {key: series.to_numpy()[since:] for key, series in figures.items()}
    # Differences of prices, and their ratio where prices hardly differ, are as exact as the prices are.
    scale = {"MACD": candles["close"].max(), "CCI": 1_000.0}.get(name, 100.0)
    close_to({key: array[since:] for key, array in found.items()}, expected, scale)


@pytest.mark.parametrize("name", PANDAS)
def test_figures_are_those_of_pandas(name: str) -> None:
    compare(name, walk(1_400))


@pytest.mark.golden
def test_figures_of_recorded_minutes_are_those_of_pandas(recordings: Path) -> None:
    rows = np.array(_csv(recordings / "candles" / "coinbase-btcusd-1m-20171217.zip"), float)
    candles = minutes(*rows[:, 1:6].T)
    assert len(candles) == 1_440
    for name in PANDAS:
        compare(name, candles)
