"""Weighted mean and spread: exact where plain sums are not, and the same in parts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fulltape.operators.moments import join, weigh_in
from fulltape.records import Array

VALUES = 1e9 + np.random.default_rng(4).normal(0, 1e-3, 300)
WEIGHTS = np.random.default_rng(5).lognormal(0, 5, 300)


def moments(values: Array, weights: Array) -> tuple[float, float, float]:
    made = (0.0, 0.0, 0.0)
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        made = weigh_in(*made, value, weight)
    return made


def test_a_small_spread_of_large_values_survives() -> None:
    weight, mean, m2 = moments(VALUES, WEIGHTS)
    values, weights = [Fraction(v) for v in VALUES.tolist()], [Fraction(w) for w in WEIGHTS.tolist()]
    exact = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
    spread = sum(w * (v - exact) ** 2 for v, w in zip(values, weights, strict=True))
    assert weight == pytest.approx(float(sum(weights)), rel=1e-12)
    assert mean == pytest.approx(float(exact), rel=1e-15)
    assert m2 == pytest.approx(float(spread), rel=1e-3)  # the values themselves are known to 1e-7 of 1e-3


@pytest.mark.parametrize("place", [0, 1, 150, 299, 300])
def test_parts_joined_are_the_whole(place: int) -> None:
    whole = moments(VALUES - 1e9, WEIGHTS)
    parts = (moments((VALUES - 1e9)[part], WEIGHTS[part]) for part in (slice(None, place), slice(place, None)))
    first, second = parts
    assert join(*first, *second) == pytest.approx(whole, rel=1e-12)
