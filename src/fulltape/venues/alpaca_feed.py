"""Alpaca's crypto stream and the parser that turns it into columns.

https://docs.alpaca.markets/docs/real-time-crypto-pricing-data. Every frame is an array of messages of any types, as
JSON text or as msgpack. Prices and sizes are numbers; times are RFC 3339 text, in msgpack its own timestamps.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TRADES, AggressorSide, Array, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, Invited, Parsed, Refused, Reject, Symbols
from fulltape.venues.feed import UNDECODABLE, FeedParser, Takers, deal, ignore, spread
from fulltape.venues.levels import BookMessage, add_book_messages
from fulltape.venues.rows import Codes, Rows, excerpt
from fulltape.venues.times import parse_times

NAME: Final = "ALPACA"
KEY_VARIABLES: Final = ("FULLTAPE_ALPACA_KEY", "FULLTAPE_ALPACA_SECRET")
CHANNEL_NAMES: Final = {
    Channel.TRADES: "trades",
    Channel.QUOTES: "quotes",
    Channel.BARS: "bars",
    Channel.BARS_UPDATED: "updatedBars",
    Channel.BARS_DAILY: "dailyBars",
    Channel.BOOK: "orderbooks",
}
"""The venue's names of channels."""

TAKER: Final = {"B": int(AggressorSide.BUY), "S": int(AggressorSide.SELL)}
"""Sides by the venue's letters; any other, such as ``-``, is unknown."""
UNKNOWN_SIDE: Final = int(AggressorSide.UNKNOWN)

_MINUTE_S: Final = 60
_DAY_S: Final = 86_400
_KEY_ERRORS: Final = (401, 402)
_HARMLESS_ERRORS: Final = {403: "already_authenticated", 407: "slow_client"}
_FINAL_ERRORS: Final = (400, 401, 402, 405, 409, 410, 411)
_TOO_MANY_CONNECTIONS: Final = 406
_LONG_S: Final = 60.0

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Time = str | msgspec.msgpack.Ext | None
"""RFC 3339 text in JSON, a timestamp in msgpack; null does not spoil a book.

Not left to msgspec, whose own timestamps have microseconds.
"""


class _Message(msgspec.Struct, frozen=True, gc=False, tag_field="T"):
    """What every message has: its type, in ``T``."""


class TradeRow(_Message, frozen=True, gc=False, tag="t"):
    """A trade; ``tks`` is the taker's side.

    ``{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,
    "tks":"S"}``
    """

    S: str
    p: float
    s: float
    t: Time
    i: Count
    tks: str = "-"


class QuoteRow(_Message, frozen=True, gc=False, tag="q"):
    """``{"T":"q","S":"BAT/USD","bp":0.35718,"bs":13445.46,"ap":0.3581,"as":13561.902,"t":"…"}``."""

    S: str
    bp: float
    bs: float
    ap: float
    a_s: float = msgspec.field(name="as")
    t: Time


class BarRow(_Message, frozen=True, gc=False, tag="b"):
    """A minute, ``t`` is its start. Without a trade (``n`` and ``v`` 0) its prices are those between bid and ask.

    ``{"T":"b","S":"BTC/USD","o":47993.71,"h":48000,"l":47976.69,"c":47982.6,"v":1.66,"t":"…","n":162,"vw":47984.17}``
    """

    S: str
    o: float
    h: float
    l: float  # noqa: E741 - the venue's own name
    c: float
    v: float
    t: Time
    n: Count
    vw: float | None = None


class UpdatedBarRow(BarRow, frozen=True, gc=False, tag="u"):
    """A minute again, after a trade that came late."""


class DailyBarRow(BarRow, frozen=True, gc=False, tag="d"):
    """The day so far, sent every minute."""


class LevelRow(msgspec.Struct, frozen=True, gc=False):
    """``{"p":91234.5,"s":0.25}``; size 0 removes the level."""

    p: float
    s: float


FIGURES: Final = (attrgetter("p"), attrgetter("s"))
"""Take price and size out of a level."""


class BookRow(_Message, frozen=True, gc=False, tag="o"):
    """Levels of a book; with ``r`` the whole of it: ``{"T":"o","S":"BTC/USD","t":"…","b":[…],"a":[…],"r":true}``."""

    S: str
    t: Time
    b: list[LevelRow]
    a: list[LevelRow]
    r: bool = False


class _Success(_Message, frozen=True, tag="success"):
    msg: str


class _Error(_Message, frozen=True, tag="error"):
    code: int
    msg: str = ""


