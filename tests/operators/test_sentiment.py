"""Sentiment and its components."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.operators.sentiment import HISTORY, Sentiment, breadth, percentile_rank, sentiment
from fulltape.records import Array

COMPONENTS = ("momentum", "calm", "relative_volume", "taker_buy_ratio", "breadth")


def market(hours: int = HISTORY + 50, seed: int = 6) -> tuple[Array, Array, Array, Array]:
    """Return close, volume, taker buy volume of one instrument, and the closes of four."""
    random = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(random.normal(0, 0.01, (hours, 4)), axis=0))
    volume = random.lognormal(0, 1, hours)
    return closes[:, 0], volume, volume * random.uniform(0, 1, hours), closes


def test_it_is_the_mean_of_five_ranks_as_pandas_says() -> None:
    close, volume, bought, closes = market()
    found = sentiment(close, volume, bought, closes)
    prices, traded = pd.Series(close), pd.Series(volume)
    change = pd.DataFrame(closes).pct_change(24)
    series = {
        "momentum": prices.pct_change(24),
        "calm": -np.log(prices).diff().rolling(24).std(),
        "relative_volume": traded / traded.shift().rolling(24).mean(),
        "taker_buy_ratio": pd.Series(bought).rolling(24).sum() / traded.rolling(24).sum(),
        "breadth": (change > 0).mean(axis=1).where(change[0].notna()),
    }
    for name, values in series.items():
        month = values.tail(720)
        rank = 100 * (month.rank().iloc[-1] - 0.5) / len(month)
        assert getattr(found, name) == pytest.approx(rank, rel=1e-9), name
    assert found.sentiment == pytest.approx(np.mean([getattr(found, name) for name in COMPONENTS]), rel=1e-9)


def test_components_are_always_beside_it() -> None:
    assert Sentiment.__struct_fields__ == ("sentiment", *COMPONENTS)


def test_a_component_that_is_not_known_leaves_no_mean() -> None:
    close, volume, bought, closes = market(HISTORY - 1)
    assert all(math.isnan(value) for value in msgspec.structs.astuple(sentiment(close, volume, bought, closes)))
    close, volume, bought, closes = market()
    quiet = sentiment(close, np.r_[volume[:-24], np.zeros(24)], bought, closes)
    assert math.isnan(quiet.taker_buy_ratio)
    assert math.isnan(quiet.sentiment)
    assert quiet.momentum >= 0.0


def test_breadth_is_of_those_that_are_known() -> None:
    closes = np.ones((26, 3))
    closes[24] = [2.0, np.nan, 0.5]
    closes[25] = np.nan
    assert breadth(closes)[24] == 0.5
    assert np.isnan(breadth(closes)[[0, 25]]).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_a_rank_is_that_of_pandas_and_mirrors(values: list[float]) -> None:
    rank = percentile_rank(np.array(values))
    assert rank == pytest.approx(100 * (pd.Series(values).rank().iloc[-1] - 0.5) / len(values), rel=1e-9)
    assert percentile_rank(-np.array(values)) == pytest.approx(100.0 - rank, abs=1e-9)


@given(st.integers(1, 50))
def test_equal_values_are_in_the_middle(count: int) -> None:
    assert percentile_rank(np.full(count, 7.0)) == 50.0


def test_a_rank_of_nothing_is_none() -> None:
    assert math.isnan(percentile_rank(np.empty(0)))
    assert math.isnan(percentile_rank(np.array([1.0, np.nan])))
