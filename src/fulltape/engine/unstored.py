"""What of a page of history is not stored yet.

Memory does not reach as far back as history does, so the store is asked: it knows every trade, whatever
its ids promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.engine.derivation import History
from fulltape.records import Batch
from fulltape.records.columns import high
from fulltape.records.page import Page

SLACK_NS: Final = 60 * SECOND_NS
"""How far the time of a trade in the history may be from the time that the stream gave it: some are cut to seconds."""


def unstored_trades(page: Page, gathered: Iterable[Batch], history: History) -> Batch:
    """Return the trades of ``page`` that are neither committed nor among those ``gathered`` in this step."""
    trades = page.batch
    if not len(trades):
        return trades
    times = trades["event_time"]
    stored = history.trades(page.instrument, int(times.min()) - SLACK_NS, int(times.max()) + SLACK_NS)
    known = {trade_id for batch in (stored, *gathered) for trade_id in _ids(batch, page.instrument)}
    is_new = []
    for trade_id in _ids(trades, page.instrument):
        is_new.append(trade_id not in known)
        known.add(trade_id)
    return trades.take(np.array(is_new, np.bool_))


def _ids(trades: Batch, instrument: int) -> Iterator[tuple[int, int]]:
    own = trades["instrument"] == instrument
    return zip(trades["trade_id"][own].tolist(), trades[high("trade_id")][own].tolist(), strict=True)
