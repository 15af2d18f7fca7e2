"""Coinbase Exchange's WebSocket messages: what each looks like, and how a frame becomes one.

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, cast, get_args

import msgspec

from fulltape.errors import MalformedFrame
from fulltape.records import AggressorSide, Instrument, instrument_id
from fulltape.venues.base import Acknowledged, Channel, Refused
from fulltape.venues.levels import ASK, BID, Level

NAME: Final = "COINBASE"
CHANNEL_NAMES: Final = {
    Channel.TRADES: "matches",
    Channel.TICKERS: "ticker",
    Channel.TICKERS_BATCHED: "ticker_batch",
    Channel.BOOK: "level2_batch",
    Channel.BOOK_FULL: "level2",
    Channel.HEARTBEATS: "heartbeat",
    Channel.RFQ: "rfq_matches",
    Channel.AUCTIONS: "auctionfeed",
    Channel.STATUS: "status",
}
"""The venue's names of channels, as they are subscribed to."""

# Two channels are acknowledged under another name than they are asked for.
_CHANNELS: Final = {
    **{name: channel for channel, name in CHANNEL_NAMES.items()},
    "ticker_1000": Channel.TICKERS_BATCHED,
    "level2_50": Channel.BOOK,
}
_PASSING_ERRORS: Final = ("ErrSlow", "rate limit", "internal")

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Side = Literal["buy", "sell"]
Change = tuple[Side, float, float]
# Plain integers, as NumPy takes them in half the time of enum members.
TAKER: Final = {"buy": int(AggressorSide.BUY), "sell": int(AggressorSide.SELL), None: int(AggressorSide.UNKNOWN)}
# `match.side` is the maker's: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#match
TAKER_OF_MAKER: Final = {"buy": int(AggressorSide.SELL), "sell": int(AggressorSide.BUY)}
_BOOK_SIDE: Final = {"buy": BID, "sell": ASK}


class Match(msgspec.Struct, frozen=True, gc=False, tag="match"):
    """A trade; ``side`` is the maker's.

    ``{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac92…","taker_order_id":"132f…",
    "time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}``
    """

    trade_id: Id
    product_id: str
    side: Side
    size: float
    price: float
    time: str


class LastMatch(Match, frozen=True, gc=False, tag="last_match"):
    """The newest trade before the subscription; the same fields."""


class TickerMessage(msgspec.Struct, frozen=True, gc=False, tag="ticker"):
    """Sent by ticker and ticker_batch; ``side`` is the taker's.

    ``{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22","open_24h":"1310.79",
    "volume_24h":"245532.79","low_24h":"1280.52","high_24h":"1313.8","volume_30d":"9788783.6","best_bid":"1285.04",
    "best_bid_size":"0.46","best_ask":"1285.27","best_ask_size":"1.56","side":"buy",
    "time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.46"}``
    """

    product_id: str
    trade_id: Id
    price: float
    time: str
    sequence: Id | None = None
    side: Side | None = None
    last_size: float | None = None
    best_bid: float | None = None
    best_bid_size: float | None = None
    best_ask: float | None = None
    best_ask_size: float | None = None
    open_24h: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None
    volume_24h: float | None = None
    volume_30d: float | None = None


class HeartbeatMessage(msgspec.Struct, frozen=True, gc=False, tag="heartbeat"):
    """Once a second and product.

    ``{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}``
    """

    product_id: str
    sequence: Id
    last_trade_id: Id
    time: str


class SnapshotMessage(msgspec.Struct, frozen=True, gc=False, tag="snapshot"):
    """The whole book: ``{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45"]],"asks":[…]}``."""

    product_id: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    time: str = ""

    def levels(self) -> list[Level]:
        """Return all levels, bids first."""
        return [(BID, *level) for level in self.bids] + [(ASK, *level) for level in self.asks]


class UpdateMessage(msgspec.Struct, frozen=True, gc=False, tag="l2update"):
    """New sizes of levels; 0 removes one.

    ``{"type":"l2update","product_id":"BTC-USD","time":"2022-08-04T15:25:05.010758Z",
    "changes":[["buy","22356.270000","0.00000000"],["buy","22356.300000","1.00000000"]]}``
    """

    product_id: str
    changes: list[Change]
    time: str = ""

    def levels(self) -> list[Level]:
        """Return the changed levels."""
        return [(_BOOK_SIDE[side], price, size) for side, price, size in self.changes]


class RfqMessage(msgspec.Struct, frozen=True, gc=False, tag="rfq_match"):
    """An off-book print: ``{"type":"rfq_match","trade_id":30,…,"side":"sell"}``, else like a match."""

    product_id: str
    trade_id: Id
    side: str
    size: float
    price: float
    time: str


class AuctionMessage(msgspec.Struct, frozen=True, gc=False, tag="auction"):
    """The state of an auction. The time is called ``timestamp`` here.

    ``{"type":"auction","product_id":"LTC-USD","sequence":3262786978,"auction_state":"collection",
    "best_bid_price":"333.98","best_bid_size":"4.39","best_ask_price":"333.99","best_ask_size":"25.23",
    "open_price":"333.99","open_size":"0.193","can_open":"yes","timestamp":"2015-11-14T20:46:03.511254Z"}``
    """

    product_id: str
    sequence: Id
    auction_state: str
    timestamp: str
    best_bid_price: float | None = None
    best_bid_size: float | None = None
    best_ask_price: float | None = None
    best_ask_size: float | None = None
    open_price: float | None = None
    open_size: float | None = None
    can_open: str = ""


