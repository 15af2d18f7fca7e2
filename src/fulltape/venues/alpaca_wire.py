"""Alpaca's crypto messages: what each looks like, and how a frame becomes some.

https://docs.alpaca.markets/docs/real-time-crypto-pricing-data. Every frame is an array of messages of any types, as
JSON text or as msgpack. Prices and sizes are numbers; times are RFC 3339 text, in msgpack its own timestamps.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.records import AggressorSide
from fulltape.records.columns import NULL_INT
from fulltape.venues.base import Channel
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


class Success(_Message, frozen=True, tag="success"):
    """A step of signing on is done: ``{"T":"success","msg":"connected"}``."""

    msg: str


class Error(_Message, frozen=True, tag="error"):
    """``{"T":"error","code":406,"msg":"connection limit exceeded"}``."""

    code: int
    msg: str = ""


class Subscribed(_Message, frozen=True, tag="subscription", rename="camel"):
    """All that the connection receives, symbols by channel; it comes with every change."""

    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    updated_bars: list[str] = []
    daily_bars: list[str] = []
    orderbooks: list[str] = []


class Typed(msgspec.Struct, frozen=True):
    """The type of any message."""

    T: str


Row = TradeRow | QuoteRow | BarRow | UpdatedBarRow | DailyBarRow | BookRow | Success | Error | Subscribed


class Codec:
    """The decoders of one encoding: a whole frame, its parts, a part, and the type of a part."""

    def __init__(self, name: str, decoder: Callable[[Any], Any]) -> None:
        self.name = name
        self.frame: Callable[[bytes], list[Any]] = decoder(list[Row]).decode
        self.raws: Callable[[bytes], list[msgspec.Raw]] = decoder(list[msgspec.Raw]).decode
        self.row: Callable[[msgspec.Raw], Any] = decoder(Row).decode
        self.typed: Callable[[msgspec.Raw], Typed] = decoder(Typed).decode


JSON: Final = Codec("json", msgspec.json.Decoder)
MSGPACK: Final = Codec("msgpack", msgspec.msgpack.Decoder)
TYPES: Final = frozenset({"t", "q", "b", "u", "d", "o", "success", "error", "subscription"})
ARRAYS: Final = frozenset(bytes((first,)) for first in (*range(0x90, 0xA0), 0xDC, 0xDD))
"""First bytes of msgpack arrays; none of them begins a JSON text."""


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
