"""Tokens: who may do what. Only hashes are kept, so the file gives nothing away that opens a door."""

from __future__ import annotations

import enum
import fcntl
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

import msgspec

from fulltape.errors import ConfigError, did_you_mean

FILE_NAME: Final = "fulltape-tokens.json"
"""The file beside the database, unless the configuration names another."""
_PREFIX: Final = "ft_"
_SECRET_BYTES: Final = 32

_log = logging.getLogger(__name__)


class Scope(enum.StrEnum):
    """What a token allows: each scope includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, wanted: Scope) -> bool:
        """Return whether this scope allows what needs ``wanted``."""
        order = list(Scope)
        return order.index(self) >= order.index(wanted)


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a token: ``sha256`` is the hash of its secret in hex, ``created`` RFC 3339."""

    name: str
    scope: Scope
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    created: str


def new_secret() -> str:
    """Return a secret of 256 random bits. Its prefix lets scanners of published code find it."""
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def hash_of(secret: str) -> str:
    """Return what is kept of a secret. A slow hash would add nothing: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class TokenFile:
    """The tokens of an installation, in a file that only its owner may read.

    It is replaced as a whole, so a running server never reads half of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[Token, ...]:
        """Return every token, oldest first; none without a file. Raises ConfigError if it cannot be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=tuple[Token, ...])
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise ConfigError(f"{self.path}: not a file of tokens: {error}; remove it and create them anew") from None

    def add(self, token: Token) -> None:
        """Keep a token. Raises ConfigError if its name is taken, or the file cannot be written."""
        with self._alone():
            tokens = self.load()
            if any(known.name == token.name for known in tokens):
                raise ConfigError(f"there is a token named {token.name!r}: choose another name, or revoke it first")
            self._replace((*tokens, token))

    def remove(self, name: str) -> None:
        """Forget a token. Raises ConfigError if there is none of that name."""
        with self._alone():
            tokens = self.load()
            left = tuple(token for token in tokens if token.name != name)
            if len(left) == len(tokens):
                raise ConfigError(f"no token named {name!r}{did_you_mean(name, [token.name for token in tokens])}")
            self._replace(left)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from changing the file until the block ends."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise ConfigError(f"{self.path.parent}: {error.strerror}") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _replace(self, tokens: tuple[Token, ...]) -> None:
        partial = self.path.with_name(f".{self.path.name}.partial")
        body = msgspec.json.format(msgspec.json.encode(tokens)) + b"\n"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(descriptor)
            partial.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from None


class Keyring:
    """Tells what a presented secret allows; follows changes of the file while fulltape runs.

    Raises ConfigError when it is made over a file that cannot be read. One that turns bad later opens nothing, and
    the log says so.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = TokenFile(path) if path is not None else None
        self._seen = self._state()
        self._tokens = self._file.load() if self._file is not None else ()

    def scope_of_hash(self, presented: str) -> Scope | None:
        """Return what a secret with this `hash_of` allows, None if no token has it; takes as long whichever it is."""
        self._follow()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(presented, token.sha256):
                found = token.scope
        return found

    def _follow(self) -> None:
        state = self._state()
        if self._file is None or state == self._seen:
            return
        self._seen = state
        try:
            self._tokens = self._file.load()
        except ConfigError as error:
            self._tokens = ()
            _log.error("no token is accepted: %s", error)

    def _state(self) -> tuple[int, int, int] | None:
        """Return what differs after the file was replaced."""
        if self._file is None:
            return None
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
