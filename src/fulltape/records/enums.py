"""The closed vocabularies. The number is what is stored; the name is what people see."""

from __future__ import annotations

import enum


class AggressorSide(enum.IntEnum):
    """Which side took liquidity: always the taker's, whatever the venue reports."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class Origin(enum.IntEnum):
    """How a record reached us."""

    LIVE = 0
    SNAPSHOT = 1  # sent by the venue on subscribing: it happened before we listened
    REFILL = 2  # fetched from the venue's history to fill a hole
    REPLAY = 3  # read back from a recording
    IMPORT = 4  # brought by somebody in a file or a request


class BookSide(enum.IntEnum):
    """A side of the book."""

    BID = 1
    ASK = 2


class QuoteSource(enum.IntEnum):
    """What a quote was read from."""

    BOOK = 0  # the top of a book kept from snapshot and deltas
    TICKER = 1  # a ticker message: refreshed on trades only, so it can be stale
    QUOTE = 2  # the venue's own quote feed


class CandleSource(enum.IntEnum):
    """What a candle was made from."""

    TRADES = 0
    VENUE_BAR = 1
    POLL = 2


class EmptyReason(enum.IntEnum):
    """Why a candle has no trades."""

    NONE = 0  # it has trades
    QUIET = 1  # we listened, and nobody traded
    GAP = 2  # trades are known to be missing
    VENUE_DOWN = 3  # we were not connected
    NOT_FOLLOWED = 4  # nobody wanted the instrument then


class CoverageState(enum.IntEnum):
    """What the ledger says of a stretch of time."""

    COMPLETE = 0
    GAP = 1
    DOWN = 2
    REFILLED = 3
    NOT_FOLLOWED = 4


class BarBasis(enum.IntEnum):
    """What closes an activity bar."""

    TICKS = 0  # a number of trades
    VOLUME = 1  # units of the base currency
    VALUE = 2  # units of the quote currency: dollar bars


class AlertKind(enum.IntEnum):
    """What an alert is about."""

    OTHER = 0
    MOVE = 1  # a price went far
    OPPORTUNITY = 2  # something can be had cheaper than it is paid for elsewhere
    RISK = 3  # data is missing, or the market is wild


class AlertState(enum.IntEnum):
    """Whether a rule began or ceased to hold."""

    RAISED = 1
    CLEARED = 2
