"""What returns say, as pandas says it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operators.test_recordings import _csv

from fulltape.operators.correlation import log_returns
from fulltape.operators.returns import drawdown, rolling_together, sharpe, sortino
from fulltape.records import Array

HOUR_S = 3_600
RETURN = st.floats(-0.5, 0.5)


def closes(count: int = 300, missing: bool = True) -> Array:
    random = np.random.default_rng(9)
    shared = random.normal(0, 0.01, (count, 1))
    prices = np.exp(np.cumsum(shared + random.normal(0, 0.01, (count, 2)), axis=0)) * [60_000.0, 3_000.0]
    if missing:
        prices[40:43, 0] = prices[200, 1] = np.nan
    return np.asarray(prices)


def compare(prices: Array, n: int) -> None:
    returns = log_returns(prices)
    found = rolling_together(returns[:, 0], returns[:, 1], n)
    frame = pd.DataFrame(returns)
    frame[frame.isna().any(axis=1)] = np.nan
    windows = [frame[max(0, i - n + 1) : i + 1] for i in range(len(frame))]
    whole = [window if len(window) == n else window.iloc[:0] for window in windows]
    np.testing.assert_allclose(found.correlation, [w[0].corr(w[1]) if len(w) else np.nan for w in whole], rtol=1e-9)
    beta = [w.cov().loc[0, 1] / w[1].var() if len(w) else np.nan for w in whole]
    np.testing.assert_allclose(found.beta, beta, rtol=1e-9)
    frame = pd.DataFrame(prices)
    fall = 100 * (frame / frame.cummax() - 1)
    np.testing.assert_allclose(drawdown(prices[:, 0]), fall[0], rtol=1e-9, atol=1e-9)
    one = pd.Series(returns[:, 0]).dropna()
    year = math.sqrt(365 * 24)
    assert sharpe(returns[:, 0], HOUR_S) == pytest.approx(one.mean() / one.std() * year, rel=1e-9)
    below = math.sqrt((one.clip(upper=0) ** 2).mean())
    assert sortino(returns[:, 0], HOUR_S) == pytest.approx(one.mean() / below * year, rel=1e-9)


def test_returns_of_a_simulation_are_as_pandas_says() -> None:
    compare(closes(), 24)


@pytest.mark.golden
def test_returns_of_recorded_minutes_are_as_pandas_says(recordings: Path) -> None:
    days = [_csv(recordings / "candles" / f"coinbase-btcusd-1m-{day}.zip") for day in ("20170903", "20170904")]
    compare(np.array([[float(row[4]) for row in day[:400]] for day in days]).T, 60)


def test_too_little_says_nothing() -> None:
    assert math.isnan(sharpe(np.array([0.1, np.nan]), HOUR_S))
    assert math.isnan(sortino(np.array([0.1]), HOUR_S))
    assert math.isnan(sharpe(np.full(5, 0.25), HOUR_S))
    assert math.isnan(sortino(np.array([0.1, 0.2]), HOUR_S))
    assert np.isnan(rolling_together(np.zeros(9), np.zeros(9), 3).beta).all()
    assert len(rolling_together(np.zeros(1), np.zeros(1), 3).beta) == 1
    with pytest.raises(ValueError, match="n is 1: it must be 2 or more"):
        rolling_together(np.zeros(9), np.zeros(9), 1)


@given(st.lists(RETURN, min_size=2, max_size=50))
def test_a_loss_is_never_above_zero_and_ratios_have_the_sign_of_the_mean(steps: list[float]) -> None:
    returns = np.array(steps)
    fall = drawdown(100.0 * np.exp(np.cumsum(returns)))
    assert fall[0] == 0.0
    assert ((fall <= 0.0) & (fall > -100.0)).all()
    for ratio in (sharpe(returns, HOUR_S), sortino(returns, HOUR_S)):
        assert math.isnan(ratio) or np.sign(ratio) == np.sign(returns.mean())
