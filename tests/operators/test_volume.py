"""Volume against its past, and by price."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fulltape.operators.volume import relative_volume, step_for, volume_profile, volume_z
from fulltape.records import Array


def volumes(count: int = 200) -> Array:
    return np.random.default_rng(2).lognormal(0, 2, count)


def test_volume_against_its_past_is_that_of_pandas() -> None:
    data = volumes()
    past = pd.Series(data).shift(1)
    expected = [past[max(0, i - 19) : i + 1] for i in range(len(data))]
    mean = np.array([rows.mean() if rows.count() == 20 else np.nan for rows in expected])
    std = np.array([rows.std() for rows in expected])
    np.testing.assert_allclose(relative_volume(data, 20), data / mean, rtol=1e-9)
    np.testing.assert_allclose(volume_z(data, 20), (data - mean) / std, rtol=1e-9, atol=1e-12)


def test_too_few_or_equal_windows_say_nothing() -> None:
    assert np.isnan(relative_volume(np.ones(3), 3)).all()
    assert np.isnan(volume_z(np.ones(9), 3)).all()
    assert np.isnan(relative_volume(np.zeros(5), 1)).all()
    assert relative_volume(np.array([2.0, 3.0]), 1).tolist()[1] == 1.5


@pytest.mark.parametrize(("function", "n"), [(relative_volume, 0), (volume_z, 1)])
def test_a_past_of_no_length_is_refused(function: object, n: int) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match=f"n is {n}: it must be"):
        function(np.ones(9), n)


def test_a_price_on_an_edge_belongs_to_the_step_that_it_opens() -> None:
    profile = volume_profile(np.array([0.3, 0.7, 0.1 + 0.2]), np.array([1.0, 2.0, 4.0]), 0.1)
    assert profile.volumes.tolist() == [5.0, 0.0, 0.0, 0.0, 2.0]
    np.testing.assert_allclose(profile.prices, [0.3, 0.4, 0.5, 0.6, 0.7])
    assert profile.point_of_control == pytest.approx(0.3)
    assert [profile.value_area_low, profile.value_area_high] == pytest.approx([0.3, 0.4])


def test_the_value_area_grows_by_the_larger_neighbour_the_upper_if_equal() -> None:
    by_step = [1.0, 8.0, 30.0, 8.0, 5.0, 20.0]
    profile = volume_profile(np.arange(10.0, 16.0), np.array(by_step), 1.0)
    assert (profile.point_of_control, profile.value_area_low, profile.value_area_high) == (12.0, 11.0, 15.0)
    assert sum(by_step[1:5]) >= 0.7 * sum(by_step) > sum(by_step[1:4])
    whole = volume_profile(np.arange(10.0, 16.0), np.array(by_step), 1.0, share=1.0)
    assert (whole.value_area_low, whole.value_area_high) == (10.0, 16.0)


def test_steps_below_zero_are_steps_too() -> None:
    assert volume_profile(np.array([-1.5, 1.5]), np.ones(2), 1.0).prices.tolist() == [-2.0, -1.0, 0.0, 1.0]


def test_volumes_by_step_are_those_of_pandas() -> None:
    random = np.random.default_rng(8)
    price, size = np.round(random.normal(1_000, 20, 5_000), 2), random.lognormal(0, 1, 5_000)
    profile = volume_profile(price, size, 2.5)
    expected = pd.Series(size).groupby(np.floor(price / 2.5)).sum()
    held = profile.volumes > 0
    np.testing.assert_allclose(profile.volumes[held], expected, rtol=1e-9)
    np.testing.assert_allclose(profile.prices[held], expected.index * 2.5, rtol=1e-9)


@pytest.mark.parametrize(
    ("step", "share"), [(0.0, 0.7), (-1.0, 0.7), (1.0, 0.0), (1.0, 1.1), (float("nan"), 0.7), (1e-9, 0.7)]
)
def test_what_makes_no_profile_is_refused(step: float, share: float) -> None:
    with pytest.raises(ValueError, match="step"):
        volume_profile(np.array([1.0, 2.0]), np.ones(2), step, share)


def test_without_trades_there_is_no_profile() -> None:
    with pytest.raises(ValueError, match="no trades"):
        volume_profile(np.empty(0), np.empty(0), 1.0)


@pytest.mark.parametrize(
    ("prices", "steps", "step"),
    [
        ([100.0, 200.0], 50, 2.0),
        ([0.0, 0.3], 3, 0.1),
        ([1.0, 10.0], 4, 5.0),
        ([60_000.0], 50, 2_000.0),
        ([5.0, 12.0], 1, 10.0),
    ],
)
def test_a_step_is_a_round_number_that_makes_few_enough(prices: list[float], steps: int, step: float) -> None:
    assert step_for(np.array(prices), steps) == pytest.approx(step, rel=1e-12)
