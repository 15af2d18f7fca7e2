"""How often one client may ask."""

from __future__ import annotations

from typing import Final

_ROUNDING_S: Final = 1e-6


class Rates:
    """Lets each client ask ``per_s`` times a second on average, and up to ``burst`` times at once.

    One number is kept for each client: when it will have paid for what it asked (the generic cell rate algorithm).
    When there are more than ``room`` of them those who have paid are forgotten, and if that is too few, all.
    """

    def __init__(self, per_s: float, burst: int, room: int = 10_000) -> None:
        self._cost_s = 1.0 / per_s
        self._credit_s = burst / per_s
        self._room = room
        self._paid_at: dict[str, float] = {}

    def wait_s(self, client: str, now_s: float) -> float:
        """Take one request and return 0, or how long the client must wait before it may ask."""
        paid_at = max(self._paid_at.get(client, now_s), now_s) + self._cost_s
        if (wait_s := paid_at - now_s - self._credit_s) > _ROUNDING_S:
            return wait_s
        self._paid_at[client] = paid_at
        if len(self._paid_at) > self._room:
            self._paid_at = {one: at for one, at in self._paid_at.items() if at > now_s}
            if len(self._paid_at) > self._room:
                self._paid_at.clear()
        return 0.0