class _Subscribed(_Message, frozen=True, tag="subscription", rename="camel"):
    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    updated_bars: list[str] = []
    daily_bars: list[str] = []
    orderbooks: list[str] = []


class _Typed(msgspec.Struct, frozen=True):
    T: str


Row = TradeRow | QuoteRow | BarRow | UpdatedBarRow | DailyBarRow | BookRow | _Success | _Error | _Subscribed


class _Codec:
    """The decoders of one encoding: a whole frame, its parts, a part, and the type of a part."""

    def __init__(self, name: str, decoder: Callable[[Any], Any]) -> None:
        self.name = name
        self.frame: Callable[[bytes], list[Any]] = decoder(list[Row]).decode
        self.raws: Callable[[bytes], list[msgspec.Raw]] = decoder(list[msgspec.Raw]).decode
        self.row: Callable[[msgspec.Raw], Any] = decoder(Row).decode
        self.typed: Callable[[msgspec.Raw], _Typed] = decoder(_Typed).decode


_JSON: Final = _Codec("json", msgspec.json.Decoder)
_MSGPACK: Final = _Codec("msgpack", msgspec.msgpack.Decoder)
_TYPES: Final = frozenset({"t", "q", "b", "u", "d", "o", "success", "error", "subscription"})
_ARRAYS: Final = frozenset(bytes((first,)) for first in (*range(0x90, 0xA0), 0xDC, 0xDD))
"""First bytes of msgpack arrays; none of them begins a JSON text."""


