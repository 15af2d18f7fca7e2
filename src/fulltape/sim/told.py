"""What the subscribers of a book hold, so that they can be sent what is new.

Venues that send a snapshot and then changes owe all subscribers the same: who joins between two messages gets the book
as it was told with the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

import msgspec

from fulltape.sim.base import Topic
from fulltape.sim.events import Book, Event, LevelChange, Quote, Trade
from fulltape.sim.market import Market

ALL_LEVELS: Final = 1 << 20


class LevelNews(msgspec.Struct, frozen=True, gc=False):
    """A level that is not as it was told: its size now, 0 if it is gone, and whether nobody held it before."""

    is_ask: bool
    price: int
    size: int
    is_new: bool


class ToldBook:
    """The best ``depth`` levels of each side as they were last told.

    A level that is still there and only left the best ``depth`` is no news unless ``tells_leaving``: whoever keeps
    the book cuts it.
    """

    def __init__(self, book: Book, depth: int = ALL_LEVELS, tells_leaving: bool = False) -> None:
        self._depth = depth
        self._tells_leaving = tells_leaving
        self.told = self._cut(book)

    def tell(self, book: Book) -> list[LevelNews]:
        """Return what is new in ``book``, bids first, and take it as told."""
        before, self.told = self.told, self._cut(book)
        book = self.told if self._tells_leaving else book
        sides = (
            (False, before.bids, self.told.bids, book.bids),
            (True, before.asks, self.told.asks, book.asks),
        )
        return [news for side in sides for news in _news(*side)]

    def _cut(self, book: Book) -> Book:
        return Book(book.sequence, book.time, book.bids[: self._depth], book.asks[: self._depth])


class ToldBooks:
    """The books of a market that somebody follows, by topic."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._books: dict[Topic, ToldBook] = {}

    def open(self, topic: Topic, product: int, depth: int = ALL_LEVELS, tells_leaving: bool = False) -> Book:
        """Return what a new subscriber of a topic is to hold; see `ToldBook`."""
        if topic not in self._books:
            self._books[topic] = ToldBook(self._market.book(product), depth, tells_leaving)
        return self._books[topic].told

    def tell(self, topic: Topic, product: int) -> tuple[Book, Book, list[LevelNews]]:
        """Return the book as it was told, as it is told now, and the levels that make the difference."""
        told = self._books[topic]
        before = told.told
        news = told.tell(self._market.book(product))
        return before, told.told, news

    def keep(self, wanted: Set[Topic]) -> None:
        """Forget the books that nobody follows any more."""
        for topic in self._books.keys() - wanted:
            del self._books[topic]


class Tops:
    """The best levels of every book as they were last told."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._told: dict[int, Quote] = {}

    def moved(self, products: Iterable[int]) -> list[int]:
        """Return those of the products whose best levels are not as they were told, and take them as told."""
        return [product for product in sorted(products) if self._has_moved(product)]

    def _has_moved(self, product: int) -> bool:
        quote = msgspec.structs.replace(self._market.quote(product), time=0)
        before, self._told[product] = self._told.get(product), quote
        return before != quote


class Digest:
    """What happened, by product: trades in order, and whose book changed."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.trades: dict[int, list[Trade]] = {}
        self.changed: set[int] = set()
        for event in events:
            if type(event) is Trade:
                self.trades.setdefault(event.product, []).append(event)
            elif type(event) is LevelChange:
                self.changed.add(event.product)


def by_side(news: Iterable[LevelNews]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return (price, size) of the bids and of the asks among ``news``."""
    bids: list[tuple[int, int]] = []
    asks: list[tuple[int, int]] = []
    for level in news:
        (asks if level.is_ask else bids).append((level.price, level.size))
    return bids, asks


def _news(
    is_ask: bool, before: list[tuple[int, int]], now: list[tuple[int, int]], whole: list[tuple[int, int]]
) -> list[LevelNews]:
    held, left = dict(before), dict(whole)
    gone = [LevelNews(is_ask, price, 0, False) for price, _ in before if price not in left]
    changed = [LevelNews(is_ask, price, size, price not in held) for price, size in now if held.get(price) != size]
    return gone + changed
