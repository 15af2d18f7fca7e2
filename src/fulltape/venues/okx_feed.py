"""OKX v5's WebSocket messages and the parser that turns them into columns.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data. Prices, sizes, ids and times (ms) are texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TICKERS, TRADES, AggressorSide, Array, Instrument, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.records.instrument import INVERSE, LINEAR, instrument_id, is_instrument_id
from fulltape.venues.base import Channel, Control, Parsed, Refused, Symbols
from fulltape.venues.feed import UNDECODABLE, Confirmed, FeedParser, RowsDecoder, Taker, decode_frame, ignore
from fulltape.venues.levels import ASK, BID, BookMessage, Level, add_book_messages, price_and_size
from fulltape.venues.rows import Codes, Rows

NAME: Final = "OKX"
CHANNEL_NAMES: Final = {
    Channel.TRADES: "trades",
    Channel.TRADES_ALL: "trades-all",
    Channel.TICKERS: "tickers",
    Channel.QUOTES: "bbo-tbt",
    Channel.BOOK: "books",
    Channel.BARS: "candle1m",
    Channel.STATUS: "instruments",
}
"""The venue's names of channels."""

MS_NS: Final = 1_000_000
TAKER: Final = {"buy": int(AggressorSide.BUY), "sell": int(AggressorSide.SELL)}
_SYMBOL: Final = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(SWAP|\d{6}))?\Z", re.ASCII)
_CHANNELS: Final = {name: channel for channel, name in CHANNEL_NAMES.items()}
# Too many requests, a service that is busy or about to be upgraded: asking again later helps.
_PASSING_CODES: Final = frozenset(("50001", "50004", "50011", "50026", "60014", "63999", "64008"))

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Ms = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
RawLevel = tuple[float, float, str, str]
"""Price, size, a field out of use, number of orders."""
Candle = tuple[Ms, float, float, float, float, float, float, float, Literal["0", "1"]]
"""Start, open, high, low, close, volume, volume in currency, in quote currency, whether it is finished.

Of a contract the first volume counts contracts and the second is in base, of spot they are in base and in quote.
"""


class TradeRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A trade, or on channel ``trades`` all that one taker's order made at one price.

    ``{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897"}``
    """

    inst_id: str
    trade_id: Id
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: Ms


class TickerRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The rolling day: figures that do not exist are empty texts.

    ``{"instType":"SPOT","instId":"BTC-USDT","last":"9999.99","lastSz":"0.1","askPx":"9999.99","askSz":"11",…}``
    """

    inst_id: str
    last: float
    ts: Ms
    last_sz: str = ""
    ask_px: str = ""
    ask_sz: str = ""
    bid_px: str = ""
    bid_sz: str = ""
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""
    vol24h: str = ""
    vol_ccy24h: str = ""

    def volume(self) -> str:
        """Return the day's volume in the base currency: of a contract ``vol24h`` counts contracts."""
        return self.vol_ccy24h if is_contract(self.inst_id) else self.vol24h


class BookRow(msgspec.Struct, frozen=True, rename="camel"):
    """Levels of ``books`` and ``bbo-tbt``: ``{"asks":[["8476.98","415","0","13"]],"bids":[…],"ts":"1597026383085",…}``.

    An update follows the message whose ``seqId`` is its ``prevSeqId``. The checksum is always 0 by now.
    """

    ts: Ms
    bids: list[RawLevel]
    asks: list[RawLevel]
    seq_id: Id | None = None
    prev_seq_id: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)] | None = None

    def levels(self) -> list[Level]:
        """Return all levels, bids first."""
        return [(BID, *level[:2]) for level in self.bids] + [(ASK, *level[:2]) for level in self.asks]


class InstrumentRow(msgspec.Struct, frozen=True, rename="camel"):
    """An instrument of the channel ``instruments`` or of ``GET /api/v5/public/instruments``.

    ``{"instType":"SPOT","instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT","tickSz":"0.1","lotSz":"0.00000001",…}``,
    ``{"instType":"SWAP","instId":"BTC-USDT-SWAP","ctType":"linear","ctVal":"0.01","ctMult":"1","lotSz":"1",…}``.
    """

    inst_id: str
    tick_sz: float
    lot_sz: float
    state: str
    ct_type: str = ""
    ct_val: str = ""
    ct_mult: str = ""

    def instrument(self) -> Instrument | None:
        """Return it in fulltape's terms; None if its name is not one that fulltape reads, as those of options."""
        try:
            found = instrument_of_symbol(self.inst_id)
            contract_size = float(self.ct_val or 0) * float(self.ct_mult or 1)
        except ValueError:
            return None
        contract = self.ct_type or found.contract
        return msgspec.structs.replace(
            found,
            price_step=self.tick_sz,
            size_step=self._size_step(contract, contract_size),
            status="online" if self.state == "live" else self.state,
            contract=contract,
            contract_size=contract_size,
        )

    def _size_step(self, contract: str, contract_size: float) -> float:
        """Return the step in the base currency; 0 where it changes with the price."""
        if contract == INVERSE:
            return 0.0
        return self.lot_sz * contract_size if contract == LINEAR else self.lot_sz


