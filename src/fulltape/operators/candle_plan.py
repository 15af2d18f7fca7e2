"""The plan of the cascade: which candle is made from which, and the state and columns that its kernel works on."""

from __future__ import annotations

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError
from fulltape.operators import cascade, cells
from fulltape.records import Array, Batch
from fulltape.records.interval import DEFAULT_INTERVALS, parse_interval, window_start


class CandleConfig(msgspec.Struct, frozen=True):
    """Which candles to make.

    ``quiet_from``: the finest interval whose empty windows are rows of their own; below it an absent row inside a
    complete stretch of the ledger means quiet.
    """

    intervals: tuple[str, ...] = DEFAULT_INTERVALS
    quiet_from: str = "1m"
    lateness_s: int = 2
    quiet_s: int = 5


def plan_of(config: CandleConfig) -> tuple[Array, tuple[int, ...]]:
    """Return the kernel's plan and the lengths (s) of its levels, level 0 being one second.

    Raises ConfigError for an interval that is not one.
    """
    try:
        wanted = {parse_interval(text) for text in config.intervals}
        quiet_from = parse_interval(config.quiet_from)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not wanted or config.lateness_s < 0 or config.quiet_s < 0:
        raise ConfigError("candles need at least one interval, and lateness_s and quiet_s of 0 or more")
    lengths = tuple(sorted(wanted | {1}))
    offsets = [window_start(10 * 604_800 * SECOND_NS, s) % (s * SECOND_NS) for s in lengths]
    plan = np.zeros((len(lengths), cascade.PLAN), np.int64)
    plan[:, cascade.LENGTH] = np.array(lengths) * SECOND_NS
    plan[:, cascade.OFFSET_NS] = offsets
    plan[:, cascade.PARENT] = [_parent(lengths, offsets, k) for k in range(len(lengths))]
    plan[:, cascade.PUBLISHED] = [s in wanted for s in lengths]
    plan[:, cascade.EMPTIES] = [s in wanted and s >= quiet_from for s in lengths]
    plan[:, cascade.LATENESS] = config.lateness_s * SECOND_NS
    plan[:, cascade.QUIET] = config.quiet_s * SECOND_NS
    plan[:, cascade.CELLS] = 1 << config.lateness_s.bit_length()
    return plan, lengths


def _parent(lengths: tuple[int, ...], offsets: list[int], level: int) -> int:
    """Return the coarsest level whose windows tile those of ``level``."""
    for k in range(level - 1, 0, -1):
        length_ns = lengths[k] * SECOND_NS
        if lengths[level] % lengths[k] == 0 and (offsets[level] - offsets[k]) % length_ns == 0:
            return k
    return 0


def new_state(plan: Array, instruments: int) -> cascade.State:
    """Return the kernel's state of instruments that have seen nothing."""
    levels = len(plan)
    per_instrument = int(plan[0, cascade.CELLS]) + levels - 1
    return cascade.State(
        np.zeros((instruments, per_instrument, cells.FLOATS), np.float64),
        np.zeros((instruments, per_instrument, cells.INTS), np.int64),
        np.zeros((instruments, cascade.MARKS + levels), np.int64),
    )


def kernel_columns(trades: Batch) -> cascade.Trades:
    """Return the columns the kernel reads."""
    c = trades.columns
    return cascade.Trades(
        c["instrument"],
        c["event_time"],
        c["trade_id"],
        c["trade_id_high"],
        c["price"],
        c["size"],
        c["aggressor_side"],
        c["ingest_time"],
        c["origin"],
    )
