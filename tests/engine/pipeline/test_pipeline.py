"""The pipeline: frames in, the content of a commit out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.engine.machine import COINBASE, MINUTES, NOON, SECOND, Machine, beat, chunk, confirmed, down, match, up
from tests.engine.shelf import Kept, bars_of, trades_of

from fulltape.engine.pipeline import dead_letters as module
from fulltape.engine.pipeline.pipeline import Pipeline
from fulltape.errors import ConfigError
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import TRADES, AggressorSide, CandleSource, CoverageState, EmptyReason, Instrument, Origin
from fulltape.records.delivery import Delivery
from fulltape.records.frames import Connection
from fulltape.records.page import Page
from fulltape.venues.base import Acknowledged, Channel
from fulltape.venues.registry import venue

MINUTE = 60 * SECOND
BTC = "BTC-USD.COINBASE"


def test_a_frame_becomes_a_trade_a_candle_and_the_last_price() -> None:
    machine = Machine()
    outcome = machine.step(chunk(match(7, price="101.5")))
    (trade,) = machine.rows("trades")
    (last,) = machine.rows("last")
    assert (trade.instrument, trade.trade_id, trade.price, trade.size) == (BTC, "7", 101.5, 0.5)
    assert (trade.aggressor_side, trade.origin) == (AggressorSide.BUY, Origin.LIVE)
    assert machine.candles()[BTC, "1m", NOON].close == last.price == 101.5
    assert [row.id for row in outcome.instruments.values()] == [BTC]
    assert outcome.seen == {"COINBASE-1": {"BTC-USD": NOON}}
    assert outcome.snapshots["candles"].keys() == outcome.snapshots["sequencer"].keys() == {0}


def test_nothing_makes_an_empty_outcome() -> None:
    assert Machine().step().is_empty


def test_duplicates_are_counted_and_gone() -> None:
    machine = Machine()
    machine.step(chunk(match(7), match(8), match(7)))
    machine.step(chunk(match(8)))
    assert [trade.trade_id for trade in machine.rows("trades")] == ["7", "8"]
    assert machine.pipeline.counters.duplicates == 2
    assert machine.pipeline.counters.frames == 4


def test_bad_frames_end_in_dead_letters_with_their_bytes() -> None:
    machine = Machine()
    bad = [b"{not json", b"\xff\xfe", match(1, price="-1"), match(2, symbol="no such thing"), match(3)]
    machine.step(chunk(*bad))
    letters = machine.rows("dead_letters")
    assert [letter.raw for letter in letters] == bad[:4]
    assert [letter.reason for letter in letters][:2] == ["malformed_json", "malformed_json"]
    assert {letter.connection for letter in letters} == {"COINBASE-1"}
    assert sum(machine.pipeline.counters.rejected.values()) == 4
    assert [trade.trade_id for trade in machine.rows("trades")] == ["3"]


def test_a_flood_of_bad_frames_is_counted_in_full_and_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_LETTERS", 10)
    machine = Machine()
    machine.step(chunk(*[b"{"] * 8), chunk(*[b"{"] * 8))
    machine.step(chunk(b"{"))
    assert len(machine.rows("dead_letters")) == 11
    assert machine.pipeline.counters.rejected["malformed_json"] == 17


def test_a_huge_bad_frame_is_kept_in_part() -> None:
    machine = Machine()
    machine.step(chunk(b"x" * 100_000))
    (letter,) = machine.rows("dead_letters")
    assert len(letter.raw) == 65_536
    assert "the first 65536 of 100000 bytes" in letter.detail


def test_on_a_followed_connection_other_instruments_are_unknown() -> None:
    machine = Machine()
    machine.pipeline.follow("COINBASE-1", COINBASE, ["BTC-USD"])
    machine.step(chunk(match(1), match(1, symbol="ETH-USD")))
    assert [trade.instrument for trade in machine.rows("trades")] == [BTC]
    assert [letter.reason for letter in machine.rows("dead_letters")] == ["unknown_instrument"]


def test_a_symbol_that_is_none_is_refused_when_followed() -> None:
    with pytest.raises(ConfigError):
        Machine().pipeline.follow("COINBASE-1", COINBASE, ["no such thing"])


def test_steps_are_learnt_of_instruments_that_are_followed_only() -> None:
    machine = Machine()
    machine.step(chunk(match(1)))
    news = [
        Instrument(f"{base}-USD.COINBASE", "COINBASE", f"{base}-USD", base, "USD", 0.01, 1e-8)
        for base in ("BTC", "ETH")
    ]
    machine.pipeline.learn(news)
    assert machine.step().instruments == {0: news[0]}
    assert len(machine.table) == 1


def test_controls_go_to_the_session_whose_frames_they_came_in() -> None:
    machine = Machine()
    outcome = machine.step(chunk(confirmed("BTC-USD")))
    ((name, control),) = outcome.controls
    assert name == "COINBASE-1"
    assert isinstance(control, Acknowledged)
    assert control.channels[Channel.TRADES] == {"BTC-USD"}
    assert [row.state for row in machine.rows("coverage")] == [CoverageState.COMPLETE]


def test_a_heartbeat_is_judged_by_the_trades_before_it() -> None:
    machine = Machine()
    machine.step(chunk(match(7), beat(8), match(8)), clock=NOON)
    machine.step(clock=NOON + 10 * SECOND)
    assert machine.pipeline.open_holes() == (0, 0)
    machine.step(chunk(beat(10), at=NOON + 11 * SECOND), clock=NOON + 20 * SECOND)
    assert machine.pipeline.open_holes() == (1, 2)
    assert [(row.first_missing, row.missing) for row in machine.rows("coverage")] == [("9", 2)]


def test_a_reconnection_without_loss_is_proven() -> None:
    machine = Machine()
    machine.step(up(), chunk(confirmed(), match(7)))
    machine.step(down(NOON + 5 * SECOND), up(NOON + 6 * SECOND), clock=NOON + 6 * SECOND)
    later = NOON + 7 * SECOND
    machine.step(chunk(match(7, type="last_match"), confirmed(), match(8, later), at=later), clock=later)
    states = [(row.start - NOON, row.state) for row in machine.rows("coverage")]
    assert states == [(0, CoverageState.COMPLETE), (5 * SECOND, CoverageState.COMPLETE), (7 * SECOND, 0)]
    assert [trade.trade_id for trade in machine.rows("trades")] == ["7", "8"]


def test_a_late_trade_makes_a_revision_of_what_is_committed() -> None:
    machine = Machine()
    machine.step(chunk(match(7, price="5")))
    machine.step(chunk(match(8, NOON + 5 * MINUTE), at=NOON + 5 * MINUTE), clock=NOON + 5 * MINUTE)
    machine.step(chunk(match(9, NOON + 1, price="9"), at=NOON + 5 * MINUTE), clock=NOON + 5 * MINUTE)
    candle = machine.candles()[BTC, "1m", NOON]
    assert (candle.open, candle.close, candle.trades, candle.revision, candle.is_final) == (5.0, 9.0, 2, 1, True)
    assert machine.pipeline.counters.late_trades == 1


def test_a_trade_too_late_for_every_window_stops_nothing() -> None:
    machine = Machine()
    machine.step(chunk(match(7)))
    machine.step(clock=NOON + 10 * MINUTE)
    machine.step(chunk(match(8, NOON + 1), at=NOON + 10 * MINUTE), clock=NOON + 10 * MINUTE)
    assert machine.candles()[BTC, "1m", NOON].trades == 2


def test_a_candle_whose_trades_are_gone_is_left_as_it_was() -> None:
    machine = Machine()
    machine.step(chunk(match(7, price="5")), chunk(match(8, NOON + 5 * MINUTE), at=NOON + 5 * MINUTE))
    before = machine.candles()[BTC, "1m", NOON]
    machine.batches["trades"] = []
    machine.step(chunk(match(9, NOON + 1, price="9"), at=NOON + 5 * MINUTE), clock=NOON + 5 * MINUTE)
    assert machine.candles()[BTC, "1m", NOON] == before
    assert machine.pipeline.counters.stale_candles == 1


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_empty_window_inside_a_hole_says_so_however_the_frames_are_cut(steps: int) -> None:
    later = NOON + 5 * MINUTE
    items = [chunk(match(7)), chunk(match(9, later), at=later), chunk(match(10, later), at=later + 10 * SECOND)]
    machine = Machine()
    for first in range(0, 3, 4 - steps):
        part = items[first : first + 4 - steps]
        machine.step(*part, clock=part[-1].ingest_times[-1])
    assert machine.candles()[BTC, "1m", NOON + 2 * MINUTE].reason is EmptyReason.GAP
    machine.step(chunk(match(8, NOON + 1), at=later + 11 * SECOND), clock=later + 11 * SECOND)
    assert machine.candles()[BTC, "1m", NOON + 2 * MINUTE].reason is EmptyReason.QUIET


def test_a_restart_goes_on_where_the_last_step_ended() -> None:
    late = NOON + 3 * MINUTE
    first = [chunk(confirmed(), match(7), match(9))]
    second = [chunk(match(8, NOON + 1), match(10, late), at=late)]
    through, before = Machine(), Machine()
    through.step(*first)
    through.step(*second, clock=late)
    before.step(*first)
    after = before.restarted(NOON)
    after.step(*second, clock=late)
    assert after.rows("trades") == through.rows("trades")
    assert [c.trades for c in after.candles().values()] == [c.trades for c in through.candles().values()]
    down_row = next(row for row in after.rows("coverage") if row.state is CoverageState.DOWN)
    assert (down_row.start, down_row.evidence) == (NOON, "fulltape was not running")
    assert after.candles()[BTC, "1m", NOON + MINUTE].reason is EmptyReason.VENUE_DOWN


def test_a_restart_knows_the_outages_from_before() -> None:
    machine = Machine()
    machine.step(up(), chunk(confirmed(), match(7)), down(NOON + SECOND))
    after = machine.restarted(NOON + 2 * SECOND)
    after.step(chunk(match(8, NOON + 3 * MINUTE), at=NOON + 3 * MINUTE), clock=NOON + 3 * MINUTE)
    assert after.candles()[BTC, "1m", NOON + MINUTE].reason is EmptyReason.VENUE_DOWN


def test_other_intervals_than_before_are_refused() -> None:
    machine = Machine()
    machine.step(chunk(match(7)))
    with pytest.raises(ConfigError, match="begun with other candles"):
        Machine(CandleConfig(("1m", "5m"))).pipeline.restore(machine.snapshots, NOON)
    Machine(MINUTES).pipeline.restore({}, NOON)


def test_a_new_connection_has_a_new_parser_and_its_own_place_in_order() -> None:
    machine = Machine()
    outcome = machine.step(chunk(match(1)), down(), up(), chunk(match(2), match(3)), clock=NOON)
    assert [trade.trade_id for trade in machine.rows("trades")] == ["1", "2", "3"]
    assert len(outcome.batches[TRADES.name]) == 3


def listening(machine: Machine, *symbols: str) -> None:
    machine.pipeline.follow("COINBASE-1", COINBASE, symbols)
    machine.step(up(), chunk(confirmed(*symbols)))


def stretches(machine: Machine, instrument: str = BTC) -> list[tuple[int, int | None, CoverageState]]:
    rows = [row for row in machine.rows("coverage") if row.instrument == instrument]
    return [(r.start - NOON, None if r.end is None else r.end - NOON, r.state) for r in rows]


@pytest.mark.parametrize("ends", ["acknowledged", "disconnected"])
def test_an_instrument_given_up_ends_as_not_followed_and_the_others_go_on(ends: str) -> None:
    machine = Machine()
    listening(machine, "BTC-USD", "ETH-USD")
    machine.step(chunk(match(1), match(1, symbol="ETH-USD")))
    machine.pipeline.unfollow("COINBASE-1", COINBASE, ["BTC-USD", "XRP-USD"])
    on_its_way = chunk(match(2, NOON + SECOND), at=NOON + SECOND)
    machine.step(on_its_way, clock=NOON + SECOND)
    assert stretches(machine) == [(0, None, CoverageState.COMPLETE)]
    end = NOON + 2 * SECOND
    last_word = chunk(confirmed("ETH-USD"), at=end) if ends == "acknowledged" else down(end)
    machine.step(last_word, clock=end)
    assert [row.trade_id for row in machine.rows("trades") if row.instrument == BTC] == ["1", "2"]
    assert stretches(machine) == [
        (0, 2 * SECOND, CoverageState.COMPLETE),
        (2 * SECOND, None, CoverageState.NOT_FOLLOWED),
    ]
    state = CoverageState.COMPLETE if ends == "acknowledged" else CoverageState.DOWN
    assert stretches(machine, "ETH-USD.COINBASE")[-1][1:] == (None, state)
    assert not machine.batches.get("dead_letters")


def test_trades_that_nobody_wanted_are_no_hole_and_their_windows_say_so() -> None:
    machine = Machine()
    listening(machine, "BTC-USD", "ETH-USD")
    machine.step(chunk(match(1)))
    machine.step(chunk(confirmed("ETH-USD"), at=NOON + SECOND))
    back = NOON + 3 * MINUTE
    machine.step(clock=back)
    machine.step(chunk(confirmed("BTC-USD", "ETH-USD"), beat(40, back), match(50, back), at=back), clock=back)
    later = back + 10 * SECOND
    machine.step(chunk(match(52, later), at=later), clock=later + 3 * SECOND)
    assert stretches(machine)[1:] == [
        (SECOND, 3 * MINUTE, CoverageState.NOT_FOLLOWED),
        (3 * MINUTE, None, CoverageState.COMPLETE),
        (3 * MINUTE, 3 * MINUTE + 10 * SECOND, CoverageState.GAP),
    ]
    reasons = {row.start - NOON: row.reason for row in machine.candles().values() if row.instrument == BTC}
    assert reasons[MINUTE] is EmptyReason.NOT_FOLLOWED


def test_the_last_trade_seen_is_known_again() -> None:
    machine = Machine()
    listening(machine, "BTC-USD", "ETH-USD")
    machine.step(chunk(match(7), confirmed("ETH-USD")))
    machine.step(chunk(confirmed("BTC-USD", "ETH-USD"), match(7), match(8)))
    assert [row.trade_id for row in machine.rows("trades")] == ["7", "8"]


def test_what_was_followed_before_a_restart_and_is_not_now_is_no_outage() -> None:
    machine = Machine()
    listening(machine, "BTC-USD", "ETH-USD")
    machine.step(chunk(match(1), match(1, symbol="ETH-USD")))
    after = machine.restarted(NOON + SECOND)
    after.pipeline.follow("COINBASE-1", COINBASE, ["ETH-USD"])
    after.pipeline.follow_only(["COINBASE-1", "COINBASE-2"])
    after.step(clock=NOON + 2 * SECOND)
    assert stretches(after)[1:] == [
        (SECOND, 2 * SECOND, CoverageState.DOWN),
        (2 * SECOND, None, CoverageState.NOT_FOLLOWED),
    ]
    assert stretches(after, "ETH-USD.COINBASE")[-1] == (SECOND, None, CoverageState.DOWN)


def test_what_was_given_up_and_is_wanted_again_at_once_does_not_end() -> None:
    machine = Machine()
    listening(machine, "BTC-USD", "ETH-USD")
    machine.pipeline.unfollow("COINBASE-1", COINBASE, ["BTC-USD"])
    machine.pipeline.unfollow("COINBASE-2", COINBASE, ["ETH-USD"])
    machine.pipeline.follow("COINBASE-1", COINBASE, ["BTC-USD"])
    machine.step(down(NOON + SECOND), clock=NOON + SECOND)
    assert stretches(machine)[-1] == (SECOND, None, CoverageState.DOWN)
    assert CoverageState.NOT_FOLLOWED not in [state for _, _, state in stretches(machine)]


def test_an_outage_is_not_refilled_by_a_page_that_comes_with_it() -> None:
    machine = Machine()
    listening(machine, "BTC-USD")
    later = [NOON + seconds * SECOND for seconds in range(100)]
    page = Page(0, TRADES.empty(), 0, later[20], later[30], later[80])
    lost = (down(later[40]), up(later[60]), chunk(confirmed("BTC-USD"), at=later[61]))
    machine.step(*lost, page, clock=later[80])
    assert stretches(machine)[1] == (40 * SECOND, 61 * SECOND, CoverageState.DOWN)
    machine.step(replace(page, start=later[40], end=later[61]), clock=later[90])
    assert stretches(machine)[1] == (40 * SECOND, 61 * SECOND, CoverageState.REFILLED)


@pytest.mark.parametrize(("edge_s", "trades"), [(15, [5, 5]), (35, [3, 5])])
def test_what_closes_a_hole_corrects_its_windows_in_the_same_commit(edge_s: int, trades: list[int]) -> None:
    """A page whose edge lies before the hole, in one window with it, closes it; one with its edge inside does not."""
    machine = Machine()
    listening(machine, "BTC-USD")
    times = [NOON + seconds * SECOND for seconds in range(100)]
    shelf = [Kept(number, times[10 * number]) for number in range(1, 8)]
    heard = [match(one.id, one.time) for one in shelf if one.id not in (3, 4)]
    machine.step(chunk(*heard, at=times[90]), clock=times[95])
    edge = times[edge_s]
    newer = Page(0, trades_of([one for one in shelf if one.time >= edge]), 0, edge, times[71], times[96], edge)
    older = replace(newer, batch=trades_of(shelf), start=times[9], end=edge, edge=None)
    counts, holes = [], []
    for page in (newer, older):
        machine.step(page, clock=times[97])
        counts.append(machine.candles()[BTC, "1m", NOON].trades)
        holes.append(CoverageState.GAP in [state for _, _, state in stretches(machine)])
    assert counts == trades
    assert holes == [count < 5 for count in trades]


def test_before_the_first_subscription_no_market_was_quiet() -> None:
    machine = Machine()
    machine.pipeline.follow("COINBASE-1", COINBASE, ["BTC-USD"])
    machine.step(chunk(match(1, NOON - 5 * MINUTE)), up(), chunk(confirmed("BTC-USD")))
    machine.step(chunk(match(2, NOON + 2 * MINUTE), at=NOON + 2 * MINUTE), clock=NOON + 3 * MINUTE)
    assert [machine.candles()[BTC, "1m", NOON + n * MINUTE].reason for n in (-4, -1, 0, 1)] == [
        EmptyReason.NOT_FOLLOWED,
        EmptyReason.NOT_FOLLOWED,
        EmptyReason.QUIET,
        EmptyReason.QUIET,
    ]


def test_a_minute_is_quiet_once_history_tells_that_nobody_traded() -> None:
    machine = Machine()
    machine.pipeline.follow("COINBASE-1", COINBASE, ["BTC-USD"])
    machine.step(chunk(match(1, NOON - 5 * MINUTE)), up(), chunk(confirmed("BTC-USD")))
    machine.step(chunk(match(2, NOON + 2 * MINUTE), at=NOON + 2 * MINUTE))
    start, end = NOON - 3 * MINUTE - SECOND, NOON - MINUTE - SECOND
    machine.step(Page(0, TRADES.empty(), 0, start, end, NOON + 2 * MINUTE), clock=NOON + 2 * MINUTE)
    reasons = [machine.candles()[BTC, "1m", NOON - n * MINUTE].reason.name for n in (4, 3, 2, 1)]
    assert reasons == ["NOT_FOLLOWED", "QUIET", "NOT_FOLLOWED", "NOT_FOLLOWED"]
    machine.step(Page(0, TRADES.empty(), 0, end, NOON - SECOND, NOON + 2 * MINUTE), clock=NOON + 2 * MINUTE)
    reasons = [machine.candles()[BTC, "1m", NOON - n * MINUTE].reason.name for n in (4, 3, 2, 1)]
    assert reasons == ["NOT_FOLLOWED", "QUIET", "QUIET", "NOT_FOLLOWED"]


def test_what_a_bar_says_of_an_empty_minute_needs_no_other_reason() -> None:
    machine = Machine()
    listening(machine, "BTC-USD")
    machine.step(chunk(match(1, NOON - 3 * MINUTE), match(2, NOON + 2 * MINUTE)))
    start, end = NOON - 2 * MINUTE, NOON - MINUTE
    machine.step(Page(0, bars_of([start], volume=0.0), 60, start, end, NOON + SECOND))
    machine.step(Delivery((), (machine.table[0],), NOON + SECOND, {0: (start, end)}))
    row = machine.candles()[BTC, "1m", start]
    assert (row.source, row.reason) == (CandleSource.VENUE_BAR, EmptyReason.QUIET)


def test_trades_one_by_one_are_trades_to_the_ledger() -> None:
    """While OKX was followed by `trades_all` alone nobody was said to listen: a lost connection made quiet minutes."""
    okx = venue("okx")
    machine = Machine()
    machine.pipeline = Pipeline(machine.table, lambda name: okx, MINUTES)
    machine.pipeline.follow("OKX-2", okx, ["BTC-USDT"])
    line = Connection("OKX-2", "OKX")
    confirmation = b'{"event": "subscribe", "arg": {"channel": "trades-all", "instId": "BTC-USDT"}, "connId": "a"}'
    machine.step(chunk(confirmation, connection=line))
    machine.step(down(NOON + 60 * SECOND, line), clock=NOON + 60 * SECOND)
    states = [(row.channel, row.state) for row in machine.rows("coverage")]
    assert states == [("trades", CoverageState.COMPLETE), ("trades", CoverageState.DOWN)]
