"""Figures: what alert rules can be about, by name, and how each is read from the rows that tell it.

These are the columns of ``stats``, ``windows``, ``quote_stats`` and ``depths`` under their own names, and

* ``trade_value``: price x size of a trade, in quote currency;
* ``crossed_bp``: of the instrument with the lowest ask of its product at all venues: 10^4 (best bid - ask) / ask, where
  the best bid is that of all venues. Above 0 somebody bids more there than is asked here. 0 where another asks less;
* ``is_down``: 1 while the trades of an instrument that is followed are not received, else 0;
* ``missing_trades``: how many trades are missing in the holes of the ids that are open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from fulltape.records import DEPTHS, QUOTE_STATS, STATS, TRADES, WINDOWS, Array, Schema
from fulltape.records.columns import NULL_INT, Physical

DOWN: Final = "down"
MISSING: Final = "missing"
"""Sources that are no kinds of record: what the ledger says."""

Columns = Mapping[str, Array]

_BESIDE: Final[dict[str, tuple[str, ...]]] = {
    STATS.name: ("price",),
    WINDOWS.name: ("mean_60s_30s", "trades"),
    QUOTE_STATS.name: ("bid", "ask"),
    DEPTHS.name: ("bid_depth", "ask_depth"),
}
_NO_FIGURES: Final = frozenset({"depth_bp", "levels"})
_SHARES: Final = frozenset({"realised_volatility"})
"""A share of 1 in the tables, and a percentage in the mouths of people."""
_NUMBERS: Final = (Physical.FLOAT, Physical.INT, Physical.BOOL)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: the source of its rows, its value in each of them (NaN where it is not known), its unit.

    People read it as ``scale`` x value, in that unit; rules are about the value. ``beside`` names columns that tell a
    person more. A row of an event is heard only if it is beyond the threshold: the next, smaller one does not end it.
    """

    source: str
    of: Callable[[Columns], Array]
    unit: str = ""
    beside: tuple[str, ...] = ()
    is_event: bool = False
    fades: bool = True
    scale: float = 1.0

    @property
    def needs_statistics(self) -> bool:
        """Whether its rows are made by the statistics operators."""
        return self.source in _BESIDE


def _numbers(name: str) -> Callable[[Columns], Array]:
    def of(columns: Columns) -> Array:
        values = columns[name]
        if values.dtype == np.int64:
            return np.where(values == NULL_INT, np.nan, values.astype(np.float64))
        return values.astype(np.float64)

    return of


def _unit(name: str) -> str:
    if name.startswith("change_") or name.endswith("_distance") or name in _SHARES:
        return "%"
    return "bp" if name.endswith("_bp") else ""


def _scale(name: str) -> float:
    return 100.0 if name in _SHARES else 1.0


def _columns(schema: Schema) -> dict[str, Figure]:
    beside = _BESIDE[schema.name]
    return {
        name: Figure(schema.name, _numbers(name), _unit(name), beside, scale=_scale(name))
        for name in (column.name for column in schema.columns if column.physical in _NUMBERS)
        if name not in _NO_FIGURES
    }


def _crossed_bp(columns: Columns) -> Array:
    ask = columns["best_ask"]
    crossed = 1e4 * (columns["best_bid"] - ask) / ask
    # Only the cheapest tells of it: one opportunity is one alert, whatever the number of venues.
    return np.where(np.isnan(ask) | (columns["ask"] == ask), crossed, 0.0)


def _trade_value(columns: Columns) -> Array:
    return columns["price"] * columns["size"]


FIGURES: Final[dict[str, Figure]] = {
    **_columns(STATS),
    **_columns(WINDOWS),
    **_columns(QUOTE_STATS),
    **_columns(DEPTHS),
    "crossed_bp": Figure(QUOTE_STATS.name, _crossed_bp, "bp", ("best_bid", "best_ask", "venues")),
    "trade_value": Figure(TRADES.name, _trade_value, beside=("price", "size"), is_event=True),
    "is_down": Figure(DOWN, _numbers("is_down"), beside=("evidence",), fades=False),
    "missing_trades": Figure(MISSING, _numbers("missing_trades"), beside=("evidence",)),
}
"""Every figure by its name."""


def words(figure: Figure, columns: Columns, row: int) -> str:
    """Return what stands beside a figure in a row: ``best_bid 64010, best_ask 64000, venues 3``."""
    found = ((name, columns[name][row]) for name in figure.beside)
    return ", ".join(value if isinstance(value, str) else f"{name} {value:.10g}" for name, value in found)
