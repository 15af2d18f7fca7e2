"""Checksums that venues send along with a book, computed over the book we hold.

A book is held as floats, so figures go back to the digits that the venue wrote by the number of its decimals.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from sortedcontainers import SortedDict

_BEST: Final = 10
_EXACT: Final = 2**53


def crc32_of_best_ten(bids: SortedDict, asks: SortedDict, price_digits: int, size_digits: int) -> int | None:
    """Return Kraken's checksum of a book, None if a figure has more digits than a float holds.

    https://docs.kraken.com/api/docs/guides/spot-ws-book-v2: of the ten best asks, then the ten best bids, price and
    size are written without point and leading zeros, one after the other; the CRC32 of that text.
    """
    best = [*islice(asks.items(), _BEST), *islice(reversed(bids.items()), _BEST)]
    prices = _digits((price for price, _ in best), price_digits)
    sizes = _digits((size for _, size in best), size_digits)
    if max(*prices, *sizes, 0, 0) >= _EXACT:
        return None
    return zlib.crc32("".join(f"{price}{size}" for price, size in zip(prices, sizes, strict=True)).encode())


def _digits(figures: Iterable[float], decimals: int) -> Sequence[int]:
    scale = 10**decimals
    return [round(figure * scale) for figure in figures]
