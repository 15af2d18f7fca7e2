"""Symbols of two currencies run together."""

from __future__ import annotations

import pytest

from fulltape.venues.pairs import split_pair


@pytest.mark.parametrize(
    ("symbol", "pair"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("USDTTRY", ("USDT", "TRY")),
        ("FDUSDUSDT", ("FDUSD", "USDT")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("1000SATSUSDT", ("1000SATS", "USDT")),
    ],
)
def test_the_longest_quote_at_the_end_decides(symbol: str, pair: tuple[str, str]) -> None:
    assert split_pair(symbol, ("USD", "FDUSD", "USDT", "TRY")) == pair


@pytest.mark.parametrize("symbol", ["", "USDT", "BTC", "btcUSDT", "BTC-USDT", "币USDT", "BTC²USDT"])
def test_what_is_no_pair_is_none(symbol: str) -> None:
    assert split_pair(symbol, ("USDT",)) is None
