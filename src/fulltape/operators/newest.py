"""What is newest of an instrument by the venue's clock, and which trades go on from there: those are ticks."""

from __future__ import annotations

from typing import Any, Final

from fulltape.clock import SECOND_NS
from fulltape.kernel import inline

AHEAD_NS: Final = 60 * SECOND_NS
"""A newest record that is further than this ahead of our clock holds nothing back: its time is a mistake."""


@inline
def goes_on(time: Any, newest: Any, ingest: Any) -> Any:
    """Return whether a trade received at ``ingest`` is not older than the newest one, or that one is a mistake.

    Of a venue whose clock is that far ahead every trade is: there the newest one holds.
    """
    return time >= newest or time <= ingest + AHEAD_NS < newest
