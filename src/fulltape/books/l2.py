"""An L2 book: total size at each price, kept from a snapshot and the deltas after it."""

from __future__ import annotations

from typing import NamedTuple

from sortedcontainers import SortedDict

from fulltape.records.book import CLEAR, SNAPSHOT
from fulltape.records.enums import BookSide


class Top(NamedTuple):
    """Best bid and ask; NaN where a side is empty."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


_NAN = float("nan")


class Book:
    """One instrument's book. It is invalid, and ignores deltas, until its first snapshot."""

    __slots__ = ("asks", "bids", "is_valid")

    def __init__(self) -> None:
        self.bids: SortedDict = SortedDict()
        self.asks: SortedDict = SortedDict()
        self.is_valid = False

    def apply(self, side: int, price: float, size: float, flags: int) -> None:
        """Take one row of book deltas: ``size`` replaces what stood at ``price``, 0 removes it."""
        if flags & SNAPSHOT:
            self.bids.clear()
            self.asks.clear()
            self.is_valid = True
        if flags & CLEAR or not self.is_valid:
            return
        levels = self.bids if side == BookSide.BID else self.asks
        if size > 0.0:
            levels[price] = size
        else:
            levels.pop(price, None)

    def invalidate(self) -> None:
        """Distrust the book until the next snapshot."""
        self.is_valid = False

    @property
    def top(self) -> Top:
        """The best level of each side."""
        bid, bid_size = self.bids.peekitem(-1) if self.bids else (_NAN, _NAN)
        ask, ask_size = self.asks.peekitem(0) if self.asks else (_NAN, _NAN)
        return Top(bid, bid_size, ask, ask_size)

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask, which a true book never shows."""
        return bool(self.bids and self.asks and self.bids.peekitem(-1)[0] >= self.asks.peekitem(0)[0])
