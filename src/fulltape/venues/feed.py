"""What parsers of feeds share: decoding frame by frame, then taking all messages of a kind at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Any, Final, NoReturn, TypeVar

import msgspec
import numpy as np

from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import Array
from fulltape.venues.base import Acknowledged, Channel, Parsed, Reject, Subscription, VenueSpec
from fulltape.venues.rows import excerpt

T = TypeVar("T")

Taker = Callable[[list[Any], Array, Array, Parsed], None]
"""Puts messages of one kind into a `Parsed`, given for each its frame and when that was received (ns)."""

Takers = Sequence[tuple[tuple[type, ...], Taker]]
"""Who takes messages of which types; no two fill the same kind of record."""

UNDECODABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What msgspec raises: ValueError for bad UTF-8 and endless digits, RecursionError for endless nesting."""

_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class FeedParser(ABC):
    """A `Parser` by the messages in frames: decoded at once where they are as they should be, else read with care."""

    def __init__(self, decode: Callable[[bytes], Any], takers: Takers) -> None:
        """Take the fast way to the message in a frame of data; ``decode`` raises one of UNDECODABLE for any other.

        It is called for the frames in order, each that it refuses is read before the next.
        """
        self._decode = decode
        self._takers = takers

    @abstractmethod
    def read(self, frame: int, payload: bytes, parsed: Parsed) -> Any:
        """Return the message in a frame that could not be decoded at once, None if it has none to be taken.

        What it says besides data goes into ``parsed``. Raises MalformedFrame: the frame is then rejected.
        """

    def parse(self, payloads: Sequence[bytes], ingest_times: Sequence[int]) -> Parsed:
        """Turn frames into columns; see `fulltape.venues.base.Parser`."""
        parsed = Parsed()
        messages: list[Any] = []
        left = iter(payloads)
        while len(messages) < len(payloads):
            # A list keeps what it was extended by before an error, and the iterator stands behind the frame in error.
            try:
                messages.extend(map(self._decode, left))
            except UNDECODABLE:
                messages.append(self._read_or_reject(len(messages), payloads[len(messages)], parsed))
        received = np.array(ingest_times, np.int64)
        deal(self._takers, messages, np.arange(len(messages)), received, parsed)
        parsed.rejects.sort(key=lambda reject: reject.frame)
        return parsed

    def _read_or_reject(self, frame: int, payload: bytes, parsed: Parsed) -> Any:
        try:
            return self.read(frame, payload, parsed)
        except MalformedFrame as error:
            parsed.rejects.append(Reject(frame, error.reason, error.detail))
            return None


def read_each(payload: bytes) -> NoReturn:
    """Decode nothing at once: every frame of the feed is read with care."""
    raise ValueError("to be read with care")


def deal(takers: Takers, messages: list[Any], frames: Array, received: Array, parsed: Parsed) -> None:
    """Give each taker the messages of its types, in order."""
    present = set(map(type, messages))
    for types, take in takers:
        if present.isdisjoint(types):
            continue
        if present.issubset(types):
            take(messages, frames, received, parsed)
        else:
            places = [place for place, message in enumerate(messages) if type(message) in types]
            take([messages[place] for place in places], frames[places], received[places], parsed)


def spread(lists: Sequence[Sequence[T]]) -> tuple[list[T], Array]:
    """Return the rows of several messages as one list, and for each row the place of its message."""
    rows = list(chain.from_iterable(lists))
    if len(rows) == len(lists) and all(lists):
        return rows, np.arange(len(rows))
    return rows, np.repeat(np.arange(len(lists)), list(map(len, lists)))


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
