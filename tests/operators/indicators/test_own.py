"""Our own indicators, each once more in the plainest way there is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import talib
from tests.operators.indicators.walks import MINUTE, MONDAY, close_to, walk

from fulltape.operators.indicators.own import OWN
from fulltape.operators.indicators.registry import INDICATORS
from fulltape.records import CANDLES, Array, Batch

CANDLES_1M = walk(2_000, seed=4)
HIGH, LOW, CLOSE = (CANDLES_1M[name] for name in ("high", "low", "close"))


def over(name: str, **given: float) -> dict[str, Array]:
    indicator = INDICATORS[name]
    return dict(indicator.over(CANDLES_1M, indicator.values(given)))


def test_vwap_begins_with_the_utc_day() -> None:
    frame = pd.DataFrame({name: CANDLES_1M[name] for name in ("start", "volume", "quote_volume")})
    sums = frame.groupby(frame["start"] // (1_440 * MINUTE))[["quote_volume", "volume"]].cumsum()
    close_to(over("VWAP"), {"vwap": (sums["quote_volume"] / sums["volume"]).to_numpy()})


def test_vwap_of_days_and_longer_is_each_ones_own() -> None:
    weekly = Batch(CANDLES, {**CANDLES_1M.columns, "start": MONDAY + np.arange(2_000) * 7 * 1_440 * MINUTE})
    indicator = INDICATORS["VWAP"]
    np.testing.assert_allclose(indicator.over(weekly, {})["vwap"], CANDLES_1M["vwap"], rtol=1e-9)
    assert indicator.history({}, 7 * 86_400) == 0


def middle(n: int) -> pd.Series:
    return (pd.Series(HIGH).rolling(n).max() + pd.Series(LOW).rolling(n).min()) / 2


def test_ichimoku() -> None:
    expected = {
        "conversion": middle(9), "base": middle(26),
        "leading_a": ((middle(9) + middle(26)) / 2).shift(26), "leading_b": middle(52).shift(26),
    }  # fmt: skip
    close_to(over("ICHIMOKU"), {name: line.to_numpy() for name, line in expected.items()})


def test_donchian() -> None:
    high, low = pd.Series(HIGH).rolling(20).max().to_numpy(), pd.Series(LOW).rolling(20).min().to_numpy()
    close_to(over("DONCHIAN"), {"upper": high, "middle": (high + low) / 2, "lower": low})


def test_keltner() -> None:
    mean, reach = talib.EMA(CLOSE, timeperiod=20), 1.5 * talib.ATR(HIGH, LOW, CLOSE, timeperiod=10)
    close_to(over("KELTNER", multiplier=1.5), {"upper": mean + reach, "middle": mean, "lower": mean - reach})


@pytest.mark.parametrize("multiplier", [1.0, 3.0])
def test_supertrend_by_its_rules(multiplier: float) -> None:
    atr = talib.ATR(HIGH, LOW, CLOSE, timeperiod=10)
    basic = (HIGH + LOW) / 2
    lower, upper, trend = basic[10] - multiplier * atr[10], basic[10] + multiplier * atr[10], 1.0
    lines, trends = [math.nan] * 10, [math.nan] * 10
    for i in range(10, len(CLOSE)):
        if i > 10:
            below, above = basic[i] - multiplier * atr[i], basic[i] + multiplier * atr[i]
            lower = below if below > lower or CLOSE[i - 1] < lower else lower
            upper = above if above < upper or CLOSE[i - 1] > upper else upper
        if trend == 1.0 and CLOSE[i] < lower:
            trend = -1.0
        elif trend == -1.0 and CLOSE[i] > upper:
            trend = 1.0
        lines.append(lower if trend == 1.0 else upper)
        trends.append(trend)
    found = over("SUPERTREND", multiplier=multiplier)
    close_to(found, {"supertrend": np.array(lines), "trend": np.array(trends)})
    assert set(found["trend"][10:]) == {1.0, -1.0}


def test_what_is_own_is_named_in_capitals() -> None:
    assert [indicator.name for indicator in OWN] == ["VWAP", "ICHIMOKU", "SUPERTREND", "KELTNER", "DONCHIAN"]
