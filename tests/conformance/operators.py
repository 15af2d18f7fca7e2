"""What every operator does, in numbered cases. An operator's test subclasses `OperatorConformance`.

A tape is what an operator may see, one record or event an item, in order of arrival. The suite cuts it into steps in
many ways: what comes out may not depend on how.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

import numpy as np
import pytest

from fulltape.operators.base import Operator, Step
from fulltape.records import Batch
from fulltape.records.events import Event

SEEDS = range(4)
Row = tuple[bytes, ...]
Key = tuple[str, Row]


@dataclass(frozen=True, slots=True)
class Item:
    """One record, as a batch of one, or one event, and when it came (ns)."""

    ingest_time: int
    what: Batch | Event


Tape = Sequence[Item]


def cut(tape: Tape, places: Iterable[int], end: int) -> list[Step]:
    """Cut a tape at ``places`` into steps; each one's clock is the time of its last item, the last one's is ``end``."""
    bounds = sorted({0, len(tape), *places})
    parts = [tape[a:b] for a, b in itertools.pairwise(bounds)]
    clocks = [part[-1].ingest_time for part in parts[:-1]] + [end]
    return [_step(part, clock) for part, clock in zip(parts, clocks, strict=True)]


def _step(items: Tape, clock: int) -> Step:
    kinds: dict[str, list[Batch]] = {}
    for item in items:
        if isinstance(item.what, Batch):
            kinds.setdefault(item.what.schema.name, []).append(item.what)
    batches = {name: Batch.concat(parts) for name, parts in kinds.items()}
    return Step(batches, clock, [item.what for item in items if not isinstance(item.what, Batch)])


def rows_of(batch: Batch) -> list[tuple[Key, Row]]:
    """Return (key, whole row) of each record, bit for bit."""
    columns = {name: [_bits(value) for value in array] for name, array in batch.columns.items()}
    key_names = [n for name in batch.schema.key for n in batch.schema.column(name).names]
    keys = zip(*(columns[name] for name in key_names), strict=True)
    rows = zip(*columns.values(), strict=True)
    return [((batch.schema.name, key), row) for key, row in zip(keys, rows, strict=True)]


def _bits(value: object) -> bytes:
    return value.tobytes() if isinstance(value, np.generic) else repr(value).encode()


class Table:
    """What a store holds after an operator's output: the last row of each key of ``latest`` kinds, every other row."""

    def __init__(self) -> None:
        self.latest: dict[Key, Row] = {}
        self.appended: list[Row] = []

    def take(self, batches: Iterable[Batch]) -> None:
        """Write derived records."""
        for batch in batches:
            found = rows_of(batch)
            if batch.schema.latest:
                self.latest.update(found)
            else:
                self.appended += [row for _, row in found]

    def content(self) -> tuple[dict[Key, Row], list[Row]]:
        """Return everything that is held, in a form that compares."""
        return dict(sorted(self.latest.items())), self.appended


