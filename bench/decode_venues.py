"""Every venue's trades and changes of books to columns, on one core, 1,000 frames a call.

Trades are measured beside cryptofeed and ccxt where they have the venue.

The peers get the same trades: ccxt the very frames after `json.loads`, cryptofeed these or, where it speaks an older
protocol (Coinbase, Kraken) or reads merged trades (Binance), the same trades in that form. ccxt cannot parse a row of
Kraken's stream with `parse_trade`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, Final

from bench.report import Result, best_cpu_rate, print_table
from bench.venue_frames import VENUES, Words, prints

from fulltape.engine.interpreter import tuned
from fulltape.records.frames import Connection
from fulltape.venues.registry import venue

_COUNT: Final = 40_000
_PEER_COUNT: Final = 10_000
_BATCH: Final = 1_000
_LEVELS: Final = 10
_REPEATS: Final = 5


class _OneSymbol:
    """Follows whatever comes: there is one symbol."""

    def code_of(self, venue_symbol: str) -> int | None:
        return 0


def fulltape(words: Words, frames: Sequence[bytes], rows_each: int = 1) -> Callable[[], int]:
    """Return the work of a venue's parser over frames of so many rows each."""
    times = [one.ms * 1_000_000 for one in prints(len(frames))]
    calls = [(frames[i : i + _BATCH], times[i : i + _BATCH]) for i in range(0, len(frames), _BATCH)]

    def work() -> int:
        parser = venue(words.venue).parser(_OneSymbol(), Connection("BENCH-1", words.venue))
        rows = sum(len(batch) for call in calls for batch in parser.parse(*call).batches.values())
        if rows != len(frames) * rows_each:
            raise RuntimeError(f"{words.venue}: {rows} rows from {len(frames)} frames")
        return rows

    return work


def cryptofeed(words: Words) -> Callable[[], int]:
    """Return the work of cryptofeed's handler, trade callback included."""
    from cryptofeed import exchanges  # noqa: PLC0415 - a peer that may not be installed
    from cryptofeed.defines import TRADES  # noqa: PLC0415
    from cryptofeed.symbols import Symbols  # noqa: PLC0415

    made: Any = getattr(exchanges, words.cryptofeed)
    names = {"BTC-USD": words.old_symbol or words.symbol}
    Symbols.set(made.id, names, {"tick_size": {}, "instrument_type": dict.fromkeys(names, "spot")})
    seen = 0

    async def take(_trade: Any, _received: float) -> None:
        nonlocal seen
        seen += 1

    keys = {"key_id": "x", "key_secret": "x"}
    config = {"log": {"disabled": True}, made.id.lower(): keys}
    feed = made(symbols=list(names), channels=[TRADES], callbacks={TRADES: take}, config=config)
    frames = [frame.decode() for frame in words.old_trades(_PEER_COUNT)]
    connection = SimpleNamespace(address="wss://x/spot", uuid="x")

    async def handle() -> None:
        for frame in frames:
            await feed.message_handler(frame, connection, 1.0)

    def work() -> int:
        nonlocal seen
        seen = 0
        asyncio.run(handle())
        if seen != len(frames):
            raise RuntimeError(f"{words.cryptofeed}: {seen} trades from {len(frames)} frames")
        return seen

    return work


def ccxt(words: Words) -> Callable[[], int]:
    """Return the work of `json.loads` and ccxt's `parse_trade`."""
    import ccxt as peer  # noqa: PLC0415 - a peer that may not be installed

    exchange = getattr(peer, words.ccxt)()
    names = {"id": words.symbol, "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "baseId": "BTC", "quoteId": "USD"}
    kind = {"type": "spot", "spot": True, "active": True, "contract": False}
    precision = {"price": 0.01, "amount": 1e-8}
    market = exchange.safe_market_structure({**names, **kind, "precision": precision})
    exchange.set_markets([market])
    frames = words.trades(_PEER_COUNT)

    def work() -> int:
        for frame in frames:
            exchange.parse_trade(words.row(json.loads(frame)), market)
        return len(frames)

    return work


def _book_rate(words: Words, count: int, levels: int) -> float:
    return best_cpu_rate(fulltape(words, words.books(count, levels), levels), _REPEATS)


def _measure(words: Words) -> Iterator[Result]:
    name = f"decode {words.venue.lower()}"
    peers = [
        Result(f"{name}: {peer}", best_cpu_rate(prepare(words), _REPEATS), "frames/s", "an object per trade")
        for peer, prepare, has_it in (("cryptofeed", cryptofeed, words.cryptofeed), ("ccxt", ccxt, words.ccxt))
        if has_it and importlib.util.find_spec(peer) is not None
    ]
    against = peers[0].name if peers else ""
    trades = best_cpu_rate(fulltape(words, words.trades(_COUNT)), _REPEATS)
    yield Result(f"{name}: trade", trades, "frames/s", "trade columns", against)
    yield Result(f"{name}: book", _book_rate(words, _COUNT, 1), "levels/s", "a level in each message")
    yield Result(f"{name}: deep book", _book_rate(words, _COUNT // _LEVELS, _LEVELS), "levels/s", f"{_LEVELS} in each")
    yield from peers


def run() -> Sequence[Result]:
    """Measure; peers that are not installed are left out."""
    with tuned():  # as in `fulltape up`
        return [result for words in VENUES for result in _measure(words)]


def main() -> None:
    """Print the table."""
    print_table("Every venue's frames to columns, one core", run())


if __name__ == "__main__":
    main()
