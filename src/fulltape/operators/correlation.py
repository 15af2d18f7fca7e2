"""How instruments move together: correlation and beta of log returns. Pure functions of closes."""

from __future__ import annotations

import msgspec
import numpy as np

from fulltape.records import Array


class Correlation(msgspec.Struct, frozen=True):
    """Square tables, row i and column j: of instrument i with instrument j.

    ``correlation`` is Pearson's; ``beta`` the covariance of both divided by the variance of j; ``returns`` how many
    windows both have a return in. NaN with fewer than two, and where a variance is 0.
    """

    correlation: Array
    beta: Array
    returns: Array


def log_returns(close: Array) -> Array:
    """Return ln(close / the close before) down each column; NaN where one of the two is missing."""
    return np.asarray(np.diff(np.log(close), axis=0))


def correlate(returns: Array) -> Correlation:
    """Return how the columns of ``returns`` (windows, instruments) move together, pair by pair.

    Each pair goes by the windows in which both have a return, so the tables are those of pandas' ``DataFrame.corr()``
    and ``cov()``.
    """
    there = ~np.isnan(returns)
    count = there.T.astype(np.int64) @ there
    covariance, variance, other = (np.full(count.shape, np.nan) for _ in range(3))
    for i, j in zip(*np.nonzero(count > 1), strict=True):
        x, y = (returns[there[:, i] & there[:, j], k] for k in (i, j))
        x, y = _centred(x), _centred(y)
        covariance[i, j], variance[i, j], other[i, j] = x @ y, x @ x, y @ y
    known = (variance > 0) & (other > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        pearson = np.where(known, np.clip(covariance / np.sqrt(variance * other), -1.0, 1.0), np.nan)
        beta = np.where(other > 0, covariance / other, np.nan)
    return Correlation(pearson, beta, count)


def _centred(values: Array) -> Array:
    """Return the values less their mean: exactly 0 if they are all equal."""
    return np.asarray(values - (values[0] if (values == values[0]).all() else values.mean()))
