"""Coinbase frames to trade columns on one core; beside cryptofeed and ccxt where they are installed.

The peers get the same trades: cryptofeed as Advanced Trade frames, which is what its Coinbase handler reads, ccxt as
the very same frames after `json.loads`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from bench.frames import SYMBOLS, MatchFrames
from bench.report import Result, median_rate, print_table

from fulltape.records.frames import Connection
from fulltape.venues.registry import venue

_COUNT: Final = 200_000
_PEER_COUNT: Final = 20_000


class _Symbols:
    """Codes of the generator's products."""

    def __init__(self) -> None:
        self._codes = {symbol: code for code, symbol in enumerate(SYMBOLS)}

    def code_of(self, venue_symbol: str) -> int | None:
        return self._codes.get(venue_symbol)


def fulltape(batch: int, count: int, frames_of: Callable[[int], tuple[list[bytes], list[int]]]) -> Callable[[], int]:
    """Return the work of the parser over ``count`` frames, ``batch`` at a time."""
    payloads, ingest = frames_of(count)
    calls = [(payloads[i : i + batch], ingest[i : i + batch]) for i in range(0, count, batch)]
    parser = venue("COINBASE").parser(_Symbols(), Connection("BENCH-1", "COINBASE"))

    def work() -> int:
        rows = 0
        for frames, times in calls:
            parsed = parser.parse(frames, times)
            rows += sum(map(len, parsed.batches.values()))
        if rows != count:
            raise RuntimeError(f"{rows} rows from {count} frames")
        return count

    return work


def matches(count: int) -> tuple[list[bytes], list[int]]:
    """Return seeded `match` frames and their ingest times."""
    return MatchFrames(seed=7).next(count)


def tickers(count: int) -> tuple[list[bytes], list[int]]:
    """Return a `ticker` frame for every trade of `matches`."""
    payloads, ingest = matches(count)
    return [_encode(_ticker(message)) for message in map(json.loads, payloads)], ingest


def updates(count: int) -> tuple[list[bytes], list[int]]:
    """Return an `l2update` frame of one change for every trade of `matches`."""
    payloads, ingest = matches(count)
    return [_encode(_update(message)) for message in map(json.loads, payloads)], ingest


def cryptofeed(count: int) -> Callable[[], int]:
    """Return the work of cryptofeed's Coinbase handler, trade callback included."""
    from cryptofeed.defines import TRADES  # noqa: PLC0415 - a peer that may not be installed
    from cryptofeed.exchanges import Coinbase  # noqa: PLC0415
    from cryptofeed.symbols import Symbols  # noqa: PLC0415

    names = {symbol: symbol for symbol in SYMBOLS}
    Symbols.set(Coinbase.id, names, {"tick_size": {}, "instrument_type": dict.fromkeys(names, "spot")})
    seen = 0

    async def take(_trade: Any, _received: float) -> None:
        nonlocal seen
        seen += 1

    feed = Coinbase(
        symbols=list(names),
        channels=[TRADES],
        callbacks={TRADES: take},
        config={"log": {"disabled": True}, "coinbase": {"key_id": "x", "key_secret": "x"}},
    )
    frames = [_encode(_advanced(number, json.loads(one))).decode() for number, one in enumerate(matches(count)[0])]

    async def handle() -> None:
        for frame in frames:
            await feed.message_handler(frame, None, 1.0)

    def work() -> int:
        nonlocal seen
        seen = 0
        asyncio.run(handle())
        if seen != count:
            raise RuntimeError(f"{seen} trades from {count} frames")
        return count

    return work


def ccxt(count: int) -> Callable[[], int]:
    """Return the work of `json.loads` and ccxt's `parse_trade`."""
    import ccxt as peer  # noqa: PLC0415 - a peer that may not be installed

    exchange = peer.coinbaseexchange()
    exchange.set_markets([_market(symbol) for symbol in SYMBOLS])
    frames = matches(count)[0]

    def work() -> int:
        for frame in frames:
            exchange.parse_trade(json.loads(frame))
        return count

    return work


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _ticker(match: dict[str, Any]) -> dict[str, Any]:
    price = match["price"]
    figures = ("open_24h", "low_24h", "high_24h", "best_bid", "best_ask")
    sizes = ("volume_24h", "volume_30d", "best_bid_size", "best_ask_size", "last_size")
    kept = {name: match[name] for name in ("sequence", "product_id", "price", "side", "time", "trade_id")}
    return {"type": "ticker", **kept, **dict.fromkeys(figures, price), **dict.fromkeys(sizes, match["size"])}


def _update(match: dict[str, Any]) -> dict[str, Any]:
    change = [match["side"], match["price"], match["size"]]
    return {"type": "l2update", "product_id": match["product_id"], "changes": [change], "time": match["time"]}


def _advanced(number: int, match: dict[str, Any]) -> dict[str, Any]:
    trade = {name: match[name] for name in ("product_id", "price", "size", "time")}
    trade |= {"trade_id": str(match["trade_id"]), "side": match["side"].upper()}
    return {
        "channel": "market_trades",
        "client_id": "",
        "timestamp": match["time"],
        "sequence_num": number,
        "events": [{"type": "update", "trades": [trade]}],
    }


def _market(symbol: str) -> dict[str, Any]:
    base, quote = symbol.split("-")
    names = {"id": symbol, "symbol": f"{base}/{quote}", "base": base, "quote": quote, "baseId": base, "quoteId": quote}
    kind = {"type": "spot", "spot": True, "active": True, "contract": False}
    return {**names, **kind, "precision": {"price": 0.01, "amount": 1e-8}, "limits": {}, "info": {}}


def _peers() -> Iterable[tuple[str, Callable[[int], Callable[[], int]]]]:
    for name, prepare in (("cryptofeed", cryptofeed), ("ccxt", ccxt)):
        if importlib.util.find_spec(name) is not None:
            yield name, prepare


def run(repeats: int = 5) -> Sequence[Result]:
    """Measure; peers that are not installed are left out."""
    peers = [
        Result(f"decode: {name}", median_rate(prepare(_PEER_COUNT), repeats), "frames/s", "an object per trade")
        for name, prepare in _peers()
    ]
    against = peers[0].name if peers else ""
    results = [
        Result(f"decode: match, {batch:,} a call", median_rate(work, repeats), "frames/s", "trade columns", against)
        for batch in (10, 100, 1_000)
        for work in (fulltape(batch, _COUNT, matches),)
    ]
    for kind, frames_of in (("ticker", tickers), ("l2update", updates)):
        rate = median_rate(fulltape(1_000, _COUNT // 4, frames_of), repeats)
        results.append(Result(f"decode: {kind}, 1,000 a call", rate, "frames/s", "columns"))
    return [*results, *peers]


def main() -> None:
    """Print the table."""
    print_table("Frames to columns, one core", run())


if __name__ == "__main__":
    main()
