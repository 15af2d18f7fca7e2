"""Sizes of contracts: what a venue counts in contracts becomes units of the base currency, as everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from fulltape.records import BOOK_DELTAS, QUOTES, TICKERS, TRADES, Array, Batch, Instrument, InstrumentTable
from fulltape.records.instrument import INVERSE, LINEAR
from fulltape.venues.base import Parsed, Reject

_SIZES: Final[Mapping[str, Mapping[str, str]]] = {
    TRADES.name: {"size": "price"},
    BOOK_DELTAS.name: {"size": "price"},
    QUOTES.name: {"bid_size": "bid", "ask_size": "ask"},
    TICKERS.name: {"size": "price", "bid_size": "bid", "ask_size": "ask"},
}
"""Columns that hold sizes, by kind, each with the column of its price."""


def settle(parsed: Parsed, kinds: frozenset[str], table: InstrumentTable) -> None:
    """Turn the sizes of ``kinds`` in ``parsed`` into base units.

    Records of contracts whose size nobody has told yet become rejects, one for each frame.
    """
    for kind in [kind for kind in parsed.batches if kind in kinds]:
        _hold_unknown(kind, parsed, table)
        if kind in parsed.batches:
            parsed.batches[kind] = in_base(parsed.batches[kind], table)


def is_unknown(instrument: Instrument) -> bool:
    """Return whether this is a contract of which nobody has told yet how much one is."""
    return instrument.contract in (LINEAR, INVERSE) and instrument.contract_size <= 0


def in_base(batch: Batch, table: InstrumentTable) -> Batch:
    """Return ``batch`` with sizes in units of the base currency; those of quanto contracts stay contracts.

    A linear contract is so much base; an inverse one is so much quote, which the row's own price turns into base.
    """
    codes, places = np.unique(batch["instrument"], return_inverse=True)
    instruments = [table[code] for code in codes.tolist()]
    if all(one.contract not in (LINEAR, INVERSE) for one in instruments):
        return batch
    factors = np.array([one.contract_size if one.contract in (LINEAR, INVERSE) else 1.0 for one in instruments])[places]
    is_inverse = np.array([one.contract == INVERSE for one in instruments])[places]
    sizes = {
        name: _scaled(batch[name], batch[price], factors, is_inverse)
        for name, price in _SIZES[batch.schema.name].items()
    }
    return Batch(batch.schema, {**batch.columns, **sizes})


def _scaled(sizes: Array, prices: Array, factors: Array, is_inverse: Array) -> Array:
    # The row that stands for an empty book has neither price nor size.
    return sizes * factors / np.where(is_inverse & (prices != 0), prices, 1.0)


def _hold_unknown(kind: str, parsed: Parsed, table: InstrumentTable) -> None:
    batch, frames = parsed.batches[kind], parsed.frames[kind]
    unknown = [code for code in np.unique(batch["instrument"]).tolist() if is_unknown(table[code])]
    if not unknown:
        return
    is_held = np.isin(batch["instrument"], unknown)
    held = batch["instrument"][is_held]
    for frame, row in zip(*np.unique(frames[is_held], return_index=True), strict=True):
        parsed.rejects.append(Reject(int(frame), "unknown_contract_size", table[int(held[row])].venue_symbol))
    if is_held.all():
        del parsed.batches[kind], parsed.frames[kind]
    else:
        parsed.batches[kind], parsed.frames[kind] = batch.take(~is_held), frames[~is_held]
