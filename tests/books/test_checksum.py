"""Kraken's checksum, by the example of its documentation."""

from __future__ import annotations

import pytest

from fulltape.books.checksum import crc32_of_best_ten
from fulltape.books.l2 import Book, Message, Rule
from fulltape.records import BookSide

# https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
ASKS = """45285.2 0.00100000, 45286.4 1.54571953, 45286.6 1.54571109, 45289.6 1.54560911, 45290.2 0.15890660,
45291.8 1.54553491, 45294.7 0.04454749, 45296.1 0.35380000, 45297.5 0.09945542, 45299.5 0.18772827"""
BIDS = """45283.5 0.10000000, 45283.4 1.54582015, 45282.1 0.10000000, 45281.0 0.10000000, 45280.3 1.54592586,
45279.0 0.07990000, 45277.6 0.03310103, 45277.5 0.30000000, 45277.3 1.54602737, 45276.6 0.15445238"""
CHECKSUM = 3_310_070_434
BID, ASK = BookSide.BID, BookSide.ASK


def levels(side: BookSide, text: str) -> list[tuple[int, float, float]]:
    return [(side, *map(float, level.split())) for level in text.split(",")]  # type: ignore[misc]


DOCUMENTED = levels(BID, BIDS) + levels(ASK, ASKS)


def kraken(depth: int | None = None) -> Rule:
    return Rule(depth, lambda bids, asks: crc32_of_best_ten(bids, asks, 1, 8))


def test_the_documented_book_has_the_documented_checksum() -> None:
    book = Book(kraken())
    book.take(Message(DOCUMENTED, is_snapshot=True, checksum=CHECKSUM))
    assert (book.verified, book.failed, book.is_valid) == (1, 0, True)


def test_levels_below_the_best_ten_do_not_count() -> None:
    book = Book(kraken())
    below: list[tuple[int, float, float]] = [(BID, 45_000.0, 1.0), (ASK, 46_000.0, 1.0)]
    book.take(Message(DOCUMENTED + below, is_snapshot=True, checksum=CHECKSUM))
    assert book.verified == 1


def test_a_short_and_an_empty_book_have_checksums() -> None:
    book = Book()
    assert crc32_of_best_ten(book.bids, book.asks, 1, 8) == 0
    book.take(Message([(BID, 1.5, 2.0)], is_snapshot=True))
    assert crc32_of_best_ten(book.bids, book.asks, 1, 2) == 1_139_169_561  # of "15200"


@pytest.mark.parametrize("level", [(BID, 45_283.5, 0.10000001), (ASK, 45_285.1, 1.0), (BID, 45_283.5, 0.0)])
def test_a_book_with_another_checksum_is_invalid_until_the_next_snapshot(level: tuple[int, float, float]) -> None:
    book = Book(kraken())
    snapshot = Message(DOCUMENTED, is_snapshot=True, checksum=CHECKSUM)
    book.take(snapshot)
    book.take(Message([level], is_snapshot=False, checksum=CHECKSUM))
    assert (book.failed, book.is_valid) == (1, False)
    assert f"the venue's {CHECKSUM}" in book.trouble
    book.take(Message([level], is_snapshot=False, checksum=CHECKSUM))
    assert book.failed == 1, "what comes meanwhile is not judged"
    book.take(snapshot)
    assert (book.verified, book.is_valid) == (2, True)


def test_figures_that_no_float_holds_are_not_judged() -> None:
    book = Book(kraken())
    book.take(Message([(BID, 1.0, 123_456_789.12345678)], is_snapshot=True, checksum=1))
    assert (book.verified, book.failed, book.is_valid) == (0, 0, True)


def test_levels_beyond_the_depth_are_dropped_after_all_levels_of_a_message() -> None:
    book = Book(Rule(depth=2))
    book.take(Message([(BID, 1.0, 1.0), (BID, 2.0, 1.0), (BID, 3.0, 1.0), (ASK, 9.0, 1.0)], is_snapshot=True))
    assert list(book.bids) == [2.0, 3.0]
    book.take(Message([(BID, 4.0, 1.0), (BID, 4.0, 0.0), (ASK, 8.0, 1.0), (ASK, 7.0, 1.0)], is_snapshot=False))
    assert (list(book.bids), list(book.asks)) == ([2.0, 3.0], [7.0, 8.0])
    book.take(Message([(BID, 3.0, 0.0)], is_snapshot=False))
    assert list(book.bids) == [2.0], "what was dropped does not come back"
