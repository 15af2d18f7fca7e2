"""Statistics in the pipeline: rows beside the candles, windows made again after late trades."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.machine import MINUTES, NOON, SECOND, Kept, Machine, chunk, match

from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.engine.pipeline.trade_ids import TradeIds
from fulltape.operators.activity_bars import ActivityBarConfig
from fulltape.records import TRADES, BarBasis, Batch

MINUTE = 60 * SECOND
ON = StatisticConfig(ActivityBarConfig(ticks=2))


def machine() -> Machine:
    return Machine(MINUTES, statistics=ON)


def test_without_statistics_there_are_none() -> None:
    plain = Machine()
    plain.step(chunk(match(7), match(8, NOON + 9 * MINUTE)))
    assert not {"stats", "windows", "activity_bars"} & plain.batches.keys()


def test_trades_make_rows_of_every_kind() -> None:
    one = machine()
    one.step(chunk(match(7, price="100"), match(8, NOON + MINUTE, price="110")), clock=NOON + 10 * MINUTE)
    first, second = one.rows("stats")
    assert (first.trade_id, first.change_1t, first.change_1m) == ("7", None, None)
    assert (second.trade_id, second.price, second.event_time) == ("8", 110.0, NOON + MINUTE)
    assert (second.change_1t, second.change_1m) == (pytest.approx(10.0), pytest.approx(10.0))
    (bar,) = one.rows("activity_bars")
    assert (bar.basis, bar.number, bar.open, bar.close, bar.trades) == (BarBasis.TICKS, 1, 100.0, 110.0, 2)
    assert [row.start for row in one.rows("windows")][:2] == [NOON - MINUTE // 2, NOON]
    assert "tick_stats" not in one.batches


@pytest.mark.parametrize("back", [0, 3 * SECOND])
def test_ids_of_two_kinds_do_not_change_the_order_of_arrival(back: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades of one connection are told apart from those of another by the rule of their ids, and come together again.

    Every trade's ingest time is a clock: so all that came in ten seconds as one step is what it is frame by frame,
    also if our clock was set ``back`` meanwhile.
    """
    monkeypatch.setattr(TradeIds, "follow", lambda _, instruments: instruments == 0)
    symbols = ("BTC-USD", "ETH-USD")
    times = [NOON + n * SECOND // 4 - (back if n > 20 else 0) for n in range(40)]
    frames = [
        chunk(match(n // 2 + 7, time, symbol=symbols[n % 2], price=str(100 + n)), at=time)
        for n, time in enumerate(times)
    ]
    whole, parts = machine(), machine()
    whole.step(*frames, clock=times[-1])
    for frame, time in zip(frames, times, strict=True):
        parts.step(frame, clock=time)
    for kind in ("trades", "stats", "activity_bars"):
        assert whole.rows(kind) == parts.rows(kind)
    assert len(whole.rows("stats")) > 10


def book(bid: float, ask: float) -> bytes:
    levels = {"bids": [[str(bid), "1.0"]], "asks": [[str(ask), "3.0"]]}
    return msgspec.json.encode({"type": "snapshot", "product_id": "BTC-USD", **levels})


def test_books_make_rows_of_quotes_and_depth() -> None:
    one = machine()
    one.step(chunk(book(99.95, 100.05)), clock=NOON + SECOND - 1)
    assert not {"quote_stats", "depths"} & one.batches.keys()
    one.step(clock=NOON + SECOND)
    (quote,), (depth,) = one.rows("quote_stats"), one.rows("depths")
    assert (quote.instrument, quote.mid, quote.venues) == ("BTC-USD.COINBASE", 100.0, 1)
    assert quote.microprice == pytest.approx(99.975)
    assert (depth.depth_bp, depth.bid_depth, depth.ask_depth, depth.book_imbalance) == (10.0, 1.0, 3.0, -0.5)


def test_a_late_trade_makes_its_windows_again() -> None:
    one = machine()
    one.step(chunk(match(7, NOON + SECOND, price="100")))
    one.step(chunk(match(9, NOON + 5 * MINUTE)))
    one.step(chunk(match(8, NOON + 2 * SECOND, price="104")), clock=NOON + 5 * MINUTE)
    windows = {row.start: row for row in one.rows("windows")}
    assert (windows[NOON].trades, windows[NOON].mean_60s_30s, windows[NOON].volatility_1m) == (2, 102.0, 8.0**0.5)
    assert windows[NOON - MINUTE // 2].mean_60s_30s == 102.0


def test_late_trades_far_apart_are_made_again_without_what_lies_between(monkeypatch: pytest.MonkeyPatch) -> None:
    one = machine()
    for hour in range(1, 5):
        now = NOON + hour * 60 * MINUTE
        one.step(chunk(match(10 * hour, now), at=now), clock=now)
    asked: list[tuple[int, int]] = []
    read = Kept.trades

    def trades(kept: Kept, instrument: int, start: int, end: int) -> Batch:
        asked.append(((start - NOON) // MINUTE, (end - NOON) // MINUTE))
        return read(kept, instrument, start, end)

    monkeypatch.setattr(Kept, "trades", trades)
    late = [match(10 * i + 1, NOON + i * 60 * MINUTE + SECOND, price="300") for i in (1, 3)]
    one.step(chunk(*late, at=NOON + 5 * 60 * MINUTE), clock=NOON + 5 * 60 * MINUTE)
    windows = {row.start: row for row in one.rows("windows")}
    assert [windows[NOON + i * 60 * MINUTE].mean_60s_30s for i in range(1, 4)] == [200.0, 100.0, 200.0]
    assert {(59, 61), (179, 181)} <= set(asked)


def test_a_window_whose_trades_are_gone_stays_as_it_was() -> None:
    one = machine()
    one.step(chunk(match(7, NOON + SECOND, price="100"), match(8, NOON + SECOND, price="104")))
    one.step(chunk(match(10, NOON + 5 * MINUTE), at=NOON + 5 * MINUTE))
    one.batches[TRADES.name].clear()
    one.step(chunk(match(9, NOON + 2 * SECOND, price="900")), clock=NOON + 5 * MINUTE)
    windows = {row.start: row for row in one.rows("windows")}
    assert (windows[NOON].trades, windows[NOON].mean_60s_30s) == (2, 102.0)
    assert one.pipeline.counters.stale_candles >= 2


def test_a_restart_changes_nothing() -> None:
    frames = [match(i, NOON + i * 7 * SECOND, price=str(100 + i % 5)) for i in range(1, 60)]
    whole, halves = machine(), machine()
    whole.step(chunk(*frames))
    halves.step(chunk(*frames[:29]))
    rest = halves.restarted(NOON)
    rest.step(chunk(*frames[29:]))
    for kind in ("stats", "windows", "activity_bars"):
        assert rest.rows(kind) == whole.rows(kind)
