"""What the simulated BitMEX lists: contracts on the market's products, sized as that venue sizes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from fulltape.sim.instruments import Listing

_QUOTE: Final = "USDT"
_NAMES: Final = {"BTC": "XBT"}
_IDS_OF_A_CONTRACT: Final = 100_000_000


class Contract(msgspec.Struct, frozen=True):
    """A perpetual contract on a product: ``number`` sets its ids apart.

    A linear contract is one size step of the base currency. An inverse contract is one dollar, paid in the base
    currency: its sizes are the product's, rounded to whole dollars.
    """

    symbol: str
    product: int
    number: int
    listing: Listing
    is_inverse: bool = False

    @property
    def underlying(self) -> str:
        """The base currency, as the venue calls it."""
        return _NAMES.get(self.listing.base, self.listing.base)

    @property
    def quote(self) -> str:
        """The currency that prices are in."""
        return "USD" if self.is_inverse else _QUOTE

    def count(self, ticks: int, lots: int) -> int:
        """Return how many contracts an amount is, at a price."""
        if not self.is_inverse:
            return lots
        return max(1, round(ticks * lots / 10.0 ** (self.listing.price_decimals + self.listing.size_decimals)))

    def home(self, ticks: int, contracts: int) -> float:
        """Return what contracts are in the base currency, at a price."""
        listing = self.listing
        if self.is_inverse:
            return contracts / float(listing.price_text(ticks))
        return float(listing.size_text(contracts))

    def foreign(self, ticks: int, contracts: int) -> float:
        """Return what contracts are in the quote currency, at a price."""
        if self.is_inverse:
            return float(contracts)
        return self.home(ticks, contracts) * float(self.listing.price_text(ticks))

    def level_id(self, ticks: int) -> int:
        """Return the id of a price level: the venue's ids fall as prices rise."""
        return (self.number + 1) * _IDS_OF_A_CONTRACT - ticks


def contracts_on(listings: Sequence[Listing]) -> tuple[Contract, ...]:
    """Return a linear contract on every listing, and after them an inverse one on Bitcoin."""
    names = [_NAMES.get(listing.base, listing.base) for listing in listings]
    linear = [Contract(f"{name}{_QUOTE}", i, i, listings[i]) for i, name in enumerate(names)]
    bitcoin = [i for i, listing in enumerate(listings) if listing.base == "BTC"]
    inverse = [Contract("XBTUSD", i, len(names) + place, listings[i], True) for place, i in enumerate(bitcoin)]
    return (*linear, *inverse)
