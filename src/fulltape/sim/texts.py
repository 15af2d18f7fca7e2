"""How venues write times and figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from fulltape.clock import format_rfc3339


def micros_text(time_ns: int) -> str:
    """Return an RFC 3339 time with six digits."""
    return f"{format_rfc3339(time_ns)[:26]}Z"


def millis_text(time_ns: int) -> str:
    """Return an RFC 3339 time with three digits."""
    return f"{format_rfc3339(time_ns)[:23]}Z"


def short(decimal: str) -> str:
    """Return a decimal without the zeros at its end: ``0.1`` for ``0.1000``."""
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def number(decimal: str) -> msgspec.Raw:
    """Return a decimal to be sent as a JSON number with exactly these digits."""
    return msgspec.Raw(decimal.encode())


def directions(prices: Sequence[int]) -> list[str]:
    """Return where each price but the first went from the one before it."""
    found, last = [], "Plus"
    for before, now in pairwise(prices):
        if now != before:
            last = "Plus" if now > before else "Minus"
        found.append(f"{'Zero' if now == before else ''}{last}Tick")
    return found
