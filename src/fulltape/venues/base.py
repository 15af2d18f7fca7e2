"""The contract of a venue file: everything that is particular to a venue, and nothing that does I/O.

A venue file is pure. It says which frames to send, turns frames into columns, and *describes* history requests.
It opens no socket, reads no clock and holds no global state; the session, the REST client, the replayer and the
engine drive it, and the same parser serves live data and recordings.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlencode

import msgspec
from sortedcontainers import SortedDict

from fulltape.records import Array, Batch, Instrument, Schema
from fulltape.records.frames import Connection

SIMULATED_HEADER: Final = "Fulltape-Simulated"
"""Header with value 1 by which a server says that its prices are made up, in handshakes and REST answers alike."""


class Channel(enum.StrEnum):
    """What can be subscribed to, under one name for every venue."""

    TRADES = "trades"
    TRADES_ALL = "trades_all"  # every match on its own, of a venue whose `trades` merges those of one order
    QUOTES = "quotes"
    TICKERS = "tickers"
    TICKERS_BATCHED = "tickers_batched"
    BOOK = "book"
    BOOK_FULL = "book_full"
    BARS = "bars"  # of one minute
    HEARTBEATS = "heartbeats"
    RFQ = "rfq"
    AUCTIONS = "auctions"
    STATUS = "status"
    BARS_UPDATED = "bars_updated"  # one-minute bars again, after late trades
    BARS_DAILY = "bars_daily"  # the bar of the day so far
    COINS = "coins"  # what an aggregator says of whole coins


WITH_TRADES: Final = frozenset({Channel.TRADES, Channel.TRADES_ALL})
"""The channels that bring trades; the ledger knows all of them as `trades`."""


class IdRule(enum.Enum):
    """What a venue's trade ids promise, per instrument."""

    CONTIGUOUS = "contiguous"  # id + 1 follows id: a jump is a hole
    INCREASING = "increasing"  # grows, but skips: tells order and duplicates, not holes
    OPAQUE = "opaque"  # tells duplicates only


class Paging(enum.Enum):
    """How a venue's trade history is paged through: what the cursor of `Venue.trades_request` is."""

    NEWEST = "newest"  # only the newest trades can be had: there is no cursor
    BACK_BY_ID = "back by id"  # older trades than a trade id
    BACK_BY_TIME = "back by time"  # trades up to a time, RFC 3339; those of that time come again
    FORWARD = "forward"  # trades after a time, ns since 1970


class HistorySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue gives of its past: bars of these intervals (s), so many at once, and trades.

    ``bars_kept`` is set where only the newest so many bars can be had, whatever is asked for.
    """

    bars: tuple[int, ...] = ()
    bars_at_once: int = 1
    bars_kept: int | None = None
    trades: Paging = Paging.NEWEST


class Credentials(msgspec.Struct, frozen=True):
    """Keys of an account, read from the environment. Never logged: its repr shows no value."""

    key: str
    secret: str = ""
    passphrase: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"


class RestLimits(msgspec.Struct, frozen=True):
    """How often the venue's REST interface may be asked."""

    requests_per_s: float
    burst: int


class Keepalive(msgspec.Struct, frozen=True):
    """What must be sent regularly for a connection to be kept open, and how often (s)."""

    payload: bytes
    every_s: float


