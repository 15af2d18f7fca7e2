"""Duplicates by remembered ids."""

from __future__ import annotations

import numpy as np
import pytest

from fulltape.engine.pipeline import recent_ids
from fulltape.engine.pipeline.recent_ids import RecentIds
from fulltape.records import TRADES, Batch


def trades(*ids: tuple[int, int, int]) -> Batch:
    """Return trades of (instrument, low, high)."""
    columns = {c.name: np.zeros(len(ids), c.dtype) for c in TRADES.columns}
    columns["instrument"] = np.array([i[0] for i in ids], np.int32)
    columns["trade_id"] = np.array([i[1] for i in ids], np.int64)
    columns["trade_id_high"] = np.array([i[2] for i in ids], np.int64)
    return Batch(TRADES, columns)


def test_an_id_is_known_per_instrument_and_by_both_halves() -> None:
    ids = RecentIds()
    assert ids.duplicates(trades((0, 7, 1), (0, 7, 2), (1, 7, 1), (0, 7, 1))) == [3]
    assert ids.duplicates(trades((1, 7, 1), (1, 8, 1))) == [0]


def test_the_oldest_id_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_ids, "KEPT", 3)
    ids = RecentIds()
    assert ids.duplicates(trades(*((0, n, 0) for n in range(5)))) == []
    assert ids.duplicates(trades((0, 4, 0), (0, 2, 0), (0, 0, 0))) == [0, 1]


def test_the_newest_ids_survive_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_ids, "SAVED", 2)
    ids = RecentIds()
    ids.duplicates(trades((0, 1, -5), (0, 2, -5), (0, 3, -5), (4, 9, 0)))
    states = ids.snapshot()
    assert (set(states), ids.snapshot()) == ({0, 4}, {})
    again = RecentIds()
    again.restore(states)
    assert again.duplicates(trades((0, 1, -5), (0, 2, -5), (0, 3, -5), (4, 9, 0))) == [1, 2, 3]


def test_forgotten_instruments_know_nothing() -> None:
    ids = RecentIds()
    ids.duplicates(trades((0, 1, 0), (1, 1, 0)))
    ids.forget([0])
    assert ids.duplicates(trades((0, 1, 0), (1, 1, 0))) == [1]
    assert set(ids.snapshot()) == {0, 1}
