"""Marks: up to which commit each target has been told of alerts, kept in a small file beside the database."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import msgspec

from fulltape.errors import ConfigError


class MarkFile:
    """One commit number a target. A change is on the disk when `put` returns; after a crash it is the old or the new.

    One process uses it, the one that has the database, from any of its threads. Raises ConfigError for a file that
    cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._marks = self._read()

    def get(self, target: str) -> int | None:
        """Return up to which commit a target has been told, None if it never was."""
        return self._marks.get(target)

    def put(self, target: str, commit: int) -> None:
        """Note that a target has been told of everything up to a commit. Raises ConfigError if that cannot be kept."""
        with self._writing:
            self._marks[target] = commit
            self._replace()

    def _replace(self) -> None:
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            with partial.open("wb") as file:
                file.write(msgspec.json.encode(self._marks) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be written: {error.strerror}") from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def _read(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror}") from None
        except (msgspec.DecodeError, ValueError):
            raise ConfigError(
                f"{self._path}: does not say who has been told of which alerts: delete it, then targets are told of "
                "what comes from now on"
            ) from None
