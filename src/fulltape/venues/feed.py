"""What parsers of feeds share whose frames hold rows: reading frame by frame, taking all rows of a kind at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import Array
from fulltape.venues.base import Acknowledged, Channel, Parsed, Reject, Subscription, VenueSpec
from fulltape.venues.rows import excerpt

T = TypeVar("T")

Taker = Callable[[list[Any], Array, Array, Parsed], None]
"""Puts rows of one kind into a `Parsed`, given for each row its frame and when that was received (ns)."""

UNDECODABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What msgspec raises: ValueError for bad UTF-8 and endless digits, RecursionError for endless nesting."""

_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class FeedParser(ABC):
    """A `Parser` by the rows in its frames. A venue says how to read a frame, and who takes which kind of row."""

    @property
    @abstractmethod
    def takers(self) -> Mapping[str, Taker]:
        """Who takes the rows of which kind; no two fill the same kind of record."""

    @abstractmethod
    def read(self, frame: int, payload: bytes, parsed: Parsed) -> tuple[str, Sequence[Any]] | None:
        """Return the kind of a frame and its rows, or None if it has none to be taken.

        What it says besides rows goes into ``parsed``. Raises MalformedFrame: the frame is then rejected.
        """

    def parse(self, payloads: Sequence[bytes], ingest_times: Sequence[int]) -> Parsed:
        """Turn frames into columns; see `fulltape.venues.base.Parser`."""
        parsed = Parsed()
        groups: dict[str, tuple[list[Any], list[int]]] = {kind: ([], []) for kind in self.takers}
        for frame, payload in enumerate(payloads):
            try:
                read = self.read(frame, payload, parsed)
            except MalformedFrame as error:
                parsed.rejects.append(Reject(frame, error.reason, error.detail))
                continue
            if read is not None:
                rows, frames = groups[read[0]]
                rows.extend(read[1])
                frames.extend([frame] * len(read[1]))
        received = np.array(ingest_times, np.int64)
        for kind, take in self.takers.items():
            rows, places = groups[kind]
            if rows:
                index = np.array(places)
                take(rows, index, received[index], parsed)
        parsed.rejects.sort(key=lambda reject: reject.frame)
        return parsed


class Confirmed:
    """What a venue that confirms piece by piece has confirmed so far on one connection."""

    def __init__(self) -> None:
        self._channels: dict[Channel, set[str]] = {}

    def add(self, channel: Channel, symbols: Sequence[str]) -> Acknowledged:
        """Return everything confirmed, with ``symbols`` of ``channel`` from now on. No symbols mean all of them."""
        self._channels.setdefault(channel, set()).update(symbols)
        return self._so_far()

    def remove(self, channel: Channel, symbols: Sequence[str]) -> Acknowledged:
        """Return everything confirmed, without ``symbols`` of ``channel`` from now on."""
        left = self._channels.pop(channel, set()).difference(symbols)
        if left:
            self._channels[channel] = left
        return self._so_far()

    def _so_far(self) -> Acknowledged:
        return Acknowledged({channel: frozenset(symbols) for channel, symbols in self._channels.items()})


def decode_frame(decode: Callable[[bytes], T], payload: bytes) -> T:
    """Return what ``decode`` makes of a frame. Raises MalformedFrame."""
    try:
        return decode(payload)
    except msgspec.ValidationError as error:
        raise MalformedFrame("bad_field", str(error)) from None
    except UNDECODABLE as error:
        raise MalformedFrame("malformed_json", str(error)) from None


def split_answer(payload: bytes) -> tuple[str, bytes]:
    """Return what was asked, without its method, and the body of a frame that is a REST answer.

    The inverse of `fulltape.venues.base.answer_frame`. Raises MalformedFrame.
    """
    head, newline, body = payload.partition(b"\n")
    try:
        method, _, asked = head.decode().partition(" ")
    except UnicodeDecodeError:
        method = asked = ""
    if not newline or method not in ("GET", "POST") or not asked.startswith("/"):
        raise MalformedFrame("malformed_answer", excerpt(head))
    return asked, body


def ignore(kind: str, parsed: Parsed, count: int = 1) -> None:
    """Count frames, or rows, of a type that is known and not used."""
    if count:
        parsed.ignored[kind] = parsed.ignored.get(kind, 0) + count


class RowsDecoder:
    """Decodes the rows of a frame, all at once if they are as they should be, else one by one."""

    def __init__(self, row: Any) -> None:
        self._all: Callable[[bytes | msgspec.Raw], list[Any]] = msgspec.json.Decoder(list[row], strict=False).decode
        self._one: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder(row, strict=False).decode

    def decode(self, raw: bytes | msgspec.Raw, frame: int, parsed: Parsed) -> list[Any]:
        """Return the good rows; each bad one becomes a `Reject`. Raises MalformedFrame if ``raw`` is no list."""
        try:
            return self._all(raw)
        except UNDECODABLE:
            pass
        try:
            raws = _decode_raws(raw)
        except UNDECODABLE as error:
            raise MalformedFrame("bad_field", str(error)) from None
        rows = []
        for one in raws:
            try:
                rows.append(self._one(one))
            except UNDECODABLE as error:
                parsed.rejects.append(Reject(frame, "bad_field", f"{error} in {excerpt(bytes(one))}"))
        return rows


def check_subscription(spec: VenueSpec, subscription: Subscription, without: Collection[Channel] = ()) -> None:
    """Raise ConfigError for a channel that the venue has not, or one without symbols unless it is among ``without``."""
    for channel in subscription.channels:
        if channel not in spec.channels:
            raise ConfigError(f"{spec.name} has no channel {channel}")
        if not subscription.symbols and channel not in without:
            raise ConfigError(f"{spec.name}: channel {channel} needs at least one symbol")
