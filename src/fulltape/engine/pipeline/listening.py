"""Who listens: which instruments' trades each connection was asked for, and which of them it receives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from fulltape.engine.pipeline.symbols import AskedSymbols
from fulltape.operators.coverage import TRADES_CHANNEL
from fulltape.records.events import Event, Unanswered

Channels = dict[str, frozenset[int]]
"""Instruments by channel."""


class Confirmed(NamedTuple):
    """What a venue's word changed: all that the connection receives now, whose trades it did not, and does no more."""

    channels: Channels
    begun: frozenset[int]
    ended: frozenset[int]


class Listening:
    """What connections, by name, are to receive and do receive. Nothing of it is saved: a restart asks anew.

    A recording can lack the venue's confirmation, as subscriptions in the address are never confirmed: then its trades
    show what was subscribed to, until a confirmation comes.
    """

    def __init__(self) -> None:
        self._asked: dict[str, AskedSymbols] = {}
        self._received: dict[str, frozenset[int]] = {}
        self._confirming: set[str] = set()
        self._shown: dict[str, frozenset[int]] = {}
        self._leaving: dict[str, set[int]] = {}
        self._left: set[int] = set()
        self._awaited: set[int] = set()

    def ask(self, connection: str, codes: Mapping[str, int], *, has_trades: bool) -> None:
        """Expect these symbols on a connection, besides those before, and their trades if it ``has_trades``."""
        self._asked.setdefault(connection, AskedSymbols()).add(codes)
        self._leaving.get(connection, set()).difference_update(codes.values())
        self._left.difference_update(codes.values())
        if has_trades:
            self._awaited.update(codes.values())

    def give_up(self, connection: str, codes: Set[int]) -> None:
        """Expect instruments until the venue confirms that they have ended; what is not received ends at once."""
        received = codes & self._received.get(connection, frozenset())
        self._leaving.setdefault(connection, set()).update(received)
        self._left |= codes - received
        self._awaited -= codes

    def keep_only(self, connections: Iterable[str], codes: Iterable[int]) -> None:
        """End those of ``codes`` at once that none of these connections was asked for."""
        kept = {code for name in connections if name in self._asked for code in self._asked[name].codes}
        self._left |= set(codes) - kept

    def asked(self, connection: str) -> AskedSymbols | None:
        """Return what a connection was asked for, None if nothing."""
        return self._asked.get(connection)

    def received(self) -> frozenset[int]:
        """Return the instruments whose trades some connection receives."""
        return frozenset().union(*self._received.values())

    def take_left(self) -> set[int]:
        """Return what has ended since the last call without a word from the venue."""
        left, self._left = self._left, set()
        return left

    def take_unanswered(self, clock: int) -> list[Event]:
        """Tell of what has newly been asked for and is not received at ``clock``, the end of a step, by anybody.

        A venue that does not come up has no connection to lose.
        """
        if not self._awaited:
            return []
        unheard, self._awaited = frozenset(self._awaited) - self.received(), set()
        return [Unanswered(clock, unheard)] if unheard else []

    def is_confirming(self, connection: str) -> bool:
        """Return whether a connection's confirmations come, so that nothing else tells what it receives."""
        return connection in self._confirming

    def confirm(self, connection: str, channels: Channels) -> Confirmed:
        """Take the venue's word: all that a connection receives now."""
        self._confirming.add(connection)
        if shown := self._shown.get(connection):
            channels = {**channels, TRADES_CHANNEL: channels.get(TRADES_CHANNEL, frozenset()) | shown}
        before, now = self._received.get(connection, frozenset()), channels.get(TRADES_CHANNEL, frozenset())
        self._received[connection] = now
        self._leaving.get(connection, set()).difference_update(before - now)
        return Confirmed(channels, now - before, before - now)

    def show(self, connection: str, code: int) -> frozenset[int] | None:
        """Take a trade for a confirmation; return all that the connection receives, None if that is nothing new."""
        received = self._received.get(connection, frozenset())
        if connection in self._confirming or code in received:
            return None
        self._received[connection] = self._shown[connection] = received | {code}
        return received | {code}

    def end(self, connection: str) -> tuple[frozenset[int], set[int]]:
        """Note that a connection receives nothing more; return what it did, and what of it was given up already."""
        received = self._received.pop(connection, frozenset())
        return received, self._leaving.pop(connection, set()) if received else set()

    def renew(self, connection: str) -> None:
        """Forget how a connection was confirmed: another one of its name may do it another way."""
        self._confirming.discard(connection)
        self._shown.pop(connection, None)