class _Arg(msgspec.Struct, frozen=True, rename="camel"):
    channel: str
    inst_id: str = ""


class _Frame(msgspec.Struct, frozen=True):
    arg: _Arg | None = None
    event: str = ""
    action: str = ""
    code: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _LooseBook(msgspec.Struct, frozen=True, rename="camel"):
    ts: Ms
    bids: list[Any]
    asks: list[Any]
    seq_id: Id | None = None
    prev_seq_id: int | None = None


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_books = msgspec.json.Decoder(list[BookRow], strict=False).decode
_decode_loose_books = msgspec.json.Decoder(list[_LooseBook], strict=False).decode
_ROWS: Final[Mapping[str, RowsDecoder]] = {
    "trades": RowsDecoder(TradeRow),
    "trades-all": RowsDecoder(TradeRow),
    "tickers": RowsDecoder(TickerRow),
    "candle1m": RowsDecoder(Candle),
    "instruments": RowsDecoder(InstrumentRow),
}


def is_contract(inst_id: str) -> bool:
    """Return whether an instrument is a contract: ``BTC-USDT-SWAP``, ``BTC-USD-260327``."""
    return inst_id.count("-") > 1


def instrument_of_symbol(symbol: str) -> Instrument:
    """Return the instrument of ``BTC-USDT``, ``BTC-USDT-SWAP`` (a perpetual) or ``BTC-USD-260327`` (a future).

    A contract against USD is inverse, of 100 USD if it is on Bitcoin, else of 10; how much any other is only the
    venue's list tells. Raises ValueError.
    """
    match = _SYMBOL.match(symbol)
    if match is None:
        raise ValueError(f"not an {NAME} instrument: {symbol!r} (they look like BTC-USDT or BTC-USDT-SWAP)")
    base, quote, term = match.groups()
    product = quote if term is None else f"{quote}-{'PERP' if term == 'SWAP' else term}"
    found = Instrument(instrument_id(base, product, NAME), NAME, symbol, base, quote)
    if term is None:
        return found
    if quote != "USD":
        return msgspec.structs.replace(found, contract=LINEAR)
    return msgspec.structs.replace(found, contract=INVERSE, contract_size=100.0 if base == "BTC" else 10.0)


