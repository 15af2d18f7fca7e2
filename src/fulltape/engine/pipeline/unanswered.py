"""Who has been asked for and was never received since: a venue that does not come up has no connection to lose."""

from __future__ import annotations

from collections.abc import Iterable

from fulltape.records.events import Event, Unanswered


class Awaiting:
    """The instruments whose trades are newly asked for, until the end of the step."""

    def __init__(self) -> None:
        self._codes: set[int] = set()

    def expect(self, codes: Iterable[int]) -> None:
        """Note that the trades of these instruments are asked for."""
        self._codes.update(codes)

    def give_up(self, codes: Iterable[int]) -> None:
        """Note that they are not."""
        self._codes.difference_update(codes)

    def take(self, clock: int, listening: Iterable[frozenset[int]]) -> list[Event]:
        """Tell which of them are not received at ``clock``, the end of a step, by any connection."""
        unheard, self._codes = frozenset(self._codes).difference(*listening), set()
        return [Unanswered(clock, unheard)] if unheard else []