class OperatorConformance:
    """Cases O-01 to O-08.

    The subclass gives `operator`, a new one each call, and `tape`, the same for the same seed. ``keeps_state`` is
    False for one that declares to lose its state when the process ends.
    """

    keeps_state: ClassVar[bool] = True

    def operator(self) -> Operator:
        raise NotImplementedError

    def tape(self, random: Random) -> Tape:
        raise NotImplementedError

    def apply(self, operator: Operator, step: Step, table: Table) -> None:
        """Run one step; a subclass adds what the engine does for its operator besides."""
        table.take(operator.apply(step))

    def table(self) -> Table:
        """Return an empty table."""
        return Table()

    def end(self, tape: Tape) -> int:
        """Return the clock after the last item."""
        return tape[-1].ingest_time + 3_600 * 10**9

    def run(self, steps: Sequence[Step], between: Callable[[Operator], Operator] = lambda same: same) -> Table:
        """Run ``steps`` and return the table; ``between`` may replace the operator after each."""
        table, operator = self.table(), self.operator()
        for step in steps:
            self.apply(operator, step, table)
            operator = between(operator)
        return table

    def snapshots(self, steps: Sequence[Step]) -> dict[int, bytes]:
        """Return the states after ``steps``."""
        operator = self.operator()
        for step in steps:
            self.apply(operator, step, self.table())
        return operator.snapshot()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_o01_a_split_into_steps_changes_nothing(self, seed: int) -> None:
        random = Random(seed)
        tape = self.tape(random)
        whole = self.run(cut(tape, [], self.end(tape))).content()
        assert whole[0] or whole[1]
        for places in (range(len(tape)), random.sample(range(len(tape)), len(tape) // 5), [len(tape) // 2]):
            assert self.run(cut(tape, places, self.end(tape))).content() == whole

    @pytest.mark.parametrize("seed", SEEDS)
    def test_o02_snapshot_and_restore_change_nothing(self, seed: int) -> None:
        tape = self.tape(Random(seed))
        steps = cut(tape, range(0, len(tape), 7), self.end(tape))
        if not self.keeps_state:
            assert self.snapshots(steps) == {}
            return
        saved: dict[int, bytes] = {}

        def restart(old: Operator) -> Operator:
            saved.update(old.snapshot())
            new = self.operator()
            new.restore(saved)
            return new

        assert self.run(steps, restart).content() == self.run(steps).content()

    def test_o03_a_snapshot_holds_what_changed_since_the_last(self) -> None:
        tape = self.tape(Random(1))
        operator, table = self.operator(), self.table()
        for step in cut(tape, [len(tape) // 2], self.end(tape)):
            self.apply(operator, step, table)
            operator.snapshot()
            assert operator.snapshot() == {}

    def test_o04_nothing_in_nothing_out(self) -> None:
        operator = self.operator()
        assert operator.apply(Step({}, 10**18)) == []
        assert operator.snapshot() == {}

    def test_o05_what_came_in_is_left_as_it_was(self) -> None:
        tape = self.tape(Random(2))
        before = [rows_of(item.what) for item in tape if isinstance(item.what, Batch)]
        self.run(cut(tape, [], self.end(tape)))
        assert [rows_of(item.what) for item in tape if isinstance(item.what, Batch)] == before

    def test_o06_no_clock_but_the_step_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tape = self.tape(Random(3))
        expected = self.run(cut(tape, [], self.end(tape))).content()
        for name in ("time", "time_ns", "monotonic", "monotonic_ns"):
            monkeypatch.setattr(time, name, None)
        found = self.run(cut(tape, [], self.end(tape))).content()
        monkeypatch.undo()
        assert found == expected

    def test_o07_at_most_one_batch_of_a_kind(self) -> None:
        tape = self.tape(Random(4))
        operator = self.operator()
        for step in cut(tape, range(0, len(tape), 5), self.end(tape)):
            kinds = [batch.schema.name for batch in operator.apply(step)]
            assert len(kinds) == len(set(kinds))

    def test_o08_what_is_forgotten_begins_anew_and_the_rest_goes_on(self) -> None:
        tape = self.tape(Random(5))
        steps = cut(tape, [len(tape) // 2], self.end(tape))
        operator, kept = self.operator(), self.operator()
        for one in (operator, kept):
            self.apply(one, steps[0], self.table())
        operator.forget([0, 99])
        assert 0 not in operator.snapshot()
        found, expected = self.table(), self.table()
        self.apply(operator, steps[1], found)
        self.apply(kept, steps[1], expected)
        code = np.int32(0).tobytes()
        assert _without(found, code) == _without(expected, code)


def _without(table: Table, code: bytes) -> tuple[dict[Key, Row], list[Row]]:
    """Return what a table holds of other instruments; the instrument is the first column of every kind and key."""
    latest = {key: row for key, row in table.latest.items() if key[1][0] != code}
    return latest, [row for row in table.appended if row[0] != code]