class OkxParser(FeedParser):
    """Turns the frames of one connection into columns.

    Remembers what was confirmed, whose first trade is still to come, and how far each book's numbers were set back.
    """

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._live = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._confirmed = Confirmed()
        self._fresh: set[tuple[str, str]] = set()
        self._set_back: dict[str, int] = {}
        self._takers: Mapping[str, Taker] = {
            "trades": self._take_trades,
            "tickers": self._take_tickers,
            "bbo-tbt": self._take_quotes,
            "books": self._take_books,
            "candle1m": self._take_bars,
            "instruments": _take_instruments,
        }

    @property
    def takers(self) -> Mapping[str, Taker]:
        """Who takes which channel."""
        return self._takers

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> tuple[str, Sequence[Any]] | None:
        """Return a frame's channel and its rows; the two channels of trades are one."""
        if payload == b"pong":
            ignore("pong", parsed)
            return None
        message = decode_frame(_decode_frame, payload)
        if message.event:
            self._read_event(frame, message, parsed)
            return None
        if message.arg is None:
            raise MalformedFrame("unknown_type", payload[:100].decode(errors="replace"))
        return self._read_data(frame, message.arg, message, parsed)

    def _read_event(self, frame: int, message: _Frame, parsed: Parsed) -> None:
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
                self._fresh.add((message.arg.channel, message.arg.inst_id))
        parsed.controls.append((frame, control))

    def _read_data(self, frame: int, arg: _Arg, message: _Frame, parsed: Parsed) -> tuple[str, Sequence[Any]]:
        channel = arg.channel
        if channel in ("books", "bbo-tbt"):
            books = _books(message.data)
            if channel == "bbo-tbt":
                return channel, [(arg.inst_id, book) for book in books]
            if message.action not in ("snapshot", "update"):
                raise MalformedFrame("bad_field", f"action {message.action[:50]!r}")
            return channel, [self._book_message(arg.inst_id, message.action == "snapshot", book) for book in books]
        if channel not in _ROWS:
            raise MalformedFrame("unknown_type", channel[:100])
        rows = _ROWS[channel].decode(message.data, frame, parsed)
        if channel in ("trades", "trades-all"):
            return "trades", [(row, self._origin(arg)) for row in rows]
        if channel == "candle1m":
            finished = [(arg.inst_id, row) for row in rows if row[8] == "1"]
            ignore("unfinished_bar", parsed, len(rows) - len(finished))
            return channel, finished
        return channel, rows

    def _origin(self, arg: _Arg) -> int:
        # The first push after a confirmation is the newest trade before it.
        if (arg.channel, arg.inst_id) in self._fresh:
            self._fresh.discard((arg.channel, arg.inst_id))
            return int(Origin.SNAPSHOT)
        return self._live

    def _book_message(self, inst_id: str, is_snapshot: bool, book: BookRow) -> BookMessage:
        """Return a message with numbers that only grow.

        "If seqId is smaller than prevSeqId, the sequence was reset by maintenance; the message is to be applied":
        from then on we add what was lost, until a snapshot starts anew.
        """
        time, levels = book.ts * MS_NS, book.levels()
        if is_snapshot:
            self._set_back.pop(inst_id, None)
            return BookMessage(inst_id, True, time, levels, book.seq_id)
        if book.seq_id is None or book.prev_seq_id is None:
            return BookMessage(inst_id, False, time, levels)
        lost = self._set_back.get(inst_id, 0)
        previous = book.prev_seq_id + lost
        if book.seq_id < book.prev_seq_id:
            lost += book.prev_seq_id - book.seq_id + 1
            self._set_back[inst_id] = lost
        return BookMessage(inst_id, False, time, levels, book.seq_id + lost, previous)

    def _take_trades(self, pairs: list[tuple[TradeRow, int]], frames: Array, received: Array, parsed: Parsed) -> None:
        trades = [trade for trade, _ in pairs]
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [trade.inst_id for trade in trades])
        rows.ids("trade_id", [trade.trade_id for trade in trades])
        rows.positive("price", [trade.px for trade in trades])
        rows.positive("size", [trade.sz for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.side] for trade in trades])
        rows.counted_times([trade.ts for trade in trades], MS_NS)
        rows.put("origin", [origin for _, origin in pairs])
        rows.finish(parsed)

    def _take_tickers(self, tickers: list[TickerRow], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TICKERS, frames, received)
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

    def _take_quotes(self, pairs: list[tuple[str, BookRow]], frames: Array, received: Array, parsed: Parsed) -> None:
        bids = [book.bids[0] if book.bids else None for _, book in pairs]
        asks = [book.asks[0] if book.asks else None for _, book in pairs]
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [inst_id for inst_id, _ in pairs])
        for name, levels in (("bid", bids), ("ask", asks)):
            rows.figures(name, [None if level is None else level[0] for level in levels], zero_is_null=True)
            rows.figures(f"{name}_size", [None if level is None else level[1] for level in levels])
        rows.counted_times([book.ts for _, book in pairs], MS_NS)
        rows.put("source", np.full(len(pairs), int(QuoteSource.QUOTE)))
        rows.finish(parsed)

    def _take_books(self, messages: list[BookMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        add_book_messages(messages, self._codes, frames, received, parsed)

    def _take_bars(self, pairs: list[tuple[str, Candle]], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(BARS, frames, received)
        rows.instruments(self._codes, [inst_id for inst_id, _ in pairs])
        put_bars(rows, [bar for _, bar in pairs], 60)
        rows.volumes("volume", [bar[6] if is_contract(inst_id) else bar[5] for inst_id, bar in pairs])
        rows.finish(parsed)


def put_bars(rows: Rows, bars: Sequence[Candle], interval_s: int) -> None:
    """Add the columns of bars, all but the instrument and the volume."""
    rows.counted_times([bar[0] for bar in bars], MS_NS, "start")
    rows.put("interval", np.full(len(bars), interval_s))
    for place, name in enumerate(("open", "high", "low", "close"), start=1):
        rows.positive(name, [float(bar[place]) for bar in bars])
    rows.put("vwap", np.full(len(bars), np.nan))
    rows.put("trades", np.full(len(bars), NULL_INT))


def _take_instruments(instruments: list[InstrumentRow], frames: Array, received: Array, parsed: Parsed) -> None:
    for one in instruments:
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
