"""State of kernels: arrays with one row an instrument, saved and restored row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from fulltape.errors import ConfigError
from fulltape.records import Array


class _Saved(msgspec.Struct, array_like=True):
    """One instrument's rows on disk, and the settings they were made with."""

    settings: tuple[float, ...]
    rows: tuple[bytes, ...]


class KernelState:
    """Arrays that grow with the instruments.

    ``fresh`` is each array's row of an instrument that has seen nothing. ``settings`` decide what the rows mean: rows
    saved with others are refused. Kernels note in ``changed`` what is to be saved.
    """

    def __init__(self, settings: tuple[float, ...], *fresh: Array) -> None:
        self._settings = settings
        self._fresh = fresh
        self.arrays = tuple(np.repeat(row[None], 0, axis=0) for row in fresh)
        self.changed = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self.changed)

    def reserve(self, instruments: int) -> None:
        """Make room for codes below ``instruments``."""
        have = len(self)
        if instruments <= have:
            return
        more = max(instruments, 2 * have) - have
        self.arrays = tuple(
            np.concatenate([array, np.repeat(row[None], more, axis=0)])
            for array, row in zip(self.arrays, self._fresh, strict=True)
        )
        self.changed = np.concatenate([self.changed, np.zeros(more, np.bool_)])

    def save(self) -> dict[int, bytes]:
        """Return the rows of each instrument that changed since the last call."""
        codes: list[int] = np.flatnonzero(self.changed).tolist()
        self.changed[:] = False
        return {
            code: msgspec.msgpack.encode(_Saved(self._settings, tuple(array[code].tobytes() for array in self.arrays)))
            for code in codes
        }

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up rows that `save` returned. Raises ConfigError for rows made with other settings.

        Arrays that were not there when they were saved, the last ones, stay as of an instrument that has seen nothing.
        """
        for code, data in states.items():
            saved = msgspec.msgpack.decode(data, type=_Saved)
            if saved.settings != self._settings:
                raise ConfigError(
                    "this database was begun with other statistics: put [statistics] and engine.lateness_s back as "
                    "they were, or begin a new database with --db"
                )
            self.reserve(code + 1)
            for array, raw in zip(self.arrays, saved.rows, strict=False):
                array[code] = np.frombuffer(raw, array.dtype).reshape(array.shape[1:])

    def forget(self, instruments: Iterable[int]) -> None:
        """Make the rows of instruments new again."""
        codes = [code for code in instruments if code < len(self)]
        for array, row in zip(self.arrays, self._fresh, strict=True):
            array[codes] = row
        self.changed[codes] = False
