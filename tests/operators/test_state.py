"""State of kernels: rows that grow, are saved when they changed and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from fulltape.errors import ConfigError
from fulltape.operators.state import KernelState


def state(*settings: float) -> KernelState:
    return KernelState(settings, np.array([1.5, np.nan]), np.full((2, 2), -7, np.int64))


def test_rows_begin_as_told_and_growing_keeps_them() -> None:
    one = state()
    one.reserve(1)
    one.arrays[0][0, 0] = 9.0
    one.reserve(3)
    assert one.arrays[0][:, 0].tolist() == [9.0, 1.5, 1.5]
    assert one.arrays[1].shape == (3, 2, 2)
    one.reserve(2)
    assert len(one) == 3


def test_what_changed_is_saved_once_and_restored_bit_for_bit() -> None:
    one, other = state(2.0), state(2.0)
    one.reserve(4)
    one.arrays[0][2] = -0.0, np.inf
    one.arrays[1][2] = [[1, 2], [3, 2**62]]
    one.changed[2] = True
    saved = one.save()
    assert (list(saved), one.save()) == ([2], {})
    other.restore(saved)
    for mine, theirs in zip(one.arrays, other.arrays, strict=True):
        assert mine[2].tobytes() == theirs[2].tobytes()
    assert other.save() == {}


def test_what_is_forgotten_is_new() -> None:
    one = state()
    one.reserve(2)
    one.arrays[0][:] = 3.0
    one.changed[:] = True
    one.forget([1, 50])
    assert one.arrays[0][:, 0].tolist() == [3.0, 1.5]
    assert list(one.save()) == [0]


def test_rows_of_other_settings_are_refused() -> None:
    one = state(5.0)
    one.reserve(1)
    one.changed[0] = True
    with pytest.raises(ConfigError, match=r"put \[statistics\] and engine.lateness_s back"):
        state(6.0).restore(one.save())
