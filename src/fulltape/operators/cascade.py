"""The candle cascade: the kernel that turns trades into candles of every interval at once.

A trade touches only the one-second cell it falls into. A cell that is final folds into the next interval, that one
when it closes into the next, and so on. Three properties hold for any order of arrival and any split into calls:

* open and close go by (event_time, trade_id), not by arrival;
* sums are kept as pairs and rounded once (`fulltape.operators.cells`), so they do not depend on the order either;
* whether a trade is late depends on the trades before it and on its own ingest time, never on the call it is in.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import inline, kernel
from fulltape.operators.cells import FLOATS, INTS, START, TRADES, add, emit, emit_empty, merge
from fulltape.operators.newest import AHEAD_NS
from fulltape.records import AggressorSide, Array, Origin

SNAPSHOT: Final = int(Origin.SNAPSHOT)
REFILL: Final = int(Origin.REFILL)
IMPORT: Final = int(Origin.IMPORT)
BOUGHT: Final = int(AggressorSide.BUY)
FOREVER: Final = np.iinfo(np.int64).max
"""A time that never comes."""
EMPTY_FOR_NS: Final = 31 * 86_400 * SECOND_NS
"""Empty windows are rows as long as they begin so soon after the last trade; of what lies behind that the ledger tells.
A market that is given up, or trades of years ago before those of today, would make millions of them."""

# Columns of an instrument's marks.
HEAD: Final = 0  # the newest second (ns) that has a trade
BASE: Final = 1  # the oldest second (ns) that is not final
LIMIT: Final = 2  # the venue's time (ns) at which the clock alone makes BASE final
OFFSET: Final = 3  # ingest minus event time (ns) of live trades: its lower edge, followed slowly upwards
PHASE: Final = 4  # NEW, BEGUN (a trade was seen) or CLOCKED (OFFSET is known)
CHANGED: Final = 5  # 1 when anything changed since the last snapshot
OPENED: Final = 6  # 1 when an open candle changed since the last preview
MARKS: Final = 7  # from here on, per level: the start (ns) of its first window that is not final

NEW: Final = 0
BEGUN: Final = 1
CLOCKED: Final = 2

# Where `run` goes on when the room for rows ran out.
FOLD: Final = 0
TICK: Final = 1
PREVIEW: Final = 2
DONE: Final = 3

# Columns of the plan: one row a level, finest first; level 0 is one second.
LENGTH: Final = 0  # ns
OFFSET_NS: Final = 1  # of the windows' alignment
PARENT: Final = 2  # the level that folds into this one
PUBLISHED: Final = 3  # whether rows of the level are wanted
EMPTIES: Final = 4  # whether its empty windows are rows too
LATENESS: Final = 5  # of every level: whole seconds (ns) that a trade may come out of order
QUIET: Final = 6  # of every level: silence (ns) beyond that, after which the clock alone makes a window final
CELLS: Final = 7  # of every level: one-second cells kept open, a power of two above the lateness in seconds
PLAN: Final = 8


class State(NamedTuple):
    """Cells of every instrument: CELLS of one second, then one per coarser level."""

    floats: Array  # (instruments, CELLS + levels - 1, FLOATS)
    ints: Array  # (instruments, CELLS + levels - 1, INTS)
    marks: Array  # (instruments, MARKS + levels): the last ones are, per level, the first window (ns) not final


class Out(NamedTuple):
    """Room for emitted rows and for late trades."""

    floats: Array  # (capacity, OUT_FLOATS)
    ints: Array  # (capacity, OUT_INTS)
    late: Array  # (trades, 2): position of a late trade, and the time (ns) before which all was final


class Trades(NamedTuple):
    """The columns of a batch of trades that candles need."""

    instrument: Array
    time: Array
    low: Array
    high: Array
    price: Array
    size: Array
    side: Array
    ingest: Array
    origin: Array


@inline
def _start_of(plan: Array, level: int, time: int) -> int:
    """Return the start (ns) of the level's window that holds ``time``."""
    length, offset = plan[level, LENGTH], plan[level, OFFSET_NS]
    return int((time - offset) // length * length + offset)


@inline
def _cell(plan: Array, time: int) -> int:
    """Return the cell of the second that holds ``time``."""
    return int((time // SECOND_NS) & (plan[0, CELLS] - 1))


@kernel
def _fold(plan: Array, f: Array, n: Array, y: int, level: int, c: int) -> None:
    """Fold cell ``c`` of ``level`` into every level whose parent that is, and empty it."""
    for k in range(level + 1, len(plan)):
        if plan[k, PARENT] == level:
            into = plan[0, CELLS] + k - 1
            if n[y, into, TRADES] == 0:
                n[y, into, START] = _start_of(plan, k, n[y, c, START])
            merge(f, n, y, into, c)
    for j in range(FLOATS):
        f[y, c, j] = 0.0
    n[y, c, TRADES] = 0


@kernel
def _close_until(plan: Array, f: Array, n: Array, marks: Array, y: int, time: int, o: Array, i: Array, row: int) -> int:
    """Make final, finest level first, every coarse window that ends at or before ``time``.

    Returns the next row's index, or -1 - index when the room ran out: drain and call again.
    """
    for k in range(1, len(plan)):
        c = plan[0, CELLS] + k - 1
        length = plan[k, LENGTH]
        while marks[y, MARKS + k] + length <= time:
            if row >= len(i):
                return -1 - row
            start = marks[y, MARKS + k]
            if n[y, c, TRADES] > 0 and n[y, c, START] == start:
                if plan[k, PUBLISHED]:
                    emit(o, i, row, y, k, f, n, y, c, 1)
                    row += 1
                _fold(plan, f, n, y, k, c)
                marks[y, MARKS + k] = start + length
            elif plan[k, EMPTIES] and start < marks[y, HEAD] + EMPTY_FOR_NS:
                emit_empty(o, i, row, y, k, start)
                row += 1
                marks[y, MARKS + k] = start + length
            elif n[y, c, TRADES] > 0:
                marks[y, MARKS + k] = n[y, c, START]
            else:
                marks[y, MARKS + k] = _start_of(plan, k, time)
    return row


@kernel
def _advance(plan: Array, f: Array, n: Array, marks: Array, y: int, until: int, o: Array, i: Array, row: int) -> int:
    """Make every second before ``until`` (ns) final. Returns as `_close_until` does.

    BASE moves last, so a call that ran out of room is simply made again.
    """
    before = row
    for second in range(marks[y, BASE], min(until, marks[y, HEAD] + SECOND_NS), SECOND_NS):
        c = _cell(plan, second)
        if n[y, c, TRADES] > 0:
            row = _close_until(plan, f, n, marks, y, second, o, i, row)
            if row < 0:
                return row
            if row >= len(i):
                return -1 - row
            if plan[0, PUBLISHED]:
                emit(o, i, row, y, 0, f, n, y, c, 1)
                row += 1
            _fold(plan, f, n, y, 0, c)
            marks[y, CHANGED] = 1
    row = _close_until(plan, f, n, marks, y, until, o, i, row)
    if row < 0:
        return row
    marks[y, BASE] = until
    marks[y, LIMIT] = until + SECOND_NS + plan[0, LATENESS] + plan[0, QUIET]
    if row != before:
        marks[y, CHANGED] = 1
    return row


@kernel
def _begin(plan: Array, marks: Array, y: int, time: int) -> None:
    """Start an instrument at its first trade."""
    second = time // SECOND_NS * SECOND_NS
    marks[y, HEAD] = marks[y, BASE] = second
    marks[y, LIMIT] = second + SECOND_NS + plan[0, LATENESS] + plan[0, QUIET]
    marks[y, PHASE] = BEGUN
    for k in range(len(plan)):
        marks[y, MARKS + k] = _start_of(plan, k, time)


@kernel
def _is_open(plan: Array, marks: Array, y: int, level: int, time: int) -> bool:
    """Return whether the coarse level's window that holds ``time`` is not final yet."""
    return level > 0 and _start_of(plan, level, time) >= marks[y, MARKS + level]


@kernel
def _add_late(
    plan: Array,
    f: Array,
    n: Array,
    marks: Array,
    y: int,
    time: int,
    order: int,
    price: float,
    size: float,
    bought: float,
) -> None:
    """Add a trade whose second is final to the coarser windows that are not.

    A window whose parent's window is still open gets the trade when that one folds into it.
    """
    for k in range(1, len(plan)):
        if _is_open(plan, marks, y, k, time) and not _is_open(plan, marks, y, plan[k, PARENT], time):
            c = plan[0, CELLS] + k - 1
            n[y, c, START] = _start_of(plan, k, time)
            add(f, n, y, c, time, order, price, size, bought)


@inline
def final_until(plan: Array, marks: Array, y: int, clock: int) -> int:
    """Return the time (ns) before which the ingest clock alone makes everything final."""
    return int((clock - marks[y, OFFSET] - plan[0, QUIET]) // SECOND_NS * SECOND_NS - plan[0, LATENESS])


@inline
def final_behind(plan: Array, marks: Array, y: int, second: int, ingest: int) -> int:
    """Return the time (ns) before which a trade of ``second``, received at ``ingest``, makes everything final."""
    final: int = max(marks[y, BASE], second - plan[0, LATENESS])
    if marks[y, PHASE] == CLOCKED:
        final = max(final, final_until(plan, marks, y, ingest))
    return final


@kernel
def _settle_clock(
    plan: Array, f: Array, n: Array, marks: Array, y: int, time: int, ingest: int, o: Array, i: Array, row: int
) -> int:
    """Make final what a trade at ``time`` (event) and ``ingest`` puts behind it. Returns as `_close_until` does."""
    if marks[y, PHASE] == NEW:
        _begin(plan, marks, y, time)
    second = time // SECOND_NS * SECOND_NS
    final = final_behind(plan, marks, y, second, ingest)
    if final > marks[y, BASE]:
        row = _advance(plan, f, n, marks, y, final, o, i, row)
        if row < 0:
            return row
    marks[y, HEAD] = max(marks[y, HEAD], second)
    return row


@inline
def follow_clock(marks: Array, y: int, offset: int) -> None:
    """Follow the venue's clock: at once when a trade arrives sooner than ever, else by 1/256 of the difference.

    A time more than a minute ahead of our clock, and of what the venue's was, is a mistake, or that clock was set:
    followed by a second a trade.
    Called after the trade was judged, so that a tick between two trades never sees more than the later one does.
    """
    if marks[y, PHASE] == CLOCKED and offset < min(marks[y, OFFSET], 0) - AHEAD_NS:
        marks[y, OFFSET] -= SECOND_NS
    elif marks[y, PHASE] == BEGUN or offset < marks[y, OFFSET]:
        marks[y, OFFSET] = offset
        marks[y, PHASE] = CLOCKED
    else:
        marks[y, OFFSET] += (offset - marks[y, OFFSET]) >> 8


@kernel
def fold_trades(
    plan: Array,
    f: Array,
    n: Array,
    marks: Array,
    instrument: Array,
    event_time: Array,
    low: Array,
    high: Array,
    prices: Array,
    sizes: Array,
    side: Array,
    ingest_time: Array,
    origin: Array,
    first: int,
    o: Array,
    i: Array,
    late: Array,
    lates: int,
) -> Any:
    """Take trades from position ``first`` on, in order of arrival; return (position, row, lates)."""
    row = 0
    for t in range(first, len(event_time)):
        y, time, price, size = instrument[t], event_time[t], prices[t], sizes[t]
        order = low[t] if high[t] == 0 else 0  # a UUID tells no order: arrival then does
        bought = size if side[t] == BOUGHT else 0.0
        ingest = ingest_time[t]
        if not 0 <= time - marks[y, HEAD] < SECOND_NS or ingest - marks[y, OFFSET] >= marks[y, LIMIT]:
            row = _settle_clock(plan, f, n, marks, y, time, ingest, o, i, row)
            if row < 0:
                return t, -1 - row, lates
        marks[y, CHANGED] = 1
        marks[y, OPENED] = 1
        if time < marks[y, BASE]:
            late[lates, 0] = t
            late[lates, 1] = marks[y, BASE]
            lates += 1
            _add_late(plan, f, n, marks, y, time, order, price, size, bought)
        else:
            c = _cell(plan, time)
            n[y, c, START] = time // SECOND_NS * SECOND_NS
            add(f, n, y, c, time, order, price, size, bought)
        # A trade of the past, sent on subscribing, asked for or brought, says nothing of the venue's clock.
        if origin[t] != SNAPSHOT and origin[t] != REFILL and origin[t] != IMPORT:
            follow_clock(marks, y, ingest - time)
    return len(event_time), row, lates


@kernel
def _tick(plan: Array, f: Array, n: Array, marks: Array, clock: int, first: int, o: Array, i: Array, row: int) -> Any:
    """Let the ingest clock make windows final in quiet markets; return (instrument, row)."""
    for y in range(first, len(marks)):
        if marks[y, PHASE] == CLOCKED and clock - marks[y, OFFSET] >= marks[y, LIMIT]:
            row = _advance(plan, f, n, marks, y, final_until(plan, marks, y, clock), o, i, row)
            if row < 0:
                return y, -1 - row
    return len(marks), row


@kernel
def preview_room(plan: Array) -> int:
    """Return how many rows the preview of one instrument may take."""
    return int(plan[0, CELLS] + len(plan) * (plan[0, CELLS] + 1))


@kernel
def _preview(
    plan: Array, f: Array, n: Array, marks: Array, g: Array, m: Array, first: int, o: Array, i: Array, row: int
) -> Any:
    """Emit the candles that are still open, as they stand, of instruments that changed since the last preview.

    The open seconds are folded upwards in a copy (g, m) of one instrument's cells, as final ones are in the cells.
    Returns (instrument, row).
    """
    room = preview_room(plan)
    for y in range(first, len(marks)):
        if marks[y, OPENED] == 0:
            continue
        if row + room > len(i):
            return y, row
        for c in range(f.shape[1]):
            for j in range(FLOATS):
                g[0, c, j] = f[y, c, j]
            for j in range(INTS):
                m[0, c, j] = n[y, c, j]
        for second in range(marks[y, BASE], marks[y, HEAD] + 1, SECOND_NS):
            c = _cell(plan, second)
            if m[0, c, TRADES] > 0:
                row = _preview_until(plan, g, m, y, second, o, i, row)
                if plan[0, PUBLISHED]:
                    emit(o, i, row, y, 0, g, m, 0, c, 0)
                    row += 1
                _fold(plan, g, m, 0, 0, c)
        row = _preview_until(plan, g, m, y, FOREVER, o, i, row)
        marks[y, OPENED] = 0
    return len(marks), row


@kernel
def _preview_until(plan: Array, g: Array, m: Array, y: int, time: int, o: Array, i: Array, row: int) -> int:
    """Emit as open, and fold upwards, every coarse window that ends at or before ``time``, finest level first."""
    for k in range(1, len(plan)):
        c = plan[0, CELLS] + k - 1
        if m[0, c, TRADES] > 0 and m[0, c, START] <= time - plan[k, LENGTH]:
            if plan[k, PUBLISHED]:
                emit(o, i, row, y, k, g, m, 0, c, 0)
                row += 1
            _fold(plan, g, m, 0, k, c)
    return row


@kernel
def run(
    plan: Array, state: State, scratch: State, trades: Trades, clock: int, out: Out, stage: int, first: int, lates: int
) -> Any:
    """Fold trades, let the clock close windows, show what is open: one call per step.

    Returns (stage, position, rows, lates). Unless stage is DONE the room for rows ran out: drain ``rows`` rows and
    call again with what came back.
    """
    row = 0
    f, n, marks = state.floats, state.ints, state.marks
    o, i, late = out.floats, out.ints, out.late
    if stage == FOLD:
        first, row, lates = fold_trades(
            plan, f, n, marks, trades.instrument, trades.time, trades.low, trades.high, trades.price, trades.size,
            trades.side, trades.ingest, trades.origin, first, o, i, late, lates,
        )  # fmt: skip
        if first < len(trades.time):
            return FOLD, first, row, lates
        stage, first = TICK, 0
    if stage == TICK:
        first, row = _tick(plan, f, n, marks, clock, first, o, i, row)
        if first < len(marks):
            return TICK, first, row, lates
        stage, first = PREVIEW, 0
    first, row = _preview(plan, f, n, marks, scratch.floats, scratch.ints, first, o, i, row)
    if first < len(marks):
        return PREVIEW, first, row, lates
    return DONE, first, row, lates
