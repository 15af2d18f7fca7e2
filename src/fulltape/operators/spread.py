"""What one quote says: pure functions of the columns of quotes. Null (NaN) where a side is empty."""

from __future__ import annotations

import numpy as np

from fulltape.records import Array


def mid(bid: Array, ask: Array) -> Array:
    """Return (bid + ask) / 2."""
    return np.asarray((bid + ask) / 2.0)


def spread_bp(bid: Array, ask: Array) -> Array:
    """Return (ask - bid) / mid in bp."""
    return np.asarray((ask - bid) / mid(bid, ask) * 1e4)


def microprice(bid: Array, bid_size: Array, ask: Array, ask_size: Array) -> Array:
    """Return (ask bid_size + bid ask_size) / (bid_size + ask_size): the mid, drawn to the side with less size."""
    total = bid_size + ask_size
    value = ask * bid_size + bid * ask_size
    return np.asarray(np.divide(value, total, out=np.full(len(total), np.nan), where=total > 0.0))
