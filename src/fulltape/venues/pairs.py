"""Symbols that are a base and a quote currency run together, such as ``BTCUSDT``."""

from __future__ import annotations

from collections.abc import Sequence


def split_pair(symbol: str, quotes: Sequence[str]) -> tuple[str, str] | None:
    """Return base and quote of ``symbol`` by the longest of ``quotes`` that it ends with, None if there is none.

    Only the venue's list of instruments knows for certain; this is for where there is nothing but the symbol.
    """
    if not (symbol.isascii() and symbol.isalnum() and symbol == symbol.upper()):
        return None
    found = [quote for quote in quotes if symbol.endswith(quote) and symbol != quote]
    if not found:
        return None
    quote = max(found, key=len)
    return symbol.removesuffix(quote), quote
