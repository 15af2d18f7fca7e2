from __future__ import annotations

from fulltape.clock import SECOND_NS
from fulltape.sim.history import Bars, MinuteBar, TradeRing, fill_up, roll_up

DAY_S = 86_400


def test_a_ring_pages_back_to_the_first_trade() -> None:
    ring = TradeRing(1, 100)
    for i in range(1, 26):
        assert ring.append(1_000 + i, i, i % 2 == 0, i * SECOND_NS) == i
    seen = []
    older_than = 1 << 62
    while page := ring.older_than(older_than, 10):
        seen += page
        older_than = page[-1].trade_id
    assert [trade.trade_id for trade in seen] == list(range(25, 0, -1))
    assert [(t.price, t.size, t.maker_sells, t.time) for t in seen[-2:]] == [
        (1_002, 2, True, 2 * SECOND_NS),
        (1_001, 1, False, SECOND_NS),
    ]


def test_a_full_ring_forgets_the_oldest() -> None:
    ring = TradeRing(1, 10)
    for i in range(1, 36):
        ring.append(i, i, False, i)
    assert [trade.trade_id for trade in ring.older_than(1 << 62, 1_000)] == list(range(35, 25, -1))
    assert [trade.price for trade in ring.older_than(30, 2)] == [29, 28]
    assert ring.older_than(26, 10) == []


def test_an_empty_ring_has_nothing() -> None:
    ring = TradeRing(1_000, 5)
    assert ring.last_id == 999
    assert ring.older_than(1 << 62, 10) == []


def test_ids_may_begin_anywhere() -> None:
    ring = TradeRing(1_000, 5)
    for i in range(8):
        assert ring.append(i + 1, 1, False, i) == 1_000 + i
    assert [(trade.trade_id, trade.price) for trade in ring.older_than(1_006, 10)] == [
        (1_005, 6),
        (1_004, 5),
        (1_003, 4),
    ]


def test_the_day_rolls() -> None:
    bars = Bars([MinuteBar(minute * 60, 10, 11, 9, 10, 1) for minute in range(1_440)])
    day = bars.day()
    assert day is not None
    assert (day.open, day.high, day.low, day.volume, day.volume_30d) == (10, 11, 9, 1_440, 1_440)
    bars.add(50, 5, DAY_S * SECOND_NS)
    bars.add(40, 5, DAY_S * SECOND_NS + 1)
    bars.add(60, 5, DAY_S * SECOND_NS + 2)
    day = bars.day()
    assert day is not None
    assert (day.open, day.high, day.low, day.volume, day.volume_30d) == (10, 60, 9, 1_439 + 15, 1_440 + 15)


def test_after_a_day_without_trades_the_day_begins_anew() -> None:
    bars = Bars([MinuteBar(0, 10, 11, 9, 10, 7)])
    bars.add(20, 5, 3 * DAY_S * SECOND_NS)
    day = bars.day()
    assert day is not None
    assert (day.open, day.high, day.low, day.volume, day.volume_30d) == (20, 20, 20, 5, 12)


def test_before_the_first_trade_there_is_no_day() -> None:
    assert Bars([]).day() is None


def test_a_bar_counts_trades_and_what_takers_bought() -> None:
    bars = Bars([])
    bars.add(10, 3, 5 * SECOND_NS, is_buy=True)
    bars.add(12, 2, 6 * SECOND_NS)
    assert list(bars.between(0, 60)) == [MinuteBar(0, 10, 12, 10, 12, 5, 54, 2, 3, 30)]
    day = bars.day()
    assert day is not None
    assert day.value == 54


def test_bars_roll_up_and_stay_as_they_are() -> None:
    minutes = [
        MinuteBar(360, 9, 9, 8, 8, 1, 8, 1, 0, 0),
        MinuteBar(120, 4, 6, 4, 5, 2, 10, 2, 1, 5),
        MinuteBar(0, 3, 4, 1, 4, 3, 9, 2, 3, 9),
    ]
    assert roll_up(minutes, 300) == [
        MinuteBar(300, 9, 9, 8, 8, 1, 8, 1, 0, 0),
        MinuteBar(0, 3, 6, 1, 5, 5, 19, 4, 4, 14),
    ]
    assert minutes[1].volume == 2
    assert roll_up([], 300) == []


def test_flat_bars_fill_what_was_quiet() -> None:
    bars = [MinuteBar(60, 1, 3, 1, 2, 5), MinuteBar(240, 4, 4, 4, 4, 1)]
    assert [(bar.start, bar.open, bar.close, bar.volume) for bar in fill_up(bars, 60, 360)] == [
        (60, 1, 2, 5),
        (120, 2, 2, 0),
        (180, 2, 2, 0),
        (240, 4, 4, 1),
        (300, 4, 4, 0),
    ]
    assert fill_up([], 60, 360) == []


def test_a_trade_is_found_by_its_time_also_after_the_oldest_are_forgotten() -> None:
    ring = TradeRing(100, 4)
    assert ring.first_after(0) == 100
    for time in (10, 20, 20, 20, 30, 40):
        ring.append(1, 1, False, time)
    assert [ring.first_after(time) for time in (0, 10, 20, 29, 30, 40, 50)] == [102, 102, 104, 104, 105, 106, 106]