class Product(msgspec.Struct, frozen=True):
    """A product of the status channel or of ``GET /products``."""

    id: str
    base_currency: str
    quote_currency: str
    base_increment: float = 0.0
    quote_increment: float = 0.0
    status: str = "online"

    def instrument(self) -> Instrument:
        """Return it in fulltape's terms."""
        return Instrument(
            id=instrument_id(self.base_currency, self.quote_currency, NAME),
            venue=NAME,
            venue_symbol=self.id,
            base=self.base_currency,
            quote=self.quote_currency,
            price_step=self.quote_increment,
            size_step=self.base_increment,
            status=self.status,
        )


class StatusMessage(msgspec.Struct, frozen=True, gc=False, tag="status"):
    """All products, now and then."""

    products: list[Product]


class _ChannelList(msgspec.Struct, frozen=True):
    name: str
    product_ids: list[str] | None = None


class SubscriptionsMessage(msgspec.Struct, frozen=True, gc=False, tag="subscriptions"):
    """Everything that the connection now receives.

    ``{"type":"subscriptions","channels":[{"name":"level2_50","product_ids":["BTC-USD"],"account_ids":null}]}``
    """

    channels: list[_ChannelList]

    def control(self) -> Acknowledged:
        """Return it by channel; channels that fulltape never asks for are left out."""
        lists = [(_CHANNELS.get(one.name), one.product_ids) for one in self.channels]
        return Acknowledged({channel: frozenset(ids or ()) for channel, ids in lists if channel is not None})


class ErrorMessage(msgspec.Struct, frozen=True, gc=False, tag="error"):
    """A refusal: ``{"type":"error","message":"Failed to subscribe","reason":"LOOM-USDC is delisted"}``."""

    message: str
    reason: str = ""

    def control(self) -> Refused:
        """Return it with the venue's words."""
        words = f"{self.message}: {self.reason}" if self.reason else self.message
        return Refused(words, is_final=not any(sign in words for sign in _PASSING_ERRORS))


class _Head(msgspec.Struct, frozen=True):
    type: str


class _LooseSnapshot(msgspec.Struct, frozen=True):
    product_id: str
    bids: list[Any]
    asks: list[Any]
    time: str = ""


class _LooseUpdate(msgspec.Struct, frozen=True):
    product_id: str
    changes: list[Any]
    time: str = ""


class Unused(msgspec.Struct, frozen=True):
    """Stands for a frame of a type that fulltape knows of but does not use."""

    type: str


BookMessage = SnapshotMessage | UpdateMessage
Message = (
    Match
    | LastMatch
    | TickerMessage
    | HeartbeatMessage
    | SnapshotMessage
    | UpdateMessage
    | RfqMessage
    | AuctionMessage
    | StatusMessage
    | SubscriptionsMessage
    | ErrorMessage
)

# Sent on channels (full, level3) and occasions that fulltape never asks for.
_UNUSED_TYPES: Final = frozenset(
    ("received", "open", "done", "change", "activate", "full", "level3", "noop", "unsubscribe")
)
_USED_TYPES: Final = frozenset(kind.__struct_config__.tag for kind in get_args(Message))

UNDECODABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What `decode` raises: ValueError for bad UTF-8 and endless digits, RecursionError for endless nesting."""

decode: Final[Callable[[bytes], Message]] = msgspec.json.Decoder(Message, strict=False).decode
"""Return the message in a frame: the fast way, for frames that are as they should be."""

_decode_head = msgspec.json.Decoder(_Head).decode
_decode_loose_snapshot = msgspec.json.Decoder(_LooseSnapshot).decode
_decode_loose_update = msgspec.json.Decoder(_LooseUpdate).decode


def decode_carefully(payload: bytes) -> Message | Unused:
    """Return the message in a frame, or raise MalformedFrame that says what is wrong with it.

    Of a book message in which single levels are no numbers, those come as NaN.
    """
    try:
        return decode(payload)
    except UNDECODABLE as error:
        problem = str(error)
    try:
        kind = _decode_head(payload).type
    except UNDECODABLE:
        raise MalformedFrame("malformed_json", problem) from None
    if kind in _UNUSED_TYPES:
        return Unused(kind)
    if kind not in _USED_TYPES:
        raise MalformedFrame("unknown_type", kind[:100])
    try:
        return _decode_by_level(kind, payload)
    except UNDECODABLE:
        raise MalformedFrame("bad_field", problem) from None


def _decode_by_level(kind: str, payload: bytes) -> BookMessage:
    if kind == "snapshot":
        whole = _decode_loose_snapshot(payload)
        bids, asks = ([_pair(level) for level in side] for side in (whole.bids, whole.asks))
        return SnapshotMessage(whole.product_id, bids, asks, whole.time)
    if kind == "l2update":
        update = _decode_loose_update(payload)
        return UpdateMessage(update.product_id, [_change(level) for level in update.changes], update.time)
    raise ValueError(f"{kind} has no levels")


def _pair(level: Any) -> tuple[float, float]:
    try:
        return msgspec.convert(level, tuple[float, float], strict=False)
    except msgspec.ValidationError:
        return (math.nan, math.nan)


def _change(level: Any) -> Change:
    try:
        return cast("Change", msgspec.convert(level, Change, strict=False))
    except msgspec.ValidationError:
        return ("buy", math.nan, math.nan)