class Polling(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue without a stream is asked: every ``every_s``, or less often when the day's credits would not last.

    Credits run from 00:00 UTC to 00:00 UTC. Polls leave ``reserve`` of them alone, for what people ask in between.
    """

    every_s: float
    credits_per_day: int
    reserve: int


BookChecksum = Callable[[SortedDict, SortedDict, int, int], int | None]
"""Bids, asks, decimals of prices and of sizes in, the venue's checksum out; None where floats do not tell."""


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of a venue. Durations are seconds."""

    name: str
    ws_url: str
    rest_url: str
    hosts: tuple[str, ...]
    channels: frozenset[Channel]
    keyed_channels: frozenset[Channel]
    default_channels: tuple[Channel, ...]
    default_symbols: tuple[str, ...]
    trade_ids: IdRule
    rest_limits: RestLimits
    max_messages_per_s: float
    silence_s: float
    """A connection that says nothing for so long is dead."""
    stale_s: float
    """An instrument without any frame for so long is stale, though its connection lives."""
    history: HistorySpec = HistorySpec()
    max_symbols: int = 200
    """The most symbols that one connection follows; more are spread over several."""
    lists_all: bool = True
    """Whether its list of instruments holds all that can be followed: what is missing in it does then not exist."""
    channel_urls: Mapping[Channel, str] = {}
    """Channels that are served at another address than ``ws_url``: they need a connection of their own."""
    keepalive: Keepalive | None = None
    books_by_rest: bool = False
    """Books begin with a snapshot asked for by `Venue.book_request`, not with one that the stream sends."""
    book_depth: int | None = None
    """Levels a side that the venue keeps up to date: it does not tell what falls out of them. None: all."""
    book_checksum: BookChecksum | None = None
    """Computes the checksum that the venue sends along with a book."""
    contract_kinds: frozenset[str] = frozenset()
    """Kinds of record whose sizes count contracts where the instrument is one; the engine turns them into base units.

    Until the venue has told how much a contract is, such records are rejected and connections wait for the list of
    instruments.
    """
    more_instruments: tuple[RestRequest, ...] = ()
    """Further lists of instruments besides `Venue.instruments_request`, with answers of the same form."""
    signs: tuple[bytes, ...] = ()
    """What only frames of this venue contain: it tells whose a recording is that names no address."""
    credential_variables: tuple[str, ...] = ()
    """Environment variables for key, secret and passphrase."""
    credential_headers: tuple[str, ...] = ()
    """Headers in which REST requests carry key, secret and passphrase, for a venue that takes them so."""
    sign_on_frames: int = 0
    """So many of the frames that subscribe sign on first: each waits for the parser's `Invited`, then come the rest."""
    polling: Polling | None = None
    """Set for a venue without a stream, which is a `PolledVenue`; its ``ws_url`` is empty."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one connection asks for."""

    channels: tuple[Channel, ...]
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The venue confirmed: the full list that the connection now receives, symbols by channel."""

    channels: Mapping[Channel, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no. ``is_final`` tells whether asking again the same way is pointless.

    The venue is left alone for at least ``wait_s`` before it is asked again.
    """

    reason: str
    is_final: bool
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Invited:
    """The venue waits for the next step of signing on: frame ``step`` of those that subscribe, counted from 0.

    The step after the last of `VenueSpec.sign_on_frames` is everything that follows them.
    """

    step: int


Control = Acknowledged | Refused | Invited


@dataclass(frozen=True, slots=True)
class Reject:
    """One frame, or part of one, that did not become records. ``frame`` is its index in the call."""

    frame: int
    reason: str
    detail: str


@dataclass(slots=True)
class Parsed:
    """What a call of `Parser.parse` made of its frames.

    ``batches`` has at most one batch per kind, its rows in order of arrival; ``frames[kind][i]`` is the index of the
    frame that row i came from, so rows of different kinds can be put back in order. ``controls`` carry their frame's
    index. ``ignored`` counts frames of types the parser knows of but does not use, by type.
    """

    batches: dict[str, Batch] = field(default_factory=dict)
    frames: dict[str, Array] = field(default_factory=dict)
    controls: list[tuple[int, Control]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    instruments: list[Instrument] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)


class Symbols(Protocol):
    """Turns a venue's own symbol into an instrument code while parsing."""

    def code_of(self, venue_symbol: str) -> int | None:
        """Return the code, or None for a symbol that nobody asked for: the row is then rejected."""
        ...


class Parser(Protocol):
    """Frames of one connection in, columns out. One parser per connection: it may remember earlier frames.

    Where a venue's stream needs answers from its REST interface (``books_by_rest``), or where there is nothing but
    answers (`PolledVenue`), these come as frames too, in order with the others, as `answer_frame` makes them. So
    recordings hold them and replays need nothing else.
    """

    def parse(self, payloads: Sequence[bytes], ingest_times: Sequence[int]) -> Parsed:
        """Turn frames into columns. Sizes are counted as the venue counts them; see `VenueSpec.contract_kinds`.

        Never raises for what a venue sent: a bad frame, or the bad part of one, becomes a `Reject`. How frames are
        split over calls changes nothing in the rows that come out.
        """
        ...


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request that the REST client performs; keys are not part of it, the client adds them.

    ``body`` is JSON text. ``base_url`` names another of the venue's servers than the one the client asks; it counts
    only where the client asks the venue itself and not a stand-in for it. At a venue that counts credits an answer
    takes so many ``credits``.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""
    base_url: str = ""
    credits: int = 1


def answer_frame(request: RestRequest, body: bytes) -> bytes:
    """Return the frame that stands for an answer: what was asked, a newline, ``body``.

    What was asked is ``GET /depth?symbol=BTCUSDT``, or ``POST /coins/map {"codes":["BTC"]}`` with the request's body.
    """
    asked = f"{request.method} {request.path}"
    if request.query:
        asked += f"?{urlencode(request.query)}"
    return b" ".join(part for part in (asked.encode(), request.body) if part) + b"\n" + body


@dataclass(frozen=True, slots=True)
class TradesPage:
    """One page of trade history, newest first as venues send it, turned oldest first.

    ``older`` is the cursor of the next older page, or None when this was the oldest. ``newer`` is that of the next
    newer one, or None when this was the newest, where the venue pages forward.
    """

    trades: Batch
    older: str | None
    newer: str | None = None


class Venue(Protocol):
    """One venue. Instances are stateless and shared."""

    spec: VenueSpec

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return the frames that subscribe, in order. Raises ConfigError for what the venue does not offer."""
        ...

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return the frames that end a subscription."""
        ...

    def parser(self, symbols: Symbols, connection: Connection) -> Parser:
        """Return a parser for one connection. Of a replayed connection trades have origin REPLAY instead of LIVE."""
        ...

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of a symbol as far as the symbol alone tells. Raises ValueError if it is not one."""
        ...

    def instruments_request(self) -> RestRequest:
        """Describe the request for all instruments."""
        ...

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse its answer. Raises MalformedFrame."""
        ...

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe the request for the page of trades at a cursor, see `Paging`; the newest if None."""
        ...

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse its answer; origin is REFILL. Raises MalformedFrame."""
        ...

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe the request for the venue's bars with start <= bar < end.

        Raises ConfigError for an interval the venue does not have or a range over its page size.
        """
        ...

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse its answer into bars, oldest first. Raises MalformedFrame."""
        ...

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the request for the whole L2 book; with ``books_by_rest`` its answer is a frame, see `Parser`."""
        ...


@runtime_checkable
class PolledVenue(Venue, Protocol):
    """A venue without a stream: its answers to `polls` are its frames, see `answer_frame`. ``spec.polling`` is set.

    Its history is not of bars but of single moments, each of which takes a request.
    """

    def polls(self, subscription: Subscription) -> list[RestRequest]:
        """Describe what to ask in every round. Raises ConfigError for what the venue does not offer."""
        ...

    def credits_request(self) -> RestRequest:
        """Describe the request for what is left of the day's credits."""
        ...

    def parse_credits(self, body: bytes) -> int:
        """Return how many are left. Raises MalformedFrame."""
        ...

    def history_times(self, start_ns: int, end_ns: int) -> Sequence[int]:
        """Return the moments with start <= moment < end of which history is kept, oldest first."""
        ...

    def history_request(self, venue_symbol: str, time_ns: int) -> RestRequest:
        """Describe the request for how an instrument stood at one of those moments."""
        ...

    def parse_history(self, body: bytes, code: int, time_ns: int, ingest_time: int) -> Batch:
        """Return the one row (`fulltape.records.COINS`, origin REFILL) of that moment, none if the venue has none.

        Raises MalformedFrame.
        """
        ...


def columns_of(schema: Schema, parsed: Parsed) -> Batch:
    """Return the batch of one kind, empty if there was none."""
    return parsed.batches.get(schema.name) or schema.empty()
