"""Coinbase Exchange's feed: the parser that turns its messages into columns."""

from __future__ import annotations

import numpy as np

from fulltape.records import AUCTIONS, HEARTBEATS, RFQ_MATCHES, TICKERS, TRADES, Array, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Parsed, Symbols
from fulltape.venues.coinbase_wire import (
    TAKER,
    TAKER_OF_MAKER,
    AuctionMessage,
    BookMessage,
    ErrorMessage,
    HeartbeatMessage,
    LastMatch,
    Match,
    Message,
    RfqMessage,
    SnapshotMessage,
    StatusMessage,
    SubscriptionsMessage,
    TickerMessage,
    Unused,
    UpdateMessage,
    decode,
    decode_carefully,
)
from fulltape.venues.feed import FeedParser, Takers, ignore
from fulltape.venues.levels import BookMessages, add_book, followed_codes, levels_of
from fulltape.venues.rows import Codes, Rows, is_plausible
from fulltape.venues.times import parse_times


class CoinbaseParser(FeedParser):
    """Turns the frames of one connection into columns. Remembers the last good book time of each product."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origins = {
            Match: int(Origin.REPLAY if connection.replay else Origin.LIVE),
            LastMatch: int(Origin.SNAPSHOT),
        }
        self._book_times: dict[int, int] = {}
        takers: Takers = (
            ((Match, LastMatch), self._take_trades),
            ((UpdateMessage, SnapshotMessage), self._take_book),
            ((TickerMessage,), self._take_tickers),
            ((HeartbeatMessage,), self._take_heartbeats),
            ((RfqMessage,), self._take_rfq),
            ((AuctionMessage,), self._take_auctions),
            ((StatusMessage,), _take_status),
            ((SubscriptionsMessage, ErrorMessage), _take_controls),
        )
        super().__init__(decode, takers)

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> Message | None:
        """Return the message of a frame, of a book one without its bad levels."""
        message = decode_carefully(payload)
        if isinstance(message, Unused):
            ignore(message.type, parsed)
            return None
        return message

    def _take_trades(self, messages: list[Match], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [m.product_id for m in messages])
        rows.ids("trade_id", [m.trade_id for m in messages])
        rows.positive("price", [m.price for m in messages])
        rows.positive("size", [m.size for m in messages])
        rows.put("aggressor_side", [TAKER_OF_MAKER[m.side] for m in messages])
        rows.times([m.time for m in messages])
        rows.put("origin", [self._origins[type(m)] for m in messages])
        rows.finish(parsed)

    def _take_tickers(self, messages: list[TickerMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TICKERS, frames, received)
        rows.instruments(self._codes, [m.product_id for m in messages])
        rows.put("sequence", [NULL_INT if m.sequence is None else m.sequence for m in messages])
        rows.ids("trade_id", [m.trade_id for m in messages])
        rows.positive("price", [m.price for m in messages])
        rows.figures("size", [m.last_size for m in messages])
        rows.put("aggressor_side", [TAKER[m.side] for m in messages])
        # A side of the book that is empty has price 0.
        rows.figures("bid", [m.best_bid for m in messages], zero_is_null=True)
        rows.figures("bid_size", [m.best_bid_size for m in messages])
        rows.figures("ask", [m.best_ask for m in messages], zero_is_null=True)
        rows.figures("ask_size", [m.best_ask_size for m in messages])
        rows.figures("open_24h", [m.open_24h for m in messages], zero_is_null=True)
        rows.figures("high_24h", [m.high_24h for m in messages], zero_is_null=True)
        rows.figures("low_24h", [m.low_24h for m in messages], zero_is_null=True)
        rows.figures("volume_24h", [m.volume_24h for m in messages])
        rows.figures("volume_30d", [m.volume_30d for m in messages])
        rows.times([m.time for m in messages])
        rows.finish(parsed)

    def _take_heartbeats(
        self, messages: list[HeartbeatMessage], frames: Array, received: Array, parsed: Parsed
    ) -> None:
        rows = Rows(HEARTBEATS, frames, received)
        rows.instruments(self._codes, [m.product_id for m in messages])
        rows.put("sequence", [m.sequence for m in messages])
        rows.put("last_trade_id", [m.last_trade_id for m in messages])
        rows.times([m.time for m in messages])
        rows.finish(parsed)

    def _take_rfq(self, messages: list[RfqMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(RFQ_MATCHES, frames, received)
        rows.instruments(self._codes, [m.product_id for m in messages])
        rows.ids("trade_id", [m.trade_id for m in messages])
        rows.positive("price", [m.price for m in messages])
        rows.positive("size", [m.size for m in messages])
        rows.put("side", [m.side for m in messages])
        rows.times([m.time for m in messages])
        rows.finish(parsed)

    def _take_auctions(self, messages: list[AuctionMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(AUCTIONS, frames, received)
        rows.instruments(self._codes, [m.product_id for m in messages])
        rows.put("sequence", [m.sequence for m in messages])
        rows.put("auction_state", [m.auction_state for m in messages])
        rows.figures("best_bid", [m.best_bid_price for m in messages], zero_is_null=True)
        rows.figures("best_bid_size", [m.best_bid_size for m in messages])
        rows.figures("best_ask", [m.best_ask_price for m in messages], zero_is_null=True)
        rows.figures("best_ask_size", [m.best_ask_size for m in messages])
        rows.figures("open_price", [m.open_price for m in messages], zero_is_null=True)
        rows.figures("open_size", [m.open_size for m in messages])
        rows.put("can_open", [m.can_open == "yes" for m in messages])
        rows.times([m.timestamp for m in messages])
        rows.finish(parsed)

    def _take_book(self, messages: list[BookMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        kept, codes = followed_codes([m.product_id for m in messages], self._codes, frames, parsed)
        if not len(kept):
            return
        followed = messages if len(kept) == len(messages) else [messages[place] for place in kept.tolist()]
        received = received[kept]
        book = BookMessages(
            frames=frames[kept],
            codes=codes,
            event_times=self._book_event_times(codes, [m.time for m in followed], received),
            received=received,
            is_snapshot=np.array([type(m) is SnapshotMessage for m in followed], np.bool_),
            levels=levels_of([m.levels() for m in followed]),
        )
        add_book(book, parsed)

    def _book_event_times(self, codes: Array, texts: list[str], received: Array) -> Array:
        """Return the times of book messages, none of which is given up for its time: its levels are true all the same.

        Without a time it gets our own; with an impossible one (year 0001 occurs) the product's previous time.
        """
        times = parse_times(texts)
        is_good = is_plausible(times, received)
        if is_good.all():
            self._book_times.update(zip(codes.tolist(), times.tolist(), strict=True))
            return times
        for row, code in enumerate(codes.tolist()):
            if is_good[row]:
                self._book_times[code] = int(times[row])
            elif texts[row]:
                times[row] = self._book_times.get(code, received[row])
            else:
                times[row] = received[row]
        return times


def _take_status(messages: list[StatusMessage], frames: Array, received: Array, parsed: Parsed) -> None:
    for message in messages:
        parsed.instruments.extend(product.instrument() for product in message.products)


def _take_controls(
    messages: list[SubscriptionsMessage | ErrorMessage], frames: Array, received: Array, parsed: Parsed
) -> None:
    parsed.controls.extend(zip(frames.tolist(), (message.control() for message in messages), strict=True))
