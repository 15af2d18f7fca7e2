"""Quotes: a row whenever the top of the book is another."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from tests.conformance.operators import Item, OperatorConformance, Table, Tape
from tests.conformance.samples import NOON

from fulltape.books.l2 import NO_RULE, Rule
from fulltape.clock import SECOND_NS
from fulltape.operators.base import Operator, Step
from fulltape.operators.depths import DepthConfig, Depths
from fulltape.operators.quotes import CROSSED_NS, Quotes
from fulltape.records import BOOK_DELTAS, DEPTHS, Batch, BookSide
from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.records.columns import NULL_INT
from fulltape.records.events import BooksLost

BID, ASK = BookSide.BID, BookSide.ASK
Row = tuple[int, float, float, int]
"""Side, price, size, flags."""


def message(*rows: Row, code: int = 0, time: int = NOON, sequence: int = NULL_INT, previous: int = NULL_INT) -> Batch:
    sides, prices, sizes, flags = zip(*rows, strict=True)
    n = len(rows)
    return BOOK_DELTAS.from_columns(
        {
            "instrument": [code] * n,
            "side": sides,
            "price": prices,
            "size": sizes,
            "flags": flags,
            "sequence": [sequence] * n,
            "previous": [previous] * n,
            "checksum": [NULL_INT] * n,
            "event_time": [time] * n,
            "ingest_time": [time + 5] * n,
        }
    )


def tops(quotes: Quotes, *messages: Batch) -> list[list[float]]:
    """Return bid, bid size, ask, ask size of each row; 0 for null."""
    found = quotes.apply(Step({"book_deltas": Batch.concat(messages)}, NOON))
    names = ("bid", "bid_size", "ask", "ask_size")
    return [row for batch in found for row in np.nan_to_num(np.stack([batch[n] for n in names], 1)).tolist()]


BOOK = message((BID, 9.0, 1.0, SNAPSHOT), (BID, 8.0, 5.0, 0), (ASK, 11.0, 2.0, LAST))


class TestConformance(OperatorConformance):
    keeps_state = False

    def operator(self) -> Operator:
        return Quotes()

    def tape(self, random: Random) -> Tape:
        items = []
        for i in range(200):
            code, now = random.randint(0, 2), NOON + i
            rows: list[Row] = [
                (random.choice([BID, ASK]), float(random.randint(1, 9)), float(random.randint(0, 3)), 0)
                for _ in range(random.randint(1, 4))
            ]
            if i % 40 == code:
                rows[0] = (*rows[0][:3], SNAPSHOT)
            rows[-1] = (*rows[-1][:3], rows[-1][3] | LAST)
            items.append(Item(now + 5, message(*rows, code=code, time=now)))
        return items


class TestConformanceWithDepths(TestConformance):
    def operator(self) -> Operator:
        return Quotes(depths=Depths(DepthConfig(depth_bp=5_000.0, levels=2)))

    def apply(self, operator: Operator, step: Step, table: Table) -> None:
        table.take(batch for batch in operator.apply(step) if batch.schema is DEPTHS)

    def tape(self, random: Random) -> Tape:
        return [
            Item(item.ingest_time + i * SECOND_NS // 3, later(item.what, i))
            for i, item in enumerate(super().tape(random))
        ]


def later(what: object, i: int) -> Batch:
    """Return the i-th message so many thirds of a second later."""
    assert isinstance(what, Batch)
    return Batch(what.schema, {**what.columns, "ingest_time": what["ingest_time"] + i * SECOND_NS // 3})


def test_a_message_is_judged_when_it_is_complete() -> None:
    quotes = Quotes()
    assert tops(quotes, BOOK) == [[9.0, 1.0, 11.0, 2.0]]
    assert tops(quotes, message((BID, 9.0, 0.0, 0), (BID, 10.0, 3.0, LAST))) == [[10.0, 3.0, 11.0, 2.0]]


def test_a_change_below_the_top_is_no_quote() -> None:
    quotes = Quotes()
    assert tops(quotes, BOOK, message((BID, 8.0, 6.0, LAST)), message((BID, 9.0, 1.0, LAST))) == [[9.0, 1.0, 11.0, 2.0]]


def test_deltas_before_a_snapshot_tell_nothing() -> None:
    quotes = Quotes()
    assert tops(quotes, message((BID, 9.0, 1.0, LAST))) == []
    book = quotes.book(0)
    assert book is not None
    assert not book.is_valid
    assert quotes.book(1) is None


def test_an_empty_snapshot_and_a_one_sided_book() -> None:
    quotes = Quotes()
    empty = message((BID, 0.0, 0.0, SNAPSHOT | CLEAR | LAST))
    one = message((BID, 7.0, 1.0, LAST))
    assert tops(quotes, BOOK, empty, empty, one, one) == [[9.0, 1.0, 11.0, 2.0], [0.0] * 4, [7.0, 1.0, 0.0, 0.0]]


def test_a_forgotten_book_waits_for_its_snapshot() -> None:
    quotes = Quotes()
    tops(quotes, BOOK)
    quotes.forget([0])
    assert tops(quotes, message((BID, 10.0, 1.0, LAST))) == []
    assert tops(quotes, BOOK) == [[9.0, 1.0, 11.0, 2.0]]


def test_without_book_messages_there_is_nothing_to_do() -> None:
    assert Quotes().apply(Step({}, NOON)) == []


def test_a_book_that_misses_a_message_has_no_top_and_is_wanted() -> None:
    quotes = Quotes()
    first = message((BID, 9.0, 1.0, SNAPSHOT), (ASK, 11.0, 2.0, LAST), sequence=7)
    hole = message((BID, 10.0, 1.0, LAST), sequence=9, previous=8)
    more = message((BID, 10.5, 1.0, LAST), sequence=10, previous=9)
    assert tops(quotes, first, hole, more) == [[9.0, 1.0, 11.0, 2.0], [0.0] * 4]
    assert quotes.take_wanted() == {0: "message 9 follows 8, the book is at 7"}
    assert quotes.take_wanted() == {}
    again = message((BID, 9.5, 1.0, SNAPSHOT), (ASK, 11.0, 2.0, LAST), sequence=9)
    assert tops(quotes, again) == [[10.5, 1.0, 11.0, 2.0]]
    assert quotes.take_wanted() == {}


def test_a_book_whose_snapshot_comes_by_rest_is_wanted_from_the_start() -> None:
    quotes = Quotes()
    assert tops(quotes, message((BID, 9.0, 1.0, LAST), sequence=5, previous=4)) == []
    assert quotes.take_wanted() == {0: "no snapshot yet"}
    old = message((BID, 8.0, 1.0, SNAPSHOT | LAST), sequence=2)
    assert tops(quotes, old) == []
    assert quotes.take_wanted() == {0: "message 5 follows 4, the book is at 2"}


def test_a_lost_connection_takes_the_top_away_where_it_belongs() -> None:
    quotes = Quotes()
    lost = BooksLost(NOON + 50, frozenset([0, 3]))
    late = message((BID, 10.0, 1.0, LAST), time=NOON + 40)
    after = message((BID, 12.0, 1.0, LAST), time=NOON + 60)
    step = Step({"book_deltas": Batch.concat([BOOK, late, after])}, NOON + 100, [lost])
    (rows,) = quotes.apply(step)
    assert np.nan_to_num(rows["bid"]).tolist() == [9.0, 10.0, 0.0]
    assert rows["ingest_time"].tolist()[-1] == NOON + 50


def test_a_crossed_book_has_no_top_and_starts_over_if_it_stays_so() -> None:
    quotes = Quotes()
    crossing = message((BID, 12.0, 1.0, LAST), time=NOON + 10)
    assert tops(quotes, BOOK, crossing) == [[9.0, 1.0, 11.0, 2.0], [0.0] * 4]
    assert tops(quotes, message((BID, 12.0, 0.0, LAST), time=NOON + 20)) == [[9.0, 1.0, 11.0, 2.0]]
    assert quotes.take_wanted() == {}
    assert tops(quotes, crossing, message((BID, 8.0, 1.0, LAST), time=NOON + 10 + CROSSED_NS)) == [[0.0] * 4]
    assert quotes.take_wanted() == {0: "crossed: bid 12.0 and ask 11.0"}
    assert tops(quotes, BOOK) == [[9.0, 1.0, 11.0, 2.0]]


def test_a_snapshot_that_does_not_come_is_asked_for_again() -> None:
    quotes = Quotes()
    for seconds, wanted in ((0, True), (9, False), (11, True), (12, False)):
        tops(quotes, message((BID, 9.0, 1.0, LAST), time=NOON + seconds * SECOND_NS))
        assert bool(quotes.take_wanted()) is wanted


def checked(found: int | None) -> Callable[[int], Rule]:
    """Return rules by which every book has the checksum ``found``."""
    return lambda _: Rule(checksum=lambda bids, asks: found)


def told(batch: Batch, checksum: int) -> Batch:
    return Batch(batch.schema, {**batch.columns, "checksum": np.full(len(batch), checksum)})


def test_a_failing_checksum_empties_one_book_and_asks_once() -> None:
    rules = {0: Rule(checksum=lambda bids, asks: len(bids)), 1: NO_RULE}
    quotes = Quotes(rules.__getitem__)
    other = message((BID, 9.0, 1.0, SNAPSHOT), (ASK, 11.0, 2.0, LAST), code=1)
    assert len(tops(quotes, told(BOOK, 2), other)) == 2
    bad = [told(message((BID, 7.0, 1.0, LAST), time=NOON + i), 99) for i in range(5)]
    assert tops(quotes, *bad) == [[0.0] * 4]
    wanted = quotes.take_wanted()
    assert list(wanted) == [0]
    assert "its checksum is 3" in wanted[0]
    assert quotes.take_wanted() == {}
    held = quotes.book(1)
    assert held is not None
    assert held.is_valid
    counters = quotes.counters
    assert (counters.verified, counters.failed, counters.resyncs) == (1, 1, 1)


def test_checksums_that_fail_again_and_again_do_not_cost_a_snapshot_each_time() -> None:
    quotes = Quotes(checked(1))
    snapshots = [told(message(*((BID, 9.0, 1.0, SNAPSHOT | LAST),), time=NOON + i * SECOND_NS), 2) for i in range(25)]
    tops(quotes, *snapshots)
    assert (quotes.counters.failed, quotes.counters.resyncs) == (25, 3)


def test_a_good_snapshot_between_failures_does_not_open_the_flood() -> None:
    sums = iter([1, 2] * 10)
    quotes = Quotes(lambda _: Rule(checksum=lambda bids, asks: next(sums)))
    kinds = enumerate([SNAPSHOT, 0] * 10)
    flood = [told(message((BID, 9.0, 1.0, flags | LAST), time=NOON + i), 1) for i, flags in kinds]
    tops(quotes, *flood)
    assert (quotes.counters.verified, quotes.counters.failed, quotes.counters.resyncs) == (10, 10, 1)
