"""The kinds of record that people can bring."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """A kind by the name of its table."""

    TRADES = "trades"
    QUOTES = "quotes"
    BARS = "bars"
    COINS = "coins"
    TICKERS = "tickers"
