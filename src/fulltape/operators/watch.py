"""Where one rule stands with one instrument: RAISED when it has held for long enough, CLEARED when it has ceased to.

    quiet ──holds──► pending ──for `for_ns`, and `cooldown_ns` after the last time──► raised ──ceases──► quiet

A figure stays what its newest row says until the next one. It ceases to hold at the clear level, which may lie before
the threshold, and when no row has told of it for `fade_ns`. Times are those of the ingest clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.records import AlertState

_NEVER: Final = 1 << 62


class Patience(msgspec.Struct, frozen=True):
    """How long (ns) a rule must hold, how long it is not raised again, and after what silence it ends (0: never)."""

    for_ns: int = 0
    cooldown_ns: int = 0
    fade_ns: int = 0


class Heard(NamedTuple):
    """What a row says of a figure: is it beyond the threshold (``holds``), or at least the clear level (``stays``)."""

    moment: int
    event_time: int
    value: float
    detail: str
    holds: bool
    stays: bool


class Change(NamedTuple):
    """An alert begins or ends at ``moment`` (ns)."""

    state: AlertState
    number: int
    value: float | None
    detail: str
    event_time: int
    moment: int


class Watch(msgspec.Struct, array_like=True):
    """The state of one rule and instrument; goes into snapshots."""

    since: int = -1
    """When it began to hold, -1 while it does not."""
    raised: int = -_NEVER
    """When it was last raised."""
    is_raised: bool = False
    number: int = 0
    moment: int = -_NEVER
    """Of the newest row, as are the following."""
    event_time: int = 0
    value: float = 0.0
    detail: str = ""

    @property
    def is_idle(self) -> bool:
        """Whether time alone changes nothing, and neither does a row that does not hold."""
        return not self.is_raised and self.since < 0

    def hear(self, heard: Heard, patience: Patience) -> Iterator[Change]:
        """Take a row; those of one instrument come in order of time."""
        yield from self.until(heard.moment, patience)
        self.moment = max(self.moment, heard.moment)
        self.event_time, self.value, self.detail = heard.event_time, heard.value, heard.detail
        if self.is_raised and not heard.stays:
            yield self._clear(self.moment, heard.value, heard.detail)
        elif not self.is_raised and not heard.holds:
            self.since = -1
        elif self.since < 0:
            self.since = self.moment
        yield from self.until(self.moment, patience)

    def due(self, patience: Patience) -> int:
        """Return when time alone will change something."""
        fades = self.moment + patience.fade_ns if patience.fade_ns else _NEVER
        if self.is_idle:
            return _NEVER
        return fades if self.is_raised else min(fades, self._raises(patience))

    def until(self, time: int, patience: Patience) -> Iterator[Change]:
        """Let time pass without a row, up to and including ``time``."""
        while (due := self.due(patience)) <= time:
            if not self.is_raised and due == self._raises(patience):
                self.is_raised, self.raised, self.number = True, due, self.number + 1
                yield Change(AlertState.RAISED, self.number, self.value, self.detail, self.event_time, due)
            elif self.is_raised:
                silent_s = patience.fade_ns // SECOND_NS
                yield self._clear(due, None, f"nothing was heard of it for {silent_s} s")
            else:
                self.since = -1

    def end(self, moment: int, why: str) -> Change:
        """Clear an alert that nobody watches any more."""
        return self._clear(moment, None, why)

    def _raises(self, patience: Patience) -> int:
        return max(self.since + patience.for_ns, self.raised + patience.cooldown_ns)

    def _clear(self, moment: int, value: float | None, detail: str) -> Change:
        self.is_raised, self.since = False, -1
        return Change(AlertState.CLEARED, self.number, value, detail, self.event_time, moment)
