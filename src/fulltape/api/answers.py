"""Answers that are kept: pages of the past, ready to be sent again until a commit changes what they show.

A page is kept under its address if its range has an end. A commit that has rows before that end, such as a late trade
or a refill, makes it forgotten, before any stream client is told of the commit: so nobody who learned of a change can
get an answer from before it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from litestar import Response
from litestar.types import Scope

from fulltape.api.packing import pack
from fulltape.records import Commit

Key = tuple[str, bytes, str]
"""Path, query and what is accepted."""

_OVERHEAD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer was made of: rows of one kind and instrument with a time before ``end`` (ns), up to a commit."""

    kind: str
    code: int
    end: int
    commit: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its body, its headers but for those of the encoding, and the tag that names its content."""

    body: bytes
    headers: Mapping[str, str]
    tag: str
    packed: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, response: Response[bytes]) -> Answer:
        """Return a response that may be kept by whoever asks again whether it still holds."""
        body = response.content
        # Weak: the same content in another encoding has the same tag.
        tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        sent = {name.lower(): value for name, value in response.headers.items()}
        told = {"content-type": str(response.media_type), "cache-control": "no-cache", "etag": tag}
        headers = {**sent, **told}
        return cls(body, headers, tag)

    def matches(self, none_match: str | None) -> bool:
        """Return whether an ``If-None-Match`` names this content."""
        return none_match is not None and (none_match == "*" or self.tag in map(str.strip, none_match.split(",")))

    def encoded(self, encoding: str) -> bytes:
        """Return the body in an encoding, made once."""
        if encoding not in self.packed:
            self.packed[encoding] = pack(self.body, encoding)
        return self.packed[encoding]


class Answers:
    """The answers that are kept: as many as have room, those asked for last. Used on the event loop only."""

    def __init__(self, max_bytes: int) -> None:
        self._room = self._most = max_bytes
        self._kept: OrderedDict[Key, tuple[Basis, Answer]] = OrderedDict()
        self._by_basis: dict[tuple[str, int], set[Key]] = {}
        self._seen = 0
        self.hits = 0
        """How many requests were answered from here."""

    def get(self, key: Key) -> Answer | None:
        """Return the answer that is kept for a request."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        self.hits += 1
        return found[1]

    def keep(self, key: Key, basis: Basis, answer: Answer) -> None:
        """Keep an answer, unless a commit has come since it was read: it might be outdated already."""
        if basis.commit < self._seen or key in self._kept or _size(answer) > self._most // 4:
            return
        self._kept[key] = basis, answer
        self._by_basis.setdefault((basis.kind, basis.code), set()).add(key)
        self._room -= _size(answer)
        while self._room < 0:
            self._forget(next(iter(self._kept)))

    def note(self, commit: Commit) -> None:
        """Forget what a commit changes."""
        self._seen = commit.number
        for kind, code in [place for place in self._by_basis if place[0] in commit.batches]:
            batch = commit.batches[kind]
            times = batch[batch.schema.time][batch["instrument"] == code]
            if len(times):
                first = int(times.min())
                for key in [key for key in self._by_basis[kind, code] if self._kept[key][0].end > first]:
                    self._forget(key)

    def clear(self) -> None:
        """Forget everything."""
        for key in tuple(self._kept):
            self._forget(key)

    def stop(self) -> None:
        """Forget everything and keep nothing more: nobody tells of commits any longer."""
        self.clear()
        self._most = 0

    def _forget(self, key: Key) -> None:
        basis, answer = self._kept.pop(key)
        self._room += _size(answer)
        keys = self._by_basis[basis.kind, basis.code]
        keys.discard(key)
        if not keys:
            del self._by_basis[basis.kind, basis.code]


def key_of(scope: Scope) -> Key:
    """Return under what the answer to a request is kept."""
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    return scope["path"], scope["query_string"], b",".join(accepted).decode("latin-1")


def _size(answer: Answer) -> int:
    """Return the room that an answer takes; encoded forms are smaller, and few."""
    return 2 * len(answer.body) + _OVERHEAD
