"""Compression of answers, for whoever accepts it and where it pays."""

from __future__ import annotations

import gzip
from typing import Final

import zstandard

LEAST: Final = 1_024
"""Shorter bodies are not worth the work."""
_TYPES: Final = ("application/json", "application/problem+json", "application/vnd.apache.arrow.stream", "text/")
_QUICK_GZIP: Final = 1
_QUICK_ZSTD: Final = 1


def encoding_for(accepted: str, media_type: str, length: int) -> str | None:
    """Return the encoding of a body that a client with this ``Accept-Encoding`` gets; None for the body as it is."""
    if length < LEAST or not media_type.startswith(_TYPES):
        return None
    offers = {}
    for offer in accepted.lower().split(","):
        name, _, weight = offer.partition(";")
        offers[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in ("zstd", "gzip") if offers.get(name, False)), None)


def pack(body: bytes, encoding: str) -> bytes:
    """Return a body in an encoding that `encoding_for` gave: quickly rather than small."""
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=_QUICK_ZSTD).compress(body)
    return gzip.compress(body, compresslevel=_QUICK_GZIP, mtime=0)
