"""Whether history is long enough: a value may not depend on where the range begins, live or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operators.indicators.walks import close_to, walk, without_trades

from fulltape.errors import ConfigError
from fulltape.operators.indicators.base import ALL, forgetting
from fulltape.operators.indicators.registry import INDICATORS, find_indicator

SCALE = {"MACD": 60_000, "OBV": 1_000}
"""Of figures that are not between 0 and 100."""
FROM_THE_BEGINNING = {"OBV"}


@pytest.mark.parametrize("name", sorted(INDICATORS.keys() - FROM_THE_BEGINNING))
def test_a_value_does_not_depend_on_where_the_range_begins(name: str) -> None:
    indicator = INDICATORS[name]
    values = indicator.values({})
    history = indicator.history(values, 60)
    for seed in range(3):
        candles = walk(history + 1_500, seed)
        whole = indicator.over(candles, values)
        for at in (history, history + 701, history + 1_400):
            part = indicator.over(candles.take(slice(at - history, at + 100)), values)
            expected = {output: array[at : at + 100] for output, array in whole.items()}
            assert not any(np.isnan(array).any() for array in expected.values())
            close_to({o: array[history:] for o, array in part.items()}, expected, SCALE.get(name, 100))


@pytest.mark.parametrize("name", ["RSI", "BBANDS", "SUPERTREND"])
def test_live_and_over_a_range_are_the_same(name: str) -> None:
    indicator = INDICATORS[name]
    values = indicator.values({})
    history = indicator.history(values, 60)
    candles = walk(history + 60)
    whole = indicator.over(candles, values)
    for i in range(history, len(candles)):
        live = indicator.over(candles.take(slice(i - history, i + 1)), values)
        close_to({o: array[-1:] for o, array in live.items()}, {o: array[i : i + 1] for o, array in whole.items()})


def test_what_counts_from_the_beginning_says_so() -> None:
    for name, indicator in INDICATORS.items():
        assert (indicator.history(indicator.values({}), 60) == ALL) == (name in FROM_THE_BEGINNING)


@pytest.mark.parametrize("name", sorted(INDICATORS))
@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 299), max_size=150))
def test_windows_without_trades_are_left_out(name: str, empty: set[int]) -> None:
    indicator = INDICATORS[name]
    candles = walk(300)
    where = np.isin(np.arange(300), list(empty))
    values = indicator.values({})
    found = indicator.over(without_trades(candles, where), values)
    dense = indicator.over(candles.take(~where), values)
    for output, array in found.items():
        if name != "VWAP":  # an empty window adds nothing to the session: what held before it holds in it
            assert np.isnan(array[where]).all()
        np.testing.assert_array_equal(array[~where], dense[output])


@pytest.mark.parametrize("name", sorted(INDICATORS))
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_few_candles_are_no_mistake(name: str, count: int) -> None:
    indicator = INDICATORS[name]
    found = indicator.over(walk(60).take(slice(0, count)), indicator.values({}))
    assert [len(array) for array in found.values()] == [count] * len(indicator.outputs)


def test_forgetting() -> None:
    for alpha in (0.005, 0.1, 0.9):
        steps = forgetting(alpha)
        assert (1 - alpha) ** steps <= 1e-15 < (1 - alpha) ** (steps - 1)
    assert forgetting(1.0) == 1


def test_names_are_found_in_any_case_and_unknown_ones_are_refused() -> None:
    assert find_indicator("macd") is INDICATORS["MACD"]
    with pytest.raises(ConfigError, match=r"did you mean 'ADX'.*there are SMA, EMA"):
        find_indicator("adxx")
