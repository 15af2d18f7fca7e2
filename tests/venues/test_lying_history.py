"""History that lies: no page of any venue is anything else than rows that can be true, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.venues import DIRTY_VALUES, paths_in, replace_at

from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import Batch
from fulltape.venues.registry import venue

NOW: Final = 1_763_632_800 * SECOND_NS
_HOUR_NS: Final = 3_600 * SECOND_NS
_BEFORE_ANY_MARKET: Final = 1_230_940_800 * SECOND_NS

_KRAKEN_BAR: Final = [1763632740, "2", "4", "1", "3", "2.5", "0.5", 7]
_OKX_TRADE: Final = {
    "instId": "BTC-USDT", "side": "sell", "sz": "0.5", "px": "91000.1", "tradeId": "9", "ts": "1763632799500"
}  # fmt: skip
_BITMEX_TRADE: Final = {
    "timestamp": "2025-11-20T09:59:59.000Z", "symbol": "XBTUSD", "side": "Sell", "size": 100, "price": 91_000,
    "trdMatchID": "00000000-0000-0000-0001-000000000001", "homeNotional": 0.0011,
}  # fmt: skip
_BITMEX_BAR: Final = {
    "timestamp": "2025-11-20T09:59:00.000Z", "symbol": "XBTUSD", "open": 2, "high": 4, "low": 1, "close": 3,
    "trades": 5, "volume": 84_000, "vwap": 2.5, "homeNotional": 0.75,
}  # fmt: skip
_BYBIT_TRADE: Final = {
    "execId": "9", "symbol": "BTCUSDT", "price": "101.5", "size": "2", "side": "Sell", "time": "1763632799000",
    "isBlockTrade": False,
}  # fmt: skip
_BINANCE_TRADE: Final = {
    "id": 8, "price": "101", "qty": "1", "quoteQty": "101", "time": 1_763_632_799_000, "isBuyerMaker": True
}  # fmt: skip

TRADES: Final[dict[str, Any]] = {
    "coinbase": [{"trade_id": 9, "side": "buy", "size": "2", "price": "101.5", "time": "2025-11-20T09:00:01.5Z"}],
    "binance": [_BINANCE_TRADE],
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {"list": [_BYBIT_TRADE]}, "time": 1},
    "okx": {"code": "0", "msg": "", "data": [_OKX_TRADE]},
    "kraken": {
        "error": [],
        "result": {
            "XXBTZUSD": [["91000.1", "0.5", 1763632799.1234567, "b", "m", "", 8]],
            "last": "1763632799500000000",
        },
    },
    "bitmex": [_BITMEX_TRADE],
    "bitstamp": [{"date": "1763632799", "tid": "9", "amount": "0.5", "type": "1", "price": "91000.1"}],
    "alpaca": {
        "trades": {"BTC/USD": [{"i": 9, "p": 1.5, "s": 2, "t": "2025-11-20T09:59:20Z", "tks": "B"}]},
        "next_page_token": None,
    },
}
"""A page of trades of each venue, as it sends one."""

BARS: Final[dict[str, Any]] = {
    "coinbase": [[1763632740, 1, 4, 2, 3, 0.5]],
    "binance": [[1_763_632_740_000, "2", "4", "1", "3", "0.5", 1_763_632_799_999, "1.25", 7, "0.1", "0.2", "0"]],
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {"list": [["1763632740000", "2", "4", "1", "3", "0.5", "1.25"]]}},
    "okx": {"code": "0", "msg": "", "data": [["1763632740000", "2", "4", "1", "3", "0.5", "1", "1", "1"]]},
    "kraken": {"error": [], "result": {"XXBTZUSD": [_KRAKEN_BAR, [1763632800, *_KRAKEN_BAR[1:]]], "last": 1}},
    "bitmex": [_BITMEX_BAR],
    "bitstamp": {
        "data": {
            "pair": "BTC/USD",
            "ohlc": [{"timestamp": "1763632740", "open": "2", "high": "4", "low": "1", "close": "3", "volume": "1.5"}],
        }
    },
    "alpaca": {
        "bars": {"BTC/USD": [{"t": "2025-11-20T09:59:00Z", "o": 2, "h": 4, "l": 1, "c": 3, "v": 1, "n": 5, "vw": 2.5}]},
        "next_page_token": None,
    },
}
"""A page of bars of each venue, of one minute."""

LIES: Final = (
    *DIRTY_VALUES, 0, -1, 0.0, -0.0, 1e308, -1e308, 5e-324, "1e308", "1e309", "-1e-5", "1E+2", "1e-400", "5e-324",
    "Infinity", "-NaN", "sNaN", " 1", "1_000", "0x10", "١٢", 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30, "9" * 400,
    "9" * 5_000, 1.5, "1.5", True, "true", "\x00", "\ud800", 1763632740, 1763632740000, 1763632740000000000,
    "1763632740", "2125-11-20T10:00:00Z", "1600-01-01T00:00:00Z", "2025-02-30T00:00:00Z", "XBTEUR", [[]], {"a": 1},
)  # fmt: skip
"""What stands where a figure, a time, an id or a name should."""

slowly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def page_of(parsed: Batch, time: str) -> None:
    """Check that rows can be true."""
    assert ((parsed[time] >= _BEFORE_ANY_MARKET) & (parsed[time] <= NOW + _HOUR_NS)).all()
    for name in {"price", "size", "open", "high", "low", "close"} & set(parsed.columns):
        assert ((parsed[name] > 0) & np.isfinite(parsed[name])).all(), name
    if "volume" in parsed.columns:
        assert ((parsed["volume"] >= 0) & np.isfinite(parsed["volume"])).all()
        assert not np.isinf(parsed["vwap"]).any()
    assert (parsed["instrument"] == 3).all()


def read(name: str, what: str, page: Any) -> None:
    """Let a venue read a page of ``what``; nothing but MalformedFrame may come of a bad one."""
    body = page if isinstance(page, bytes) else json.dumps(page).encode()
    try:
        if what == "trades":
            page_of(venue(name).parse_trades(body, 3, NOW, 1).trades, "event_time")
        else:
            page_of(venue(name).parse_bars(body, 3, 60, NOW), "start")
    except MalformedFrame:
        pass


@pytest.mark.parametrize("what", ["trades", "bars"])
@pytest.mark.parametrize("name", TRADES)
def test_the_pages_are_ones_that_venues_take(name: str, what: str) -> None:
    if what == "trades":
        assert len(venue(name).parse_trades(json.dumps(TRADES[name]).encode(), 3, NOW, 100).trades) == 1
    else:
        assert len(venue(name).parse_bars(json.dumps(BARS[name]).encode(), 3, 60, NOW)) == 1


@pytest.mark.parametrize("what", ["trades", "bars"])
@pytest.mark.parametrize("name", TRADES)
def test_one_lie_anywhere_in_a_page_is_refused_or_does_no_harm(name: str, what: str) -> None:
    page = (TRADES if what == "trades" else BARS)[name]
    for place in [(), *paths_in(page)]:
        for lie in LIES:
            read(name, what, replace_at(page, place, lie))


@pytest.mark.parametrize("what", ["trades", "bars"])
@pytest.mark.parametrize("name", TRADES)
def test_many_lies_at_once_are_refused_or_do_no_harm(name: str, what: str) -> None:
    page = (TRADES if what == "trades" else BARS)[name]

    @slowly
    @given(st.lists(st.integers(0, 100), max_size=6), st.lists(st.sampled_from(LIES), min_size=1, max_size=6))
    def check(where: list[int], lies: list[Any]) -> None:
        spoilt = page
        for number, place in enumerate(where):
            places = list(paths_in(spoilt))
            if not places:
                break
            spoilt = replace_at(spoilt, places[place % len(places)], lies[number % len(lies)])
        read(name, what, spoilt)

    check()


@pytest.mark.parametrize("what", ["trades", "bars"])
@pytest.mark.parametrize("name", TRADES)
def test_bytes_that_are_cut_doubled_or_turned_are_refused_or_do_no_harm(name: str, what: str) -> None:
    whole = json.dumps((TRADES if what == "trades" else BARS)[name]).encode()
    for end in range(len(whole)):
        read(name, what, whole[:end])
        read(name, what, whole[:end] + whole[end + 1 :])
        read(name, what, whole[:end] + b"\xff" + whole[end:])
        read(name, what, whole[:end] + whole[end : end + 1] * 2 + whole[end + 1 :])
    read(name, what, b"[" * 100_000)
    read(name, what, whole * 2)


OTHERS: Final = [("bitmex", "XBTUSD", "ETHUSD"), ("okx", "BTC-USDT", "ETH-USDT")]


@pytest.mark.parametrize(("name", "symbol", "other"), OTHERS)
def test_a_page_with_rows_of_another_instrument_is_refused(name: str, symbol: str, other: str) -> None:
    row = json.dumps(_BITMEX_TRADE if name == "bitmex" else _OKX_TRADE)
    page = json.dumps(TRADES[name]).replace(row, f"{row}, {row.replace(symbol, other)}")
    assert page.count(other) == 1
    with pytest.raises(MalformedFrame, match=f"2 symbols instead of 1: .*{other}"):
        venue(name).parse_trades(page.encode(), 3, NOW, 100)
