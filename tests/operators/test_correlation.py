"""Correlation and beta against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fulltape.operators.correlation import correlate, log_returns


def test_the_tables_are_those_of_pandas() -> None:
    chance = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0, 0.01, (500, 4)), axis=0))
    close[:, 1] = close[:, 0] * np.exp(chance.normal(0, 0.005, 500))
    close[chance.random((500, 4)) < 0.1] = np.nan
    returns = log_returns(close)
    frame = pd.DataFrame(returns)
    found = correlate(returns)
    np.testing.assert_allclose(found.correlation, frame.corr(), rtol=1e-9)
    beta = frame[0].cov(frame[1]) / frame[1].where(frame[0].notna()).var()
    assert found.beta[0, 1] == pytest.approx(beta, rel=1e-9)
    assert found.returns[0, 1] == (frame[0].notna() & frame[1].notna()).sum()


def test_what_cannot_be_told_is_not_a_number() -> None:
    found = correlate(np.array([[0.1, np.nan, 0.2], [0.2, 0.1, 0.2], [0.3, np.nan, 0.2]]))
    assert np.isnan(found.correlation[0, 1])  # one pair
    assert np.isnan(found.correlation[0, 2])  # the third never moves
    assert np.isnan(found.beta[0, 2])
    assert found.beta[2, 0] == 0.0
    assert found.correlation[0, 0] == 1.0
    assert found.returns.tolist() == [[3, 1, 3], [1, 1, 1], [3, 1, 3]]
