"""Bringing a source of records in: first every row is checked, then all of them are delivered, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from fulltape.errors import ConfigError
from fulltape.imports.files import Source
from fulltape.imports.form import Form, Instruments, RowError
from fulltape.records import DEAD_LETTERS, TRADES, Batch
from fulltape.records.delivery import Delivery

SHOWN_ERRORS: Final = 100
_KEPT_LETTERS: Final = 1_000
_CONNECTION: Final = "import"
_REASON: Final = "bad_row"


@dataclass(slots=True)
class Survey:
    """What a source holds: good and bad rows, the first of the errors, and between which times its trades lie.

    ``is_simulated`` if the source says that its prices are made up, as Parquet and Arrow of ours do.
    """

    good: int = 0
    bad: int = 0
    errors: list[RowError] = field(default_factory=list)
    stretches: dict[int, tuple[int, int]] = field(default_factory=dict)
    is_simulated: bool = False


class Bringing:
    """One source on its way in. It is read twice, so that nothing is written of one that has a bad row.

    ``open_source`` begins anew with each call and must give the same rows. Raises ConfigError where it does, and for
    columns that do not fit.
    """

    def __init__(self, form: Form, open_source: Callable[[], Source]) -> None:
        self._form = form
        self._open = open_source
        self._instruments = Instruments()
        self.survey = Survey()

    def check(self) -> Survey:
        """Read everything once and return what there is."""
        for batch, errors in self._read():
            self.survey.good += len(batch)
            self.survey.bad += len(errors)
            self.survey.errors += errors[: SHOWN_ERRORS - len(self.survey.errors)]
            if batch.schema is TRADES:
                self._extend(batch)
        return self.survey

    def deliveries(self) -> Iterator[Delivery]:
        """Read again and yield what is good, bad rows as dead letters; after `check`.

        Raises ConfigError if the source has changed since.
        """
        stretches, now, bad = self.survey.stretches, self._form.now, 0
        for batch, errors in self._read():
            letters = _letters(errors[: max(0, _KEPT_LETTERS - bad)], now)
            bad += len(errors)
            if bad > self.survey.bad:
                raise ConfigError("changed while it was read: bring it again, what is there already is left out")
            parts = tuple(part for part in (batch, letters) if len(part))
            if parts:
                yield Delivery(parts, self._instruments.described(), now, stretches)
                stretches = {}

    def whole(self) -> Delivery:
        """Return everything that is good as one delivery, for what fits into memory; after `check`."""
        parts = list(self.deliveries())
        kinds: dict[str, list[Batch]] = {}
        for batch in (batch for part in parts for batch in part.batches):
            kinds.setdefault(batch.schema.name, []).append(batch)
        batches = tuple(Batch.concat(batches) for batches in kinds.values())
        return Delivery(batches, self._instruments.described(), self._form.now, self.survey.stretches)

    def _read(self) -> Iterator[tuple[Batch, Sequence[RowError]]]:
        for chunk in self._open():
            self.survey.is_simulated |= chunk.is_simulated
            if chunk.columns:
                self._form.check_names(list(chunk.columns))
            checked = self._form.check(chunk, self._instruments)
            yield checked.batch, checked.errors

    def _extend(self, trades: Batch) -> None:
        codes, places = np.unique(trades["instrument"], return_inverse=True)
        for place, code in enumerate(codes.tolist()):
            times = trades["event_time"][places == place]
            start, end = int(times.min()), int(times.max()) + 1
            known = self.survey.stretches.get(code, (start, end))
            self.survey.stretches[code] = (min(start, known[0]), max(end, known[1]))


def _letters(errors: Sequence[RowError], now: int) -> Batch:
    count = len(errors)
    columns: dict[str, list[Any]] = {
        "venue": [""] * count,
        "connection": [_CONNECTION] * count,
        "ingest_time": [now] * count,
        "reason": [_REASON] * count,
        "detail": [str(error) for error in errors],
        "raw": [error.raw for error in errors],
    }
    return DEAD_LETTERS.from_columns(columns)
