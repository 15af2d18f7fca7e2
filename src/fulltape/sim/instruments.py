"""What the simulated venue lists: a dozen dollar pairs with figures of about the right size."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from fulltape.errors import ConfigError, did_you_mean


class Listing(msgspec.Struct, frozen=True):
    """One product: its steps, and what the market model needs to know of it.

    ``start_price`` is dollars, ``volatility`` the standard deviation of a year's log return, ``correlation`` that of
    its returns with the market factor, ``spread_bp`` the usual spread in basis points, ``weight`` its part of the
    orders and ``level_usd`` the usual value of one price level.
    """

    symbol: str
    name: str
    start_price: float
    price_decimals: int
    size_decimals: int
    volatility: float
    correlation: float
    spread_bp: float
    weight: float
    level_usd: float

    @property
    def base(self) -> str:
        """The asset that is traded."""
        return self.symbol.partition("-")[0]

    @property
    def quote(self) -> str:
        """The asset that prices are in."""
        return self.symbol.partition("-")[2]

    @property
    def start_ticks(self) -> int:
        """The first price as a number of price steps."""
        return round(self.start_price * 10.0**self.price_decimals)

    @property
    def lots_per_usd(self) -> float:
        """How many size steps a dollar buys at the first price."""
        return 10.0**self.size_decimals / self.start_price

    @property
    def usual_trade_usd(self) -> float:
        """The mean value of a trade that the market model comes to: small orders, and some sweeps of whole levels."""
        return 65.0 + 0.2 * self.level_usd

    def price_text(self, ticks: int) -> str:
        """Write a number of price steps as an exact decimal."""
        return decimal_text(ticks, self.price_decimals)

    def size_text(self, lots: int) -> str:
        """Write a number of size steps as an exact decimal."""
        return decimal_text(lots, self.size_decimals)


LISTINGS = (
    Listing("BTC-USD", "Bitcoin", 65_000.0, 2, 8, 0.50, 0.90, 0.4, 0.30, 6_000.0),
    Listing("ETH-USD", "Ether", 1_900.0, 2, 8, 0.70, 0.88, 0.6, 0.22, 5_000.0),
    Listing("SOL-USD", "Solana", 84.0, 2, 8, 0.85, 0.82, 1.5, 0.12, 3_000.0),
    Listing("XRP-USD", "XRP", 1.25, 4, 6, 0.80, 0.75, 1.5, 0.10, 2_500.0),
    Listing("DOGE-USD", "Dogecoin", 0.105, 5, 1, 0.95, 0.75, 2.0, 0.06, 1_500.0),
    Listing("ADA-USD", "Cardano", 0.36, 4, 8, 0.90, 0.78, 3.0, 0.04, 1_200.0),
    Listing("AVAX-USD", "Avalanche", 12.4, 2, 8, 0.95, 0.78, 8.0, 0.03, 1_000.0),
    Listing("LINK-USD", "Chainlink", 11.2, 3, 2, 0.90, 0.77, 3.0, 0.04, 1_200.0),
    Listing("LTC-USD", "Litecoin", 71.0, 2, 8, 0.75, 0.74, 3.0, 0.03, 1_000.0),
    Listing("BCH-USD", "Bitcoin Cash", 410.0, 2, 8, 0.80, 0.70, 4.0, 0.02, 900.0),
    Listing("DOT-USD", "Polkadot", 2.4, 3, 8, 0.95, 0.76, 6.0, 0.02, 700.0),
    Listing("UNI-USD", "Uniswap", 5.1, 3, 6, 1.05, 0.70, 6.0, 0.02, 700.0),
)


_STEPS = {
    "binance": {"BTC": (2, 5), "ETH": (2, 4), "SOL": (2, 3), "XRP": (4, 1), "ADA": (4, 1), "LTC": (2, 3)},
    "bybit": {"BTC": (1, 6), "ETH": (2, 5), "SOL": (2, 3), "XRP": (4, 2), "ADA": (4, 2), "LTC": (2, 5)},
    "bybitlinear": {"BTC": (1, 3), "ETH": (2, 2), "SOL": (2, 1), "XRP": (4, 1), "ADA": (4, 0), "LTC": (2, 1)},
    "kraken": {"BTC": (1, 8)},
    "okx": {"BTC": (1, 8)},
    "bitmex": {"BTC": (1, 6)},
    "bitstamp": {"BTC": (0, 8), "ETH": (1, 8)},
}
"""Decimals of price and size where a venue has other steps than the listing says, by venue and base."""


def listings_at(venue: str, listings: Iterable[Listing]) -> tuple[Listing, ...]:
    """Return the listings with the steps that they have at a venue."""
    steps = _STEPS.get(venue, {})
    own = [(listing, steps.get(listing.base, (listing.price_decimals, listing.size_decimals))) for listing in listings]
    return tuple(
        msgspec.structs.replace(listing, price_decimals=price, size_decimals=size) for listing, (price, size) in own
    )


def choose(symbols: Iterable[str]) -> tuple[Listing, ...]:
    """Return the listings of those symbols in that order, all of them if none is named. Raises ConfigError."""
    known = {listing.symbol: listing for listing in LISTINGS}
    chosen = []
    for symbol in dict.fromkeys(symbols):
        if symbol not in known:
            raise ConfigError(f"the simulated venue does not list {symbol!r}{did_you_mean(symbol, known)}")
        chosen.append(known[symbol])
    return tuple(chosen) or LISTINGS


def decimal_text(steps: int, decimals: int) -> str:
    """Return ``steps * 10**-decimals`` (not negative) as text with exactly that many decimals."""
    digits = str(steps).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def step_text(decimals: int) -> str:
    """Return the size of one step, such as ``0.01``."""
    return f"{Decimal(1).scaleb(-decimals):f}"
