"""Looks at books: whoever asks for one gets its levels after the next step, once that is committed and published.

Between two steps a book holds what is not committed yet, so nobody reads one but the pipeline's thread, and what it
copied waits for the commit. A book is copied once a step however many ask, and not at all if nobody does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fulltape.books.l2 import Book
from fulltape.books.levels import Levels, Seen, levels_of
from fulltape.errors import TransientError


@dataclass(slots=True)
class Look:
    """Those who wait for one book: at most ``count`` levels a side are wanted."""

    count: int
    answer: asyncio.Future[Seen | None]
    """None if there will be no step any more."""


Waiting = Mapping[int, Look]
"""Who waits, by instrument."""
Copies = Mapping[int, Levels | None]
"""The levels of each of them; None where there is no book."""


class Looks:
    """Those who wait for a book. Used on the event loop only."""

    def __init__(self) -> None:
        self._next: dict[int, Look] = {}
        self._open: set[asyncio.Future[Seen | None]] = set()
        self._ended = ""

    async def look(self, code: int, count: int) -> Seen:
        """Return a book's best levels after the next step, ``count`` a side or more if others want more.

        Raises TransientError when there will be none.
        """
        if self._ended:
            raise TransientError(self._ended)
        if (look := self._next.get(code)) is None:
            look = self._next[code] = Look(count, asyncio.get_running_loop().create_future())
            self._open.add(look.answer)
            look.answer.add_done_callback(self._open.discard)
        look.count = max(look.count, count)
        seen = await asyncio.shield(look.answer)  # one who leaves must not take it from the others
        if seen is None:
            raise TransientError(self._ended)
        return seen

    def take(self) -> Waiting:
        """Return who is answered by the step that begins now."""
        taken, self._next = self._next, {}
        return taken

    def end(self, why: str) -> None:
        """Tell those who wait, and all who come, that there is no step any more."""
        self._ended = why
        for answer in tuple(self._open):
            if not answer.done():
                answer.set_result(None)


def copied(waiting: Waiting, book: Callable[[int], Book | None]) -> Copies:
    """Return the levels of the books that somebody waits for."""
    return {
        code: None if (found := book(code)) is None else levels_of(found, look.count) for code, look in waiting.items()
    }


def answer(waiting: Waiting, levels: Copies, commit: int, clock: int) -> None:
    """Give everybody what was copied."""
    for code, look in waiting.items():
        if not look.answer.done():
            look.answer.set_result(Seen(levels[code], commit, clock))
