"""An L2 book: total size at each price, kept from a snapshot and the messages after it.

Where the venue numbers its messages, or sends a checksum with them, the book proves that none is missing
(`fulltape.records.book` says how). A book that misses one is invalid: it shows no top, holds what comes, and goes on
from the next snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sortedcontainers import SortedDict

from fulltape.records.enums import BookSide

_HELD: Final = 10_000
_NAN: Final = float("nan")


class Top(NamedTuple):
    """Best bid and ask; NaN where a side is empty."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


NO_TOP: Final = Top(_NAN, _NAN, _NAN, _NAN)
NO_SNAPSHOT: Final = "no snapshot yet"
"""The trouble of a book that has only begun."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the venue: levels as (side, price, new size), and what it says of its place in the order."""

    levels: Sequence[tuple[int, float, float]]
    is_snapshot: bool
    sequence: int | None = None
    previous: int | None = None
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a venue promises of a book: how many levels a side it keeps up to date, and what its checksums are over.

    ``checksum`` gets bids and asks and returns None where it cannot tell. Without it checksums are not verified.
    """

    depth: int | None = None
    checksum: Callable[[SortedDict, SortedDict], int | None] | None = None


NO_RULE: Final = Rule()


class Book:
    """One instrument's book. It is invalid until its first snapshot.

    ``rule`` may change between messages, as more becomes known of the instrument. ``reached`` is the number of the
    newest message in it, or None. ``trouble`` says why an invalid book is invalid. ``verified`` and ``failed`` count
    the checksums that were right and wrong.
    """

    __slots__ = ("_held", "asks", "bids", "failed", "reached", "rule", "trouble", "verified")

    def __init__(self, rule: Rule = NO_RULE) -> None:
        self.rule = rule
        self.bids: SortedDict = SortedDict()
        self.asks: SortedDict = SortedDict()
        self.reached: int | None = None
        self.trouble = NO_SNAPSHOT
        self.verified = 0
        self.failed = 0
        self._held: deque[Message] = deque(maxlen=_HELD)

    @property
    def is_valid(self) -> bool:
        """Whether the book is whole as far as the venue lets us know."""
        return not self.trouble

    def take(self, message: Message) -> None:
        """Apply a message; or hold it, if the book is invalid or becomes so; or drop it, if the book has it already."""
        if message.is_snapshot:
            self._begin(message)
        elif not self.is_valid:
            self._hold(message)
        elif message.sequence is None:
            self._apply(message)
        elif self.reached is None or message.sequence > self.reached:
            if self.reached is not None and message.previous is not None and message.previous > self.reached:
                self.invalidate(f"message {message.sequence} follows {message.previous}, the book is at {self.reached}")
                self._hold(message)
            else:
                self.reached = message.sequence
                self._apply(message)

    def invalidate(self, trouble: str) -> None:
        """Distrust the book until the next snapshot, and say why."""
        self.trouble = trouble
        self._held.clear()

    @property
    def top(self) -> Top:
        """The best level of each side; none while the book is invalid."""
        if not self.is_valid:
            return NO_TOP
        bid, bid_size = self.bids.peekitem(-1) if self.bids else (_NAN, _NAN)
        ask, ask_size = self.asks.peekitem(0) if self.asks else (_NAN, _NAN)
        return Top(bid, bid_size, ask, ask_size)

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask, which a true book never shows."""
        return bool(self.bids and self.asks and self.bids.peekitem(-1)[0] >= self.asks.peekitem(0)[0])

    def _begin(self, snapshot: Message) -> None:
        """Start over from a snapshot, then take what was held: of it, what the snapshot contains is dropped."""
        held = list(self._held)
        self._held.clear()
        self.bids.clear()
        self.asks.clear()
        self.trouble = ""
        self.reached = snapshot.sequence
        self._apply(snapshot)
        for message in held:
            self.take(message)

    def _hold(self, message: Message) -> None:
        # Without numbers nobody could tell which of the held messages a snapshot contains.
        if message.sequence is not None:
            self._held.append(message)

    def _apply(self, message: Message) -> None:
        bids, asks = self.bids, self.asks
        for side, price, size in message.levels:
            levels = bids if side == BookSide.BID else asks
            if size > 0.0:
                levels[price] = size
            else:
                levels.pop(price, None)
        if self.rule.depth is not None:
            self._cut(self.rule.depth)
        if message.checksum is not None and self.rule.checksum is not None:
            self._verify(message.checksum, self.rule.checksum(bids, asks))

    def _cut(self, depth: int) -> None:
        """Drop what lies below the venue's depth: it no longer says what becomes of those levels."""
        while len(self.bids) > depth:
            self.bids.popitem(0)
        while len(self.asks) > depth:
            self.asks.popitem()

    def _verify(self, told: int, found: int | None) -> None:
        if found == told:
            self.verified += 1
        elif found is not None:
            self.failed += 1
            self.invalidate(f"its checksum is {found}, the venue's {told}")
