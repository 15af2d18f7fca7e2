"""How each simulated venue shows the market: its symbols, its ids, the precision of its times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fulltape.sim import bybit_wire
from fulltape.sim.alpaca_wire import trade_id
from fulltape.sim.bitmex_wire import match_id
from fulltape.sim.contracts import contracts_on
from fulltape.sim.history import PastTrade
from fulltape.sim.instruments import Listing
from fulltape.sim.server import SimServer
from fulltape.venues.base import Channel

Ids = Callable[[SimServer, str, PastTrade], str]


@dataclass(frozen=True)
class Case:
    """How a venue shows the market: symbols with the product behind each, ids and the precision of times (ns)."""

    symbols: dict[str, int]
    time_step: int
    id_of: Ids = lambda sim, symbol, trade: str(trade.trade_id)
    channels: tuple[Channel, ...] = ()
    size_of: Callable[[str, float, float], float] = lambda symbol, price, size: size


def of_contract(sim: SimServer, symbol: str, trade: PastTrade) -> str:
    return next(match_id(one, trade.trade_id) for one in contracts_on(sim.market.listings) if one.symbol == symbol)


def in_dollars(symbol: str, price: float, size: float) -> float:
    return max(1, round(size * price)) / price if symbol == "XBTUSD" else size


def of_bybit(category: str) -> Ids:
    return lambda sim, symbol, trade: bybit_wire.trade_id(category, listing_of(sim, symbol), trade.trade_id)


def listing_of(sim: SimServer, symbol: str) -> Listing:
    return next(one for one in sim.market.listings if symbol == f"{one.base}USDT")


CASES = {
    "coinbase": Case({"BTC-USD": 0, "DOGE-USD": 2}, 1_000),
    "binance": Case({"BTCUSDT": 0, "DOGEUSDT": 2}, 1_000_000),
    "bybit": Case({"BTCUSDT": 0, "DOGEUSDT": 2}, 1_000_000, of_bybit("spot")),
    "bybitlinear": Case({"BTCUSDT": 0, "DOGEUSDT": 2}, 1_000_000, of_bybit("linear")),
    "kraken": Case({"BTC/USD": 0, "DOGE/USD": 2}, 1_000),
    "okx": Case({"BTC-USDT": 0, "DOGE-USDT": 2}, 1_000_000, channels=(Channel.TRADES, Channel.QUOTES, Channel.BOOK)),
    "bitmex": Case({"XBTUSDT": 0, "DOGEUSDT": 2, "XBTUSD": 0}, 1_000_000, of_contract, size_of=in_dollars),
    "bitstamp": Case(
        {"btcusd": 0, "dogeusd": 2},
        1_000,
        lambda sim, symbol, trade: str(trade.trade_id * 64 + (0 if symbol == "btcusd" else 2)),
    ),
    "alpaca": Case({"BTC/USD": 0, "DOGE/USD": 2}, 1_000, lambda sim, symbol, trade: str(trade_id(trade.trade_id))),
}
