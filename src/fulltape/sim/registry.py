"""Which venues are simulated, and how each is put on a market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fulltape.sim import alpaca, binance, bitmex, bitstamp, bybit, bybit_wire, coinbase, kraken, okx
from fulltape.sim.alpaca_rest import AlpacaRest
from fulltape.sim.base import Opening, Session, SimVenue
from fulltape.sim.binance_rest import BinanceRest
from fulltape.sim.bitmex_rest import BitmexRest
from fulltape.sim.bitstamp_rest import BitstampRest
from fulltape.sim.bybit_rest import BybitRest
from fulltape.sim.coinbase_rest import CoinbaseRest
from fulltape.sim.kraken_rest import KrakenRest
from fulltape.sim.livecoinwatch import LiveCoinWatchRest, NoFeed
from fulltape.sim.market import Market
from fulltape.sim.okx_rest import OkxRest


def _coinbase(market: Market) -> SimVenue:
    feed = coinbase.Feed(market)
    return SimVenue(feed, CoinbaseRest(market), lambda opening: coinbase.Session(feed, opening.now_ns))


def _binance(market: Market) -> SimVenue:
    return SimVenue(binance.Feed(market), BinanceRest(market), binance.open_session, binance.COMBINED)


def _bybit(category: str) -> Callable[[Market], SimVenue]:
    def put_on(market: Market) -> SimVenue:
        feed = bybit.Feed(market, category)
        rest = BybitRest(market, category)
        return SimVenue(feed, rest, lambda opening: bybit.Session(feed, opening.now_ns), bybit.PATHS[category])

    return put_on


def _kraken(market: Market) -> SimVenue:
    feed = kraken.Feed(market)
    return SimVenue(feed, KrakenRest(market), lambda opening: kraken.Session(feed, opening.now_ns), "/v2")


def _okx(market: Market) -> SimVenue:
    feed = okx.Feed(market)

    def open_session(opening: Opening) -> Session | None:
        channels = okx.CHANNELS.get(opening.path)
        return None if channels is None else okx.Session(feed, opening.now_ns, channels)

    return SimVenue(feed, OkxRest(market), open_session, okx.PUBLIC)


def _bitmex(market: Market) -> SimVenue:
    feed = bitmex.Feed(market)
    return SimVenue(feed, BitmexRest(market), lambda opening: bitmex.Session(feed, opening.now_ns), "/realtime")


def _bitstamp(market: Market) -> SimVenue:
    feed = bitstamp.Feed(market)
    return SimVenue(feed, BitstampRest(market), lambda opening: bitstamp.Session(feed))


def _alpaca(market: Market) -> SimVenue:
    feed = alpaca.Feed(market)
    return SimVenue(feed, AlpacaRest(market), lambda opening: alpaca.Session(feed, opening), alpaca.PATH)


def _livecoinwatch(market: Market) -> SimVenue:
    return SimVenue(NoFeed(), LiveCoinWatchRest(market), lambda opening: None)


REFERENCE: Final = "coinbase"
"""The venue that has the common price; the others trade at a premium over it."""
VENUES: Final[Mapping[str, Callable[[Market], SimVenue]]] = {
    "coinbase": _coinbase,
    "binance": _binance,
    "bybit": _bybit(bybit_wire.SPOT),
    "bybitlinear": _bybit(bybit_wire.LINEAR),
    "kraken": _kraken,
    "okx": _okx,
    "bitmex": _bitmex,
    "bitstamp": _bitstamp,
    "alpaca": _alpaca,
    "livecoinwatch": _livecoinwatch,
}
"""By name, as in a configuration."""
