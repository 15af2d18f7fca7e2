"""What people bring meets what is there: no doubles, no harm to live capture, nothing claimed."""

from __future__ import annotations

from tests.engine.machine import NOON, SECOND, Machine, chunk, confirmed, match, up

from fulltape.engine.pipeline import Pipeline
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import (
    COVERAGE,
    DEAD_LETTERS,
    QUOTES,
    TRADES,
    AggressorSide,
    CoverageState,
    DeadLetter,
    Instrument,
    InstrumentTable,
    Origin,
    Quote,
    QuoteSource,
    Trade,
)
from fulltape.records.delivery import Delivery, Receipt
from fulltape.venues.registry import venue

BTC = Instrument("BTC-USD.COINBASE", "COINBASE", "BTC-USD", "BTC", "USD")
AAPL = Instrument("AAPL-USD.NASDAQ", "NASDAQ", "AAPL-USD", "AAPL", "USD")


def trade(trade_id: int, time: int, instrument: Instrument = BTC) -> Trade:
    return Trade(instrument.id, str(trade_id), 100.0, 1.0, AggressorSide.BUY, time, NOON, Origin.IMPORT)


def brought(*trades: Trade, at: int = NOON) -> Delivery:
    instruments = (AAPL, BTC)  # in another order than the engine's
    own = InstrumentTable(instruments)
    times = {code: [one.event_time for one in trades if one.instrument == own.id_of(code)] for code in (0, 1)}
    stretches = {code: (min(found), max(found) + 1) for code, found in times.items() if found}
    return Delivery((TRADES.from_rows(trades, own),), instruments, at, stretches)


def live(*ids: int) -> Machine:
    machine = Machine()
    machine.step(up(), chunk(confirmed(), *(match(one, NOON + one * SECOND) for one in ids)))
    return machine


def ids(machine: Machine) -> list[int]:
    return sorted(int(row.trade_id) for row in machine.rows(TRADES.name))


def test_history_before_the_first_live_trade_is_taken() -> None:
    machine = live(100, 101)
    delivery = brought(trade(7, NOON - 60 * SECOND), trade(8, NOON - 50 * SECOND))
    outcome = machine.step(delivery)
    assert outcome.receipts[delivery] == Receipt(2, 0)
    assert ids(machine) == [7, 8, 100, 101]


def test_what_is_stored_already_falls_out_by_its_id() -> None:
    machine = live(100, 101)
    delivery = brought(*[trade(101, NOON + 101 * SECOND)] * 2, trade(99, NOON), trade(99, NOON))
    assert machine.step(delivery).receipts[delivery] == Receipt(1, 3)
    again = brought(trade(99, NOON), at=NOON + SECOND)
    assert machine.step(again).receipts[again] == Receipt(0, 1)
    assert ids(machine) == [99, 100, 101]
    assert machine.pipeline.counters.duplicates == 4


def test_two_deliveries_of_one_step_make_no_doubles() -> None:
    machine = Machine()
    first, second = brought(trade(1, NOON)), brought(trade(1, NOON), trade(2, NOON))
    assert machine.step(first, second).receipts == {first: Receipt(1, 0), second: Receipt(1, 1)}


def test_a_hole_is_filled_by_what_is_brought() -> None:
    machine = live(100, 103)
    machine.step(clock=NOON + 200 * SECOND)
    assert machine.pipeline.open_holes() == (1, 2)
    machine.step(brought(trade(101, NOON + 101 * SECOND), trade(102, NOON + 102 * SECOND)), clock=NOON + 201 * SECOND)
    assert machine.pipeline.open_holes() == (0, 0)
    assert ids(machine) == [100, 101, 102, 103]


def test_an_id_beyond_all_others_does_not_stop_live_capture() -> None:
    machine = live(100)
    machine.step(brought(trade(10**18, NOON)))
    machine.step(chunk(match(101, NOON + 101 * SECOND)))
    assert ids(machine) == [100, 101, 10**18]
    assert machine.pipeline.open_holes() == (0, 0)


def test_nothing_is_claimed_of_a_stretch_that_was_brought() -> None:
    machine = Machine()
    machine.step(brought(trade(1, NOON), trade(2, NOON + 300 * SECOND)))
    (told,) = machine.rows(COVERAGE.name)
    assert (told.state, told.start, told.end) == (CoverageState.NOT_FOLLOWED, NOON, NOON + 300 * SECOND + 1)


def test_where_the_ledger_knows_more_it_is_left_alone() -> None:
    machine = Machine()
    machine.step(up(), chunk(confirmed()))
    before = machine.rows(COVERAGE.name)
    machine.step(brought(trade(1, NOON - 60 * SECOND), trade(2, NOON + 60 * SECOND)))
    added = [row for row in machine.rows(COVERAGE.name) if row not in before]
    assert [(row.start, row.end) for row in added if row.channel == "trades"] == [(NOON - 60 * SECOND, NOON)]


def test_quotes_fall_out_by_their_key() -> None:
    machine = Machine()
    own = InstrumentTable((BTC,))
    quote = Quote(BTC.id, 1.0, 1.0, 2.0, 1.0, NOON, NOON, QuoteSource.QUOTE)
    batch = QUOTES.from_rows([quote, quote], own)
    assert list(machine.step(Delivery((batch,), (BTC,), NOON)).receipts.values()) == [Receipt(1, 1)]
    assert list(machine.step(Delivery((batch,), (BTC,), NOON)).receipts.values()) == [Receipt(0, 2)]


def test_instruments_of_venues_that_nobody_follows_are_made_of_their_ids() -> None:
    class Nothing:
        def records(self, schema: object, *_: int) -> object:
            return schema.empty()  # type: ignore[attr-defined]

    pipeline = Pipeline(InstrumentTable(), venue, CandleConfig())
    delivery = brought(trade(1, NOON, AAPL))
    outcome = pipeline.step([delivery], NOON, Nothing())  # type: ignore[arg-type]
    assert outcome.receipts[delivery] == Receipt(1, 0)
    assert {one.id for one in outcome.instruments.values()} == {AAPL.id, BTC.id}


def test_dead_letters_that_are_brought_stand_beside_those_of_frames() -> None:
    letter = DeadLetter("IMPORT", "bad.csv", NOON, "bad_row", "line 3", b"half a l")
    for items in ((chunk(b"{not json"),), ()):
        machine = Machine()
        machine.step(*items, Delivery((DEAD_LETTERS.from_rows([letter], InstrumentTable()),), (), NOON, {}))
        found = [row.raw for row in machine.rows(DEAD_LETTERS.name)]
        assert sorted(found) == sorted([b"half a l", *(b"{not json" for _ in items)])
