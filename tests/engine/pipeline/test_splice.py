"""Where bars and trades meet: whatever comes in whatever order, a window that is known says what the market did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.machine import COINBASE, NOON, SECOND, Machine, chunk, confirmed, down, match, up
from tests.engine.shelf import Kept, bars_of, trades_of

from fulltape.engine.history.backfill import BARS_SETTLED_NS
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import BARS, Batch, Candle, CandleSource
from fulltape.records.frames import Item
from fulltape.records.page import Page

MINUTE = 60 * SECOND
CONFIG = CandleConfig(("1m", "5m", "15m"), quiet_from="1m")
NAMES = {60: "1m", 300: "5m", 900: "15m"}
MINUTES = 32
END = NOON + 50 * MINUTE
BTC = "BTC-USD.COINBASE"


@dataclass(frozen=True)
class World:
    """All trades, and when somebody listened (ns)."""

    trades: tuple[Kept, ...]
    up: int
    down: int

    def of(self, start: int, end: int) -> list[Kept]:
        return [one for one in self.trades if start <= one.time < end]

    def bars(self, interval_s: int, start: int, end: int) -> Batch:
        """Return the venue's bars, none for a window without trades."""
        length, found = interval_s * SECOND, []
        for first in range(start, end, length):
            if inside := [one.price for one in self.of(first, first + length)]:
                bar = bars_of([first], interval_s, volume=float(len(inside)))
                prices = {"open": inside[0], "high": max(inside), "low": min(inside), "close": inside[-1]}
                vwap = sum(inside) / len(inside)
                columns = {name: bar[name] * 0.0 + price for name, price in {**prices, "vwap": vwap}.items()}
                found.append(Batch(BARS, {**bar.columns, **columns}))
        return Batch.concat([BARS.empty(), *found])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Trades at up to 40 whole seconds, and a time of listening, with the first of which a trade comes.

    Before the first live trade the venue's clock is not known, and the newest windows would stay open.
    """
    heard = sorted(draw(st.sets(st.integers(0, MINUTES * 60), min_size=2, max_size=2)))
    seconds = sorted(draw(st.sets(st.integers(0, MINUTES * 60 - 1), max_size=40)) | {heard[0]})
    prices = draw(st.lists(st.integers(1, 9), min_size=len(seconds), max_size=len(seconds)))
    rows = enumerate(zip(seconds, prices, strict=True), start=1)
    trades = tuple(Kept(n, NOON + second * SECOND, float(price)) for n, (second, price) in rows)
    return World(trades, NOON + heard[0] * SECOND, NOON + heard[1] * SECOND)


@st.composite
def asked(draw: st.DrawFn) -> tuple[int, int, int]:
    """An interval (0: trades) and a range of windows to ask history for."""
    interval_s = draw(st.sampled_from((0, 60, 60, 300)))
    length = interval_s or 20
    most = MINUTES * 60 // length
    first, last = sorted((draw(st.integers(0, most)), draw(st.integers(0, most))))
    return interval_s, NOON + first * length * SECOND, NOON + last * length * SECOND


def pages(world: World, interval_s: int, start: int, end: int) -> list[Page]:
    """Return bars in one page, trades in pages of up to five minutes, newest first."""
    if interval_s:
        return [Page(0, world.bars(interval_s, start, end), interval_s, start, end, END)]
    found = []
    for stop in range(end, start, -5 * MINUTE):
        first = max(start, stop - 5 * MINUTE)
        edge = first if first > start else None
        found.append(Page(0, trades_of(world.of(first, stop)), 0, first, stop, END, edge))
    return found


def happenings(world: World, wanted: Sequence[tuple[int, int, int]]) -> list[tuple[int, Item]]:
    """Return what comes, with the time at which it comes: some history at once, some after each five minutes."""
    live: list[tuple[int, Item]] = [(world.up, up(world.up)), (world.up, chunk(confirmed("BTC-USD"), at=world.up))]
    for one in world.of(world.up, world.down):
        live.append((one.time, chunk(match(one.id, one.time, price=str(one.price), size="1"), at=one.time)))
    live.append((world.down, down(world.down)))
    past = [
        (max(world.up, end + BARS_SETTLED_NS, NOON + place * 5 * MINUTE), one)
        for place, (interval_s, start, end) in enumerate(wanted)
        for one in pages(world, interval_s, start, end)
    ]
    return sorted([*live, *past], key=lambda one: one[0])


def made(happening: Sequence[tuple[int, Item]], together: int) -> Machine:
    """Return a machine through which everything went, so many items to a step."""
    machine = Machine(CONFIG)
    machine.table.add(COINBASE.instrument("BTC-USD"))
    for place in range(0, len(happening), together):
        part = happening[place : place + together]
        machine.step(*(item for _, item in part), clock=part[-1][0])
    machine.step(clock=END)
    return machine


def told(machine: Machine) -> list[Candle]:
    """Return the final candles that have trades, without how often they were made again.

    Of a window without trades there is a row if it was final before its bars came, which may leave such windows out.
    """
    rows = [msgspec.structs.replace(row, revision=0) for row in machine.candles().values()]
    rows = [row for row in rows if row.is_final and row.trades != 0]
    return sorted(rows, key=lambda row: (row.interval, row.start))


@settings(max_examples=60, deadline=None)
@given(world=worlds(), wanted=st.lists(asked(), max_size=6), together=st.integers(1, 40))
def test_what_is_known_is_what_the_market_did(world: World, wanted: list[tuple[int, int, int]], together: int) -> None:
    happening = happenings(world, wanted)
    machine = made(happening, together)
    known, candles = machine.pipeline.known, machine.candles()
    finer = {60: (60,), 300: (60, 300), 900: (60, 300)}
    for interval_s, name in NAMES.items():
        for start in range(NOON, NOON + 45 * MINUTE, interval_s * SECOND):
            end = start + interval_s * SECOND
            if known.of_either(0, finer[interval_s]).covers(start, end):
                candle, inside = candles.get((BTC, name, start)), world.of(start, end)
                check(candle, inside, has_all=known.has_trades(0, start, end))
                assert candle is None or candle.is_final
    assert len({row.trade_id for row in machine.rows("trades")}) == len(machine.rows("trades"))


def check(candle: Candle | None, inside: list[Kept], *, has_all: bool) -> None:
    """Compare a candle of a known window with its trades, all of which may be stored; of an empty one may be none."""
    if not inside:
        assert candle is None or candle.trades in (0, None)
        return
    assert candle is not None
    prices = [one.price for one in inside]
    assert (candle.open, candle.high, candle.low, candle.close) == (prices[0], max(prices), min(prices), prices[-1])
    assert candle.volume == len(inside)
    assert candle.quote_volume == pytest.approx(sum(prices))
    if has_all:
        assert candle.source is CandleSource.TRADES
    # Bars may leave out all windows but those whose trades are stored.
    is_counted = candle.source is CandleSource.TRADES
    assert (candle.trades, candle.taker_buy_volume) == ((len(inside), len(inside)) if is_counted else (None, None))


@settings(max_examples=30, deadline=None)
@given(world=worlds(), wanted=st.lists(asked(), max_size=5), place=st.integers(0, 40))
def test_a_restart_in_between_changes_nothing(world: World, wanted: list[tuple[int, int, int]], place: int) -> None:
    """History goes on from the spans that were committed; what was live is over by then."""
    happening = happenings(world, [])
    later = [(END, one) for wish in wanted for one in pages(world, *wish)]
    whole = made([*happening, *later], 1)
    machine = made([*happening, *later[:place]], 1).restarted(END)
    for time, item in later[place:]:
        machine.step(item, clock=time)
    machine.step(clock=END)
    assert told(machine) == told(whole)
