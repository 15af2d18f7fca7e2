"""Alpaca's crypto stream: the parser that turns its messages into columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TRADES, Array, Origin, QuoteSource
from fulltape.records.frames import Connection
from fulltape.venues.alpaca_wire import (
    ARRAYS,
    FIGURES,
    JSON,
    KEY_VARIABLES,
    MSGPACK,
    NAME,
    TAKER,
    TYPES,
    UNKNOWN_SIDE,
    BarRow,
    BookRow,
    Codec,
    DailyBarRow,
    Error,
    QuoteRow,
    Subscribed,
    Success,
    TradeRow,
    UpdatedBarRow,
    times_of,
)
from fulltape.venues.base import Acknowledged, Channel, Invited, Parsed, Refused, Reject, Symbols
from fulltape.venues.feed import UNDECODABLE, FeedParser, Takers, deal, ignore, spread
from fulltape.venues.levels import BookMessage, add_book_messages
from fulltape.venues.rows import Codes, Rows, excerpt

_MINUTE_S: Final = 60
_DAY_S: Final = 86_400
_KEY_ERRORS: Final = (401, 402)
_HARMLESS_ERRORS: Final = {403: "already_authenticated", 407: "slow_client"}
_FINAL_ERRORS: Final = (400, 401, 402, 405, 409, 410, 411)
_TOO_MANY_CONNECTIONS: Final = 406
_LONG_S: Final = 60.0


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
            ((Success, Error, Subscribed), _take_controls),
        )
        super().__init__(_decode_frame, (((list,), self._take),))

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> list[Any] | None:
        """Return a frame's messages that can be used, None if there is none."""
        codec = MSGPACK if payload[:1] in ARRAYS else JSON
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


def _decode_frame(payload: bytes) -> list[Any]:
    return (MSGPACK if payload[:1] in ARRAYS else JSON).frame(payload)


def _good_rows(codec: Codec, frame: int, payload: bytes, parsed: Parsed) -> list[Any]:
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


def _has_unknown_type(codec: Codec, raw: msgspec.Raw) -> bool:
    try:
        return codec.typed(raw).T not in TYPES
    except UNDECODABLE:
        return False


def _take_controls(rows: list[Any], frames: Array, received: Array, parsed: Parsed) -> None:
    for frame, row in zip(frames.tolist(), rows, strict=True):
        if isinstance(row, Success):
            _read_success(frame, row, parsed)
        elif isinstance(row, Subscribed):
            parsed.controls.append((frame, _confirmed(row)))
        else:
            _read_error(frame, row, parsed)


def _read_success(frame: int, success: Success, parsed: Parsed) -> None:
    if success.msg == "connected":
        parsed.controls.append((frame, Invited(0)))
    elif success.msg == "authenticated":
        parsed.controls.append((frame, Invited(1)))
    else:
        parsed.rejects.append(Reject(frame, "unknown_type", excerpt(success.msg)))


def _confirmed(subscribed: Subscribed) -> Acknowledged:
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


def _read_error(frame: int, error: Error, parsed: Parsed) -> None:
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