class AlpacaParser(FeedParser):
    """Turns the frames of one connection into columns."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._by_type: Takers = (
            ((TradeRow,), self._take_trades),
            ((QuoteRow,), self._take_quotes),
            ((BarRow, UpdatedBarRow, DailyBarRow), self._take_bars),
            ((BookRow,), self._take_books),
            ((_Success, _Error, _Subscribed), _take_controls),
        )
        super().__init__(_decode_frame, (((list,), self._take),))

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> list[Any] | None:
        """Return a frame's messages that can be used, None if there is none."""
        codec = _MSGPACK if payload[:1] in _ARRAYS else _JSON
        return _good_rows(codec, frame, payload, parsed) or None

    def _take(self, messages: list[list[Any]], frames: Array, received: Array, parsed: Parsed) -> None:
        ignore("empty", parsed, messages.count([]))
        rows, owners = spread(messages)
        deal(self._by_type, rows, frames[owners], received[owners], parsed)

    def _take_trades(self, trades: list[TradeRow], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [trade.S for trade in trades])
        rows.ids("trade_id", [trade.i for trade in trades])
        rows.positive("price", [trade.p for trade in trades])
        rows.positive("size", [trade.s for trade in trades])
        rows.put("aggressor_side", [TAKER.get(trade.tks, UNKNOWN_SIDE) for trade in trades])
        rows.counted_times(times_of([trade.t for trade in trades]), 1)
        rows.put("origin", np.full(len(trades), self._origin))
        rows.finish(parsed)

    def _take_quotes(self, quotes: list[QuoteRow], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [quote.S for quote in quotes])
        rows.figures("bid", [quote.bp for quote in quotes], zero_is_null=True)
        rows.figures("bid_size", [quote.bs for quote in quotes])
        rows.figures("ask", [quote.ap for quote in quotes], zero_is_null=True)
        rows.figures("ask_size", [quote.a_s for quote in quotes])
        rows.counted_times(times_of([quote.t for quote in quotes]), 1)
        rows.put("source", np.full(len(quotes), int(QuoteSource.QUOTE)))
        rows.finish(parsed)

    def _take_bars(self, bars: list[BarRow], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(BARS, frames, received)
        rows.instruments(self._codes, [bar.S for bar in bars])
        rows.put("interval", [_DAY_S if isinstance(bar, DailyBarRow) else _MINUTE_S for bar in bars])
        put_bars(rows, bars)
        rows.finish(parsed)

    def _take_books(self, books: list[BookRow], frames: Array, received: Array, parsed: Parsed) -> None:
        messages = [
            BookMessage(book.S, book.r, time, book.b, book.a)
            for book, time in zip(books, times_of([book.t for book in books]), strict=True)
        ]
        add_book_messages(messages, self._codes, frames, received, parsed, FIGURES)


def put_bars(rows: Rows, bars: Sequence[Any]) -> None:
    """Add what bars say. One of quotes only has no trades, no volume and no VWAP: by that it is known."""
    rows.counted_times(times_of([bar.t for bar in bars]), 1, "start")
    for name, own in (("open", "o"), ("high", "h"), ("low", "l"), ("close", "c")):
        rows.positive(name, [getattr(bar, own) for bar in bars])
    rows.volumes("volume", [bar.v for bar in bars])
    rows.figures("vwap", [bar.vw for bar in bars], zero_is_null=True)
    rows.put("trades", [bar.n for bar in bars])


def times_of(times: Sequence[Time]) -> list[int]:
    """Return the nanoseconds of times as they came; NULL_INT for what is none."""
    texts = [time if isinstance(time, str) else "" for time in times]
    read: list[int] = parse_times(texts).tolist()
    if all(texts):
        return read
    return [
        _timestamp(time) if isinstance(time, msgspec.msgpack.Ext) else one
        for time, one in zip(times, read, strict=True)
    ]


def _timestamp(time: msgspec.msgpack.Ext) -> int:
    """Return the nanoseconds of a msgpack timestamp (extension type -1) in any of its three lengths.

    https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type
    """
    data = bytes(time.data)
    match time.code, len(data):
        case -1, 4:
            seconds, nanoseconds = struct.unpack(">I", data)[0], 0
        case -1, 8:
            both = struct.unpack(">Q", data)[0]
            nanoseconds, seconds = both >> 34, both & (1 << 34) - 1
        case -1, 12:
            nanoseconds, seconds = struct.unpack(">Iq", data)
        case _:
            return NULL_INT
    return int(seconds * SECOND_NS + nanoseconds)


def _decode_frame(payload: bytes) -> list[Any]:
    return (_MSGPACK if payload[:1] in _ARRAYS else _JSON).frame(payload)


def _good_rows(codec: _Codec, frame: int, payload: bytes, parsed: Parsed) -> list[Any]:
    """Return the messages of a frame that can be used; each other becomes a `Reject`. Raises MalformedFrame."""
    try:
        raws = codec.raws(payload)
    except UNDECODABLE as error:
        raise MalformedFrame(f"malformed_{codec.name}", str(error)) from None
    rows = []
    for raw in raws:
        try:
            rows.append(codec.row(raw))
        except UNDECODABLE as error:
            reason = "unknown_type" if _has_unknown_type(codec, raw) else "bad_field"
            parsed.rejects.append(Reject(frame, reason, f"{error} in {excerpt(bytes(raw))}"))
    return rows


def _has_unknown_type(codec: _Codec, raw: msgspec.Raw) -> bool:
    try:
        return codec.typed(raw).T not in _TYPES
    except UNDECODABLE:
        return False


def _take_controls(rows: list[Any], frames: Array, received: Array, parsed: Parsed) -> None:
    for frame, row in zip(frames.tolist(), rows, strict=True):
        if isinstance(row, _Success):
            _read_success(frame, row, parsed)
        elif isinstance(row, _Subscribed):
            parsed.controls.append((frame, _confirmed(row)))
        else:
            _read_error(frame, row, parsed)


def _read_success(frame: int, success: _Success, parsed: Parsed) -> None:
    if success.msg == "connected":
        parsed.controls.append((frame, Invited(0)))
    elif success.msg == "authenticated":
        parsed.controls.append((frame, Invited(1)))
    else:
        parsed.rejects.append(Reject(frame, "unknown_type", excerpt(success.msg)))


def _confirmed(subscribed: _Subscribed) -> Acknowledged:
    """Return the whole list, which comes with every change. A star stands for every symbol."""
    lists = {
        Channel.TRADES: subscribed.trades,
        Channel.QUOTES: subscribed.quotes,
        Channel.BARS: subscribed.bars,
        Channel.BARS_UPDATED: subscribed.updated_bars,
        Channel.BARS_DAILY: subscribed.daily_bars,
        Channel.BOOK: subscribed.orderbooks,
    }
    return Acknowledged(
        {channel: frozenset(() if "*" in symbols else symbols) for channel, symbols in lists.items() if symbols}
    )


def _read_error(frame: int, error: _Error, parsed: Parsed) -> None:
    if error.code in _HARMLESS_ERRORS:
        ignore(_HARMLESS_ERRORS[error.code], parsed)
        return
    words, wait_s = f"{NAME}: {error.code} {error.msg}".strip()[:200], 0.0
    if error.code in _KEY_ERRORS:
        words += f": check {' and '.join(KEY_VARIABLES)} in the environment"
        wait_s = _LONG_S
    elif error.code == _TOO_MANY_CONNECTIONS:
        words += ": another program uses this key, and the account has one connection: end that program"
        wait_s = _LONG_S
    parsed.controls.append((frame, Refused(words, error.code in _FINAL_ERRORS, wait_s)))
