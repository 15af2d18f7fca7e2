"""The messages of Alpaca's crypto stream, written from what the simulated market did, as JSON or as msgpack.

Field by field as in https://docs.alpaca.markets/docs/real-time-crypto-pricing-data: every frame is an array, figures
are numbers, times are RFC 3339 with nine digits or msgpack's timestamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.sim.events import Book, Quote, Trade
from fulltape.sim.history import MinuteBar, PastTrade
from fulltape.sim.instruments import Listing
from fulltape.sim.told import LevelNews, by_side

Message = dict[str, Any]

_ID_FACTOR: Final = 0x5851F42D4C957F2D  # odd, so different trades have different ids, which tell no order
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Time:
    """A time (ns) that each encoding writes in its own way."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns


def _as_text(value: Any) -> str:
    return format_rfc3339(value.ns)


def _as_timestamp(value: Any) -> datetime:
    # times of the market are whole microseconds, so a datetime holds them
    return _EPOCH + timedelta(microseconds=value.ns // 1_000)


encode_json = msgspec.json.Encoder(enc_hook=_as_text).encode
encode_msgpack = msgspec.msgpack.Encoder(enc_hook=_as_timestamp).encode


def symbol_of(listing: Listing) -> str:
    """Return ``BTC/USD``."""
    return f"{listing.base}/{listing.quote}"


def success(words: str) -> Message:
    """Return a step of signing on."""
    return {"T": "success", "msg": words}


def error(code: int, words: str) -> Message:
    """Return a refusal."""
    return {"T": "error", "code": code, "msg": words}


def trade_id(number: int) -> int:
    """Return the venue's id of a trade."""
    return number * _ID_FACTOR % (1 << 63)


def trade(listing: Listing, traded: Trade | PastTrade) -> Message:
    """Return a trade, without type and symbol; ``tks`` is the taker's side."""
    return {
        "p": _price(listing, traded.price),
        "s": _size(listing, traded.size),
        "t": Time(traded.time),
        "i": trade_id(traded.trade_id),
        "tks": "B" if traded.maker_sells else "S",
    }


def quote(listing: Listing, best: Quote) -> Message:
    """Return the best levels, without type and symbol."""
    return {
        "bp": _price(listing, best.bid),
        "bs": _size(listing, best.bid_size),
        "ap": _price(listing, best.ask),
        "as": _size(listing, best.ask_size),
        "t": Time(best.time),
    }


def bar(listing: Listing, made: MinuteBar) -> Message:
    """Return a bar, without type and symbol. One without trades has neither volume nor VWAP."""
    prices = {name: _price(listing, getattr(made, field)) for name, field in _BAR_PRICES}
    vwap = _price(listing, made.value // made.volume) if made.volume else 0.0
    figures = {"v": _size(listing, made.volume), "t": Time(made.start * SECOND_NS), "n": made.trades, "vw": vwap}
    return prices | figures


def book(listing: Listing, whole: Book) -> Message:
    """Return a whole book, without type and symbol."""
    return _levels(listing, whole.bids, whole.asks) | {"t": Time(whole.time), "r": True}


def changes(listing: Listing, time_ns: int, news: Iterable[LevelNews]) -> Message:
    """Return the new sizes of levels, without type and symbol."""
    return _levels(listing, *by_side(news)) | {"t": Time(time_ns)}


def typed(kind: str, symbol: str, message: Message) -> Message:
    """Return a message as the stream has it: the type comes first."""
    return {"T": kind, "S": symbol} | message


_BAR_PRICES: Final = (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"))


def _levels(listing: Listing, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]) -> Message:
    return {
        name: [{"p": _price(listing, price), "s": _size(listing, size)} for price, size in side]
        for name, side in (("b", bids), ("a", asks))
    }


def _price(listing: Listing, ticks: int) -> float:
    return float(listing.price_text(ticks))


def _size(listing: Listing, lots: int) -> float:
    return float(listing.size_text(lots))
