"""OKX v5's feed: the parser that turns its messages into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TICKERS, TRADES, AggressorSide, Array, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.base import Control, Parsed, Refused, Symbols
from fulltape.venues.feed import (
    UNDECODABLE,
    Confirmed,
    FeedParser,
    RowsDecoder,
    Takers,
    decode_frame,
    ignore,
    spread,
)
from fulltape.venues.levels import BookMessage, add_book_messages, price_and_size
from fulltape.venues.okx_wire import (
    CHANNEL_NAMES,
    MS_NS,
    TAKER,
    Action,
    Arg,
    Bars,
    BookRow,
    Books,
    Candle,
    FirstTrades,
    Frame,
    InstrumentRow,
    Instruments,
    LooseBook,
    Message,
    Quotes,
    RawLevel,
    TickerRow,
    Tickers,
    TradeRow,
    Trades,
    is_contract,
)
from fulltape.venues.rows import Codes, Rows

_CHANNELS: Final = {name: channel for channel, name in CHANNEL_NAMES.items()}
# Too many requests, a service that is busy or about to be upgraded: asking again later helps.
_PASSING_CODES: Final = frozenset(("50001", "50004", "50011", "50026", "60014", "63999", "64008"))

_decode_frame = msgspec.json.Decoder(Frame).decode
_decode_books = msgspec.json.Decoder(list[BookRow], strict=False).decode
_decode_loose_books = msgspec.json.Decoder(list[LooseBook], strict=False).decode
_KINDS: Final[Mapping[str, tuple[type[Any], Any]]] = {
    "trades": (Trades, TradeRow),
    "trades-all": (Trades, TradeRow),
    "tickers": (Tickers, TickerRow),
    "candle1m": (Bars, Candle),
    "instruments": (Instruments, InstrumentRow),
    "books": (Books, BookRow),
    "bbo-tbt": (Quotes, BookRow),
}
_ROWS: Final = {channel: (kind, RowsDecoder(row)) for channel, (kind, row) in _KINDS.items() if row is not BookRow}
_BY_LEAD: Final = {
    f'{{"arg":{{"channel":"{channel}"'.encode(): msgspec.json.Decoder(kind, strict=False).decode
    for channel, (kind, _) in _KINDS.items()
}


class OkxParser(FeedParser):
    """Turns the frames of one connection into columns.

    Remembers what was confirmed, whose first trade is still to come, and how far each book's numbers were set back.
    """

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        live = Origin.REPLAY if connection.replay else Origin.LIVE
        self._origins = {Trades: int(live), FirstTrades: int(Origin.SNAPSHOT)}
        self._confirmed = Confirmed()
        self._fresh: set[Arg] = set()
        self._set_back: dict[str, int] = {}
        takers: Takers = (
            ((Trades, FirstTrades), self._take_trades),
            ((Tickers,), self._take_tickers),
            ((Quotes,), self._take_quotes),
            ((Books,), self._take_books),
            ((Bars,), self._take_bars),
            ((Instruments,), _take_instruments),
        )
        super().__init__(self._decode_data, takers)

    def _decode_data(self, payload: bytes) -> Message:
        # Data begins with its channel, so that it can be decoded whole at once.
        decode = _BY_LEAD.get(payload[: payload.find(b",")])
        if decode is None:
            raise ValueError("no data of a channel")
        message: Message = decode(payload)
        return self._first(message) if self._fresh else message

    def _first(self, message: Message) -> Message:
        if isinstance(message, Trades) and message.arg in self._fresh:
            self._fresh.discard(message.arg)
            return FirstTrades(message.arg, message.data)
        return message

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> Message | None:
        """Return the good rows of a frame, or take what is no data."""
        if payload == b"pong":
            ignore("pong", parsed)
            return None
        message = decode_frame(_decode_frame, payload)
        if message.event:
            self._read_event(frame, message, parsed)
            return None
        if message.arg is None:
            raise MalformedFrame("unknown_type", payload[:100].decode(errors="replace"))
        return self._first(_read_data(frame, message.arg, message, parsed))

    def _read_event(self, frame: int, message: Frame, parsed: Parsed) -> None:
        channel = None if message.arg is None else _CHANNELS.get(message.arg.channel)
        control: Control
        if message.event in ("error", "notice"):
            control = Refused(f"{message.code} {message.msg}".strip(), message.code not in _PASSING_CODES)
        elif message.event == "channel-conn-count":
            ignore(message.event, parsed)
            return
        elif message.event not in ("subscribe", "unsubscribe"):
            raise MalformedFrame("unknown_type", message.event[:100])
        elif channel is None or message.arg is None:
            ignore(message.event, parsed)
            return
        else:
            symbols = [message.arg.inst_id] if message.arg.inst_id else []
            is_on = message.event == "subscribe"
            control = self._confirmed.add(channel, symbols) if is_on else self._confirmed.remove(channel, symbols)
            if is_on:
                self._fresh.add(message.arg)
        parsed.controls.append((frame, control))

    def _book_message(self, inst_id: str, is_snapshot: bool, book: BookRow) -> BookMessage:
        """Return a message with numbers that only grow.

        "If seqId is smaller than prevSeqId, the sequence was reset by maintenance; the message is to be applied":
        from then on we add what was lost, until a snapshot starts anew.
        """
        time, bids, asks = book.ts * MS_NS, book.bids, book.asks
        if is_snapshot:
            self._set_back.pop(inst_id, None)
            return BookMessage(inst_id, True, time, bids, asks, book.seq_id)
        if book.seq_id is None or book.prev_seq_id is None:
            return BookMessage(inst_id, False, time, bids, asks)
        lost = self._set_back.get(inst_id, 0)
        previous = book.prev_seq_id + lost
        if book.seq_id < book.prev_seq_id:
            # Before int64 would overflow it starts anew: a smaller number is a hole, and the book comes again.
            lost = (lost + book.prev_seq_id - book.seq_id + 1) % 2**62
            self._set_back[inst_id] = lost
        return BookMessage(inst_id, False, time, bids, asks, book.seq_id + lost, previous)

    def _take_trades(self, messages: list[Trades], frames: Array, received: Array, parsed: Parsed) -> None:
        trades, owners = spread([message.data for message in messages])
        origins = np.array([self._origins[type(message)] for message in messages], np.uint8)
        rows = Rows(TRADES, frames[owners], received[owners])
        rows.instruments(self._codes, [trade.inst_id for trade in trades])
        rows.ids("trade_id", [trade.trade_id for trade in trades])
        rows.positive("price", [trade.px for trade in trades])
        rows.positive("size", [trade.sz for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.side] for trade in trades])
        rows.counted_times([trade.ts for trade in trades], MS_NS)
        rows.put("origin", origins[owners])
        rows.finish(parsed)

    def _take_tickers(self, messages: list[Tickers], frames: Array, received: Array, parsed: Parsed) -> None:
        tickers, owners = spread([message.data for message in messages])
        rows = Rows(TICKERS, frames[owners], received[owners])
        rows.instruments(self._codes, [ticker.inst_id for ticker in tickers])
        rows.put("sequence", np.full(len(tickers), NULL_INT))
        rows.ids("trade_id", [0] * len(tickers))
        rows.positive("price", [ticker.last for ticker in tickers])
        rows.figures("size", [_figure(ticker.last_sz) for ticker in tickers])
        rows.put("aggressor_side", np.full(len(tickers), int(AggressorSide.UNKNOWN)))
        rows.figures("bid", [_figure(ticker.bid_px) for ticker in tickers], zero_is_null=True)
        rows.figures("bid_size", [_figure(ticker.bid_sz) for ticker in tickers])
        rows.figures("ask", [_figure(ticker.ask_px) for ticker in tickers], zero_is_null=True)
        rows.figures("ask_size", [_figure(ticker.ask_sz) for ticker in tickers])
        rows.figures("open_24h", [_figure(ticker.open24h) for ticker in tickers], zero_is_null=True)
        rows.figures("high_24h", [_figure(ticker.high24h) for ticker in tickers], zero_is_null=True)
        rows.figures("low_24h", [_figure(ticker.low24h) for ticker in tickers], zero_is_null=True)
        rows.figures("volume_24h", [_figure(ticker.volume()) for ticker in tickers])
        rows.figures("volume_30d", np.full(len(tickers), np.nan).tolist())
        rows.counted_times([ticker.ts for ticker in tickers], MS_NS)
        rows.finish(parsed)

    def _take_quotes(self, messages: list[Quotes], frames: Array, received: Array, parsed: Parsed) -> None:
        books, owners = spread([message.data for message in messages])
        bids = [book.bids[0] if book.bids else None for book in books]
        asks = [book.asks[0] if book.asks else None for book in books]
        rows = Rows(QUOTES, frames[owners], received[owners])
        rows.instruments(self._codes, [messages[owner].arg.inst_id for owner in owners.tolist()])
        for name, levels in (("bid", bids), ("ask", asks)):
            rows.figures(name, [None if level is None else level[0] for level in levels], zero_is_null=True)
            rows.figures(f"{name}_size", [None if level is None else level[1] for level in levels])
        rows.counted_times([book.ts for book in books], MS_NS)
        rows.put("source", np.full(len(books), int(QuoteSource.QUOTE)))
        rows.finish(parsed)

    def _take_books(self, messages: list[Books], frames: Array, received: Array, parsed: Parsed) -> None:
        own = [
            self._book_message(message.arg.inst_id, message.action == "snapshot", book)
            for message in messages
            for book in message.data
        ]
        owners = np.repeat(np.arange(len(messages)), [len(message.data) for message in messages])
        add_book_messages(own, self._codes, frames[owners], received[owners], parsed)

    def _take_bars(self, messages: list[Bars], frames: Array, received: Array, parsed: Parsed) -> None:
        shown, owners = spread([message.data for message in messages])
        bars = [bar for bar in shown if bar[8] == "1"]
        ignore("unfinished_bar", parsed, len(shown) - len(bars))
        owners = owners[[bar[8] == "1" for bar in shown]]
        symbols = [messages[owner].arg.inst_id for owner in owners.tolist()]
        rows = Rows(BARS, frames[owners], received[owners])
        rows.instruments(self._codes, symbols)
        put_bars(rows, bars, 60)
        volumes = [bar[6] if is_contract(symbol) else bar[5] for symbol, bar in zip(symbols, bars, strict=True)]
        rows.volumes("volume", volumes)
        rows.finish(parsed)


def put_bars(rows: Rows, bars: Sequence[Candle], interval_s: int) -> None:
    """Add the columns of bars, all but the instrument and the volume."""
    rows.counted_times([bar[0] for bar in bars], MS_NS, "start")
    rows.put("interval", np.full(len(bars), interval_s))
    for place, name in enumerate(("open", "high", "low", "close"), start=1):
        rows.positive(name, [float(bar[place]) for bar in bars])
    rows.put("vwap", np.full(len(bars), np.nan))
    rows.put("trades", np.full(len(bars), NULL_INT))


def _read_data(frame: int, arg: Arg, message: Frame, parsed: Parsed) -> Message:
    """Return the good rows of a frame. Raises MalformedFrame."""
    if arg.channel == "bbo-tbt":
        return Quotes(arg, _books(message.data))
    if arg.channel == "books":
        if message.action not in ("snapshot", "update"):
            raise MalformedFrame("bad_field", f"action {message.action[:50]!r}")
        return Books(arg, cast("Action", message.action), _books(message.data))
    if arg.channel not in _ROWS:
        raise MalformedFrame("unknown_type", arg.channel[:100])
    kind, rows = _ROWS[arg.channel]
    found: Message = kind(arg, rows.decode(message.data, frame, parsed))
    return found


def _take_instruments(messages: list[Instruments], frames: Array, received: Array, parsed: Parsed) -> None:
    for one in spread([message.data for message in messages])[0]:
        instrument = one.instrument()
        if instrument is not None and is_instrument_id(instrument.id):
            parsed.instruments.append(instrument)
        else:
            ignore("odd_instrument", parsed)


def _figure(text: str) -> float:
    """Return a figure: NaN for an empty text, infinity (which no column takes) for one that is none."""
    try:
        return float(text) if text else np.nan
    except ValueError:
        return np.inf


def _books(raw: msgspec.Raw) -> list[BookRow]:
    """Return book rows; a level that is none comes as NaN. Raises MalformedFrame."""
    try:
        return _decode_books(raw)
    except UNDECODABLE as error:
        problem = str(error)
    try:
        loose = _decode_loose_books(raw)
    except UNDECODABLE:
        raise MalformedFrame("bad_field", problem) from None
    return [BookRow(one.ts, _pairs(one.bids), _pairs(one.asks), one.seq_id, one.prev_seq_id) for one in loose]


def _pairs(levels: list[Any]) -> list[RawLevel]:
    return [(*price_and_size(level), "", "") for level in levels]
