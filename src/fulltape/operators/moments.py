"""Mean and spread of weighted values in one pass, and of two sets joined: (weight, mean, m2) in three columns.

m2 is the weighted sum of squared deviations from the mean, so m2 / weight is the variance. Adding is West's [1] form
of Welford's method, joining is Chan's [2]: neither takes the difference of two large sums.

[1] D. H. D. West, Updating mean and variance estimates, CACM 22 (1979).
[2] T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, Am. Statistician 37 (1983).
"""

from __future__ import annotations

from typing import Any

from fulltape.kernel import inline


@inline
def weigh_in(weight: Any, mean: Any, m2: Any, value: Any, more: Any) -> Any:
    """Return (weight, mean, m2) with one value of weight ``more`` > 0 added."""
    total = weight + more
    off = value - mean
    mean = mean + off * (more / total)
    return total, mean, m2 + more * off * (value - mean)


@inline
def join(weight: Any, mean: Any, m2: Any, other_weight: Any, other_mean: Any, other_m2: Any) -> Any:
    """Return (weight, mean, m2) of two disjoint sets together, of which at least one is not empty."""
    total = weight + other_weight
    off = other_mean - mean
    share = other_weight / total
    return total, mean + off * share, m2 + other_m2 + off * off * weight * share
