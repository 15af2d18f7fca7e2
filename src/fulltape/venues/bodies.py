"""Reading the body of an answer within bounds: venues are asked, not trusted with our memory and time."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable
from typing import Final

from fulltape.errors import TransientError

PACKING: Final = "gzip"
"""What a venue is told that it may pack its answers with."""
_PLAIN: Final = frozenset({"", "identity"})
_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


async def read_body(pieces: AsyncIterable[bytes], packing: str, most: int) -> bytes:
    """Return the unpacked body that comes in pieces; ``packing`` is what its ``Content-Encoding`` says.

    Raises TransientError for one of more than ``most`` bytes, be it that many on the wire or after unpacking, and for
    one that cannot be unpacked.
    """
    packing = packing.strip().lower()
    if packing not in _PLAIN | _PACKED:
        raise TransientError(f"an answer packed with {packing[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB) if packing in _PACKED else None
    body = bytearray()
    came = 0
    async for piece in pieces:
        came += len(piece)
        body += piece if unpacker is None else _unpacked(unpacker, piece, most + 1 - len(body))
        if max(came, len(body)) > most:
            raise TransientError(f"an answer of more than {most:,} bytes")
    if unpacker is not None and came and (not unpacker.eof or unpacker.unused_data):
        raise TransientError("a packed answer that ends somewhere else than it should")
    return bytes(body)


def _unpacked(unpacker: zlib._Decompress, piece: bytes, most: int) -> bytes:
    """Return at most so many bytes more; what is beyond them stays packed, as the answer is refused then."""
    try:
        return unpacker.decompress(piece, most)
    except zlib.error as error:
        raise TransientError(f"an answer that cannot be unpacked: {error}") from None
