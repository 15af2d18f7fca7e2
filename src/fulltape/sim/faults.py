"""Faults on request: what a venue, a network or a bad day does to the frames of one connection.

Pure and seeded. Only data frames pass through; acknowledgements and errors do not. A dropped trade keeps its id, so
it is a true hole that the venue's REST history can fill.
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable
from random import Random

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, did_you_mean

_REORDER_DEPTH = 5
_MOST_DELAYED = 100_000
_GARBAGE = (
    b"not json",
    b"[]",
    b'{"type":"mystery","product_id":"BTC-USD"}',
    b'{"type":"match","trade_id":"seven","product_id":null,"price":{},"size":[]}',
    b'{"type":"match","trade_id":1,"product_id":"BTC-USD","price":"0","size":"-1","side":"buy","time":"yesterday"}',
)
_FIGURE = re.compile(rb"\d[\d.]*")


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which faults happen. Rates are probabilities per frame, from 0 to 1.

    ``reorder`` sends a frame up to five frames late. ``delay_ms`` holds every frame back. ``disconnect_every_s`` is
    the mean life of a connection, 0 for unlimited. ``garbage`` adds frames that nobody should send. ``hang`` makes
    the connections that are open fall silent without closing, until it is cleared; new ones work. ``refuse`` turns
    new connections away.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_ms: float = 0.0
    disconnect_every_s: float = 0.0
    garbage: float = 0.0
    hang: bool = False
    refuse: bool = False

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "reorder", "garbage"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a rate between 0 and 1")
        for name in ("delay_ms", "disconnect_every_s"):
            if not 0.0 <= getattr(self, name) <= 3_600_000.0:
                raise ValueError(f"{name} is between 0 and 3,600,000")


NO_FAULTS = Faults()


def parse_faults(text: str) -> Faults:
    """Read ``drop=0.01,delay_ms=20,hang=true``. Raises ConfigError that says what is wrong."""
    fields: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if name not in Faults.__struct_fields__:
            raise ConfigError(f"unknown fault {name!r}{did_you_mean(name, Faults.__struct_fields__)}")
        fields[name] = value if equals else "true"
    try:
        return msgspec.convert(fields, Faults, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"faults {text!r}: {error}") from error


class FaultStream:
    """The faults of one connection."""

    def __init__(self, faults: Faults, rng: Random, now_ns: int) -> None:
        self.is_hung = False
        self._faults = faults
        self._rng = rng
        self._late: list[tuple[int, int, bytes]] = []  # (place to leave at, place of origin, frame), a heap
        self._place = 0
        self._delayed: deque[tuple[int, bytes]] = deque()
        self._ends_ns: int | None = None
        self.configure(faults, now_ns)

    def configure(self, faults: Faults, now_ns: int) -> None:
        """Change the faults of a connection that is open."""
        self._faults = faults
        self.is_hung = faults.hang
        life_s = faults.disconnect_every_s
        self._ends_ns = now_ns + int(self._rng.expovariate(1 / life_s) * SECOND_NS) if life_s else None

    def is_over(self, now_ns: int) -> bool:
        """Return whether the connection has reached the end of its life."""
        return self._ends_ns is not None and now_ns >= self._ends_ns

    def apply(self, frames: Iterable[bytes], now_ns: int) -> list[bytes]:
        """Return what to send now in place of ``frames``. What a hang swallows is lost."""
        faults = self._faults
        if faults.hang:
            self._late.clear()
            self._delayed.clear()
            return []
        if faults.drop or faults.duplicate or faults.reorder or faults.garbage or self._late:
            frames = self._disturb(frames)
        if not faults.delay_ms and not self._delayed:
            return list(frames)
        due_ns = now_ns + int(faults.delay_ms * 1e6)
        self._delayed.extend((due_ns, frame) for frame in frames)
        out = []
        while self._delayed and (self._delayed[0][0] <= now_ns or len(self._delayed) > _MOST_DELAYED):
            out.append(self._delayed.popleft()[1])
        return out

    def _disturb(self, frames: Iterable[bytes]) -> list[bytes]:
        faults, random = self._faults, self._rng.random
        out: list[bytes] = []
        for frame in frames:
            self._place += 1
            while self._late and self._late[0][0] < self._place:
                out.append(heapq.heappop(self._late)[2])
            if random() < faults.garbage:
                out.append(self._garbage(frame))
            if random() < faults.drop:
                continue
            if random() < faults.reorder:
                leaves = self._place + self._rng.randint(1, _REORDER_DEPTH)
                heapq.heappush(self._late, (leaves, self._place, frame))
                continue
            out.append(frame)
            if random() < faults.duplicate:
                out.append(frame)
        return out

    def _garbage(self, frame: bytes) -> bytes:
        """Return a fixed absurdity, the first half of a real frame, or one whose figures are all impossible."""
        pick = self._rng.randrange(len(_GARBAGE) + 2)
        if pick < len(_GARBAGE):
            return _GARBAGE[pick]
        is_json = frame.startswith((b"{", b"["))  # figures in msgpack cannot be told from the rest
        return _FIGURE.sub(b"-1", frame) if is_json and pick > len(_GARBAGE) else frame[: len(frame) // 2]
