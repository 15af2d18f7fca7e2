"""Records: every kind that fulltape stores or sends, defined once."""

from __future__ import annotations

from typing import Final

from fulltape.records.alert import ALERTS, Alert
from fulltape.records.batch import Array, Batch, Schema
from fulltape.records.book import BOOK_DELTAS, BookDelta
from fulltape.records.candle import BARS, CANDLES, Bar, Candle
from fulltape.records.coin import COINS, Coin
from fulltape.records.commit import Commit
from fulltape.records.coverage import COVERAGE, Coverage
from fulltape.records.duplicate import DUPLICATES, Duplicate
from fulltape.records.enums import (
    AggressorSide,
    AlertKind,
    AlertState,
    BarBasis,
    BookSide,
    CandleSource,
    CoverageState,
    EmptyReason,
    Origin,
    QuoteSource,
)
from fulltape.records.instrument import Instrument, InstrumentTable, instrument_id
from fulltape.records.last import LAST_VALUES, Last
from fulltape.records.quote import QUOTES, Quote
from fulltape.records.quote_statistic import DEPTHS, QUOTE_STATS, Depth, QuoteStat
from fulltape.records.rare import (
    AUCTIONS,
    DEAD_LETTERS,
    HEARTBEATS,
    RFQ_MATCHES,
    Auction,
    DeadLetter,
    Heartbeat,
    RfqMatch,
)
from fulltape.records.statistic import (
    ACTIVITY_BARS,
    STATS,
    TICK_STATS,
    WINDOWS,
    ActivityBar,
    Stat,
    TickStat,
    Window,
)
from fulltape.records.ticker import TICKERS, Ticker
from fulltape.records.trade import TRADES, Trade

STORED: Final = (
    TRADES,
    QUOTES,
    TICKERS,
    CANDLES,
    BARS,
    COINS,
    LAST_VALUES,
    COVERAGE,
    DUPLICATES,
    STATS,
    WINDOWS,
    ACTIVITY_BARS,
    QUOTE_STATS,
    DEPTHS,
    ALERTS,
    RFQ_MATCHES,
    AUCTIONS,
    DEAD_LETTERS,
)
"""The kinds that have a table, in the order in which documentation lists them."""

__all__ = [
    "ACTIVITY_BARS", "ALERTS", "AUCTIONS", "BARS", "BOOK_DELTAS", "CANDLES", "COINS", "COVERAGE", "DEAD_LETTERS",
    "DEPTHS", "DUPLICATES", "HEARTBEATS", "LAST_VALUES", "QUOTES", "QUOTE_STATS", "RFQ_MATCHES", "STATS", "STORED",
    "TICKERS", "TICK_STATS", "TRADES", "WINDOWS", "ActivityBar", "AggressorSide", "Alert", "AlertKind",
    "AlertState", "Array", "Auction", "Bar", "BarBasis", "Batch", "BookDelta", "BookSide", "Candle", "CandleSource",
    "Coin", "Commit", "Coverage", "CoverageState", "DeadLetter", "Depth", "Duplicate", "EmptyReason", "Heartbeat",
    "Instrument", "InstrumentTable", "Last", "Origin", "Quote", "QuoteSource", "QuoteStat", "RfqMatch", "Schema",
    "Stat", "TickStat", "Ticker", "Trade", "Window", "instrument_id",
]  # fmt: skip
