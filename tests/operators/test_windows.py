"""Windows by time: equal to plain formulas over their trades, late trades included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.conformance.operators import OperatorConformance, Table, Tape
from tests.operators.market import split
from tests.operators.tape import MINUTE, NOON, SECOND, T, trades
from tests.operators.tick_tapes import items, random_trades

from fulltape.errors import ConfigError
from fulltape.operators.base import Operator, Step
from fulltape.operators.windows import Windows
from fulltape.records import TRADES, WINDOWS, AggressorSide, Batch, Origin

HALF = MINUTE // 2
SIDES = (AggressorSide.BUY, AggressorSide.SELL)


class WindowTable(Table):
    """Windows by (instrument, start), and the trades that an engine would have stored."""

    def __init__(self) -> None:
        super().__init__()
        self.past: list[Batch] = [TRADES.empty()]
        self.rows: dict[tuple[int, int], dict[str, Any]] = {}

    def take_step(self, windows: Windows, step: Step) -> None:
        """Run one step and what the engine does for stale windows besides."""
        self.past.append(step.batches.get(TRADES.name, TRADES.empty()))
        made = windows.apply(step)
        for code, starts in windows.take_stale().items():
            past = Batch.concat(self.past)
            made.append(windows.derive(code, starts, past.take(past["instrument"] == code)))
        self.take(made)
        for batch in made:
            for row in zip(*(batch[name].tolist() for name in batch.columns), strict=True):
                found = dict(zip(batch.columns, row, strict=True))
                self.rows[found["instrument"], found["start"]] = found


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return Windows()

    def tape(self, random: Random) -> Tape:
        return items(random_trades(random, 200))

    def table(self) -> Table:
        return WindowTable()

    def apply(self, operator: Operator, step: Step, table: Table) -> None:
        assert isinstance(operator, Windows) and isinstance(table, WindowTable)
        table.take_step(operator, step)


def run(rows: Sequence[T], places: Sequence[int] = ()) -> WindowTable:
    table, windows = WindowTable(), Windows()
    for step in split(rows, places, (rows[-1].ingest or rows[-1].time) + 3_600 * SECOND):
        table.take_step(windows, step)
    return table


def plain(rows: Sequence[T], start: int) -> dict[str, float]:
    """Return a window's figures from its trades, by NumPy."""
    inside = sorted((t for t in rows if start <= t.time < start + MINUTE), key=lambda t: (t.time, t.trade_id))
    price, size = np.array([t.price for t in inside]), np.array([t.size for t in inside])
    figures = {"trades": len(inside), "mean_60s_30s": float(price.mean())}
    if start % MINUTE:
        return figures
    bought, sold = (math.fsum(t.size for t in inside if t.side == side) for side in SIDES)
    buys, sells = (sum(t.side == side for t in inside) for side in SIDES)
    closes = list({t.time // SECOND: t.price for t in inside}.values())
    squares = float((np.diff(np.log(closes)) ** 2).sum())
    vwap = float((price * size).sum() / size.sum())
    return figures | {
        "volatility_1m": float(price.std(ddof=1)) if len(price) > 1 else math.nan,
        "realised_volatility": math.sqrt(squares * 365 * 24 * 60) if len(closes) > 1 else math.nan,
        "volume": float(size.sum()),
        "taker_buy_volume": bought,
        "taker_sell_volume": sold,
        "taker_buys": buys,
        "taker_sells": sells,
        "delta": bought - sold,
        "taker_buy_ratio": bought / (bought + sold) if buys + sells else math.nan,
        "trade_imbalance": (buys - sells) / (buys + sells) if buys + sells else math.nan,
        "vwap": vwap,
        "vwap_std": math.sqrt(float((size * (price - vwap) ** 2).sum() / size.sum())),
    }


@pytest.mark.parametrize("seed", range(4))
def test_every_window_is_the_plain_figure_of_its_trades(seed: int) -> None:
    random = Random(seed)
    rows = random_trades(random, 400)
    table = run(rows, random.sample(range(400), 40))
    starts = {(t.code, t.time // HALF * HALF - back) for t in rows for back in (0, HALF)}
    assert set(table.rows) == starts
    for code, start in starts:
        found = table.rows[code, start]
        for name, figure in plain([t for t in rows if t.code == code], start).items():
            assert found[name] == pytest.approx(figure, rel=1e-9, abs=1e-9 * found["mean_60s_30s"], nan_ok=True), name
        assert found["end"] == start + MINUTE


def test_volumes_are_exact_sums_rounded_once() -> None:
    sizes = [1e15, *[0.1] * 700, 3e-9, 1e15, 0.3]
    rows = [T(NOON + i * SECOND // 15, i, size=size, side=1 + (i > 600)) for i, size in enumerate(sizes)]
    found = run(rows).rows[0, NOON]
    bought, sold = (sum(Fraction(t.size) for t in rows if t.side == side) for side in SIDES)
    assert (found["taker_buy_volume"], found["taker_sell_volume"]) == (float(bought), float(sold))
    assert found["volume"] == float(bought + sold)
    assert found["delta"] == pytest.approx(float(bought - sold), rel=1e-14, abs=1e-27 * found["volume"])


def test_equal_prices_have_no_spread() -> None:
    found = run([T(NOON + i * SECOND, i, 61_732.03, 0.1) for i in range(50)]).rows[0, NOON]
    assert [found[name] for name in ("volatility_1m", "realised_volatility", "vwap_std")] == [0.0, 0.0, 0.0]


def test_a_window_that_begins_at_half_a_minute_has_its_mean_alone() -> None:
    table = WindowTable()
    table.take_step(Windows(), Step({"trades": trades([T(NOON, 1), T(NOON + 5 * MINUTE, 2)])}, NOON))
    batch = WINDOWS.from_columns(
        {name: [row[name] for row in table.rows.values()] for name in next(iter(table.rows.values()))}
    )
    half, whole = (row for row in batch.rows(_Names()))
    assert (half.start, half.mean_60s_30s, half.trades) == (NOON - HALF, 100.0, 1)
    assert {getattr(half, name) for name in half.__struct_fields__[5:]} == {None}
    assert (whole.start, whole.volatility_1m, whole.realised_volatility, whole.vwap_std) == (NOON, None, None, 0.0)


def test_the_clock_closes_windows_of_a_quiet_market() -> None:
    windows = Windows(lateness_s=2, quiet_s=5)
    live = {"trades": trades([T(NOON, 1, ingest=NOON + SECOND)])}
    assert windows.apply(Step(live, NOON + SECOND)) == []
    assert windows.apply(Step({}, NOON + HALF + 8 * SECOND - 1)) == []
    (first,) = windows.apply(Step({}, NOON + HALF + 8 * SECOND))
    (second,) = windows.apply(Step({}, NOON + MINUTE + 8 * SECOND))
    assert (first["start"].tolist(), second["start"].tolist()) == ([NOON - HALF], [NOON])
    assert windows.apply(Step({}, NOON + 9 * MINUTE)) == []


def test_what_is_brought_says_nothing_of_the_venues_clock() -> None:
    windows, day = Windows(), 86_400 * SECOND
    rows = [T(NOON + SECOND, 1), T(NOON - 300 * day, 2, ingest=NOON + 2 * SECOND, origin=Origin.IMPORT)]
    windows.apply(Step({TRADES.name: trades(rows)}, NOON + 2 * SECOND))
    (made,) = windows.apply(Step({}, NOON + 3 * MINUTE))
    assert made["start"].tolist() == [NOON - HALF, NOON]


def test_a_late_trade_waits_for_its_windows_to_be_final() -> None:
    windows = Windows()
    windows.apply(Step({"trades": trades([T(NOON + 50 * SECOND, 2), T(NOON + 40 * SECOND, 1)])}, 0))
    assert windows.take_stale() == {}
    other = Windows()
    other.restore(windows.snapshot())
    other.apply(Step({"trades": trades([T(NOON + 2 * MINUTE, 3)])}, 0))
    assert other.take_stale() == {0: [NOON, NOON + HALF]}
    assert other.take_stale() == {}


def test_what_is_forgotten_is_not_stale() -> None:
    windows = Windows()
    windows.apply(Step({"trades": trades([T(NOON + 9 * MINUTE, 2), T(NOON, 1)])}, 0))
    windows.forget([0])
    assert windows.take_stale() == {}


def test_state_of_another_lateness_is_refused() -> None:
    windows = Windows()
    windows.apply(Step({"trades": trades([T(NOON, 1)])}, 0))
    with pytest.raises(ConfigError, match="begun with other statistics"):
        Windows(lateness_s=9).restore(windows.snapshot())


class _Names:
    def id_of(self, code: int) -> str:
        return str(code)

    def code_of(self, instrument_id: str) -> int:
        return int(instrument_id)
