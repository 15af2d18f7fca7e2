"""Reading and planning SQL of strangers in a process of its own before it runs in the one that captures.

Neither can be interrupted, and both can be made to take for ever by a few hundred characters: ``nullif`` in ``nullif``,
or a column that adds the one before it to itself, doubles the plan with every step. The other process has the tables
without their rows; when a query makes it take too much, it ends, and the next query gets a new one.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from fulltape.errors import ConfigError, TransientError
from fulltape.stores import rehearsing
from fulltape.stores.duckdb_file import SHUT_OFF
from fulltape.stores.rehearsing import Answer, Order
from fulltape.stores.schema import create_statements

_MOST_TREE: Final = 8 << 20
_MOST_PLAN: Final = 200_000
"""The longest tree and plan, in bytes. The plan of the widest view has 78,000."""
_PATIENCE_S: Final = 15.0
"""Far more than the time of a processor that the other process may take, on a machine that is busy."""
_START_S: Final = 120.0
"""So much longer for the first answer: on a busy machine a program that steps back takes its time to start."""
_LOOK_S: Final = 0.02
_RETRY_S: Final = 2.0
_PIECE: Final = 1 << 16


class Rehearsal:
    """Asks the other process, which starts with the first query. One thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def tree(self, query: str, stop: Callable[[], str]) -> str:
        """Return a query's syntax tree as JSON. Raises ConfigError if it has none, or as soon as ``stop`` says why."""
        answer = self._ask(Order(query), _MOST_TREE, stop)
        if answer.is_error:
            raise ConfigError(f"the query cannot be read: {answer.text}")
        return answer.text

    def plan(self, query: str, stop: Callable[[], str]) -> None:
        """Plan one SELECT. Raises ConfigError if that is not possible in bounds, or as soon as ``stop`` says why."""
        answer = self._ask(Order(query, plan=True), _MOST_PLAN, stop)
        if answer.is_error:
            raise ConfigError(f"query refused: {answer.text}")

    def close(self) -> None:
        """End the other process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, order: Order, most: int, stop: Callable[[], str]) -> Answer:
        if self._process is not None and self._process.poll() is not None:
            self.close()  # something ended it while it had nothing to do: no fault of this query
        patience_s = _PATIENCE_S
        if self._process is None:
            patience_s += _START_S
            try:
                self._process = _started()
            except OSError as error:
                raise TransientError(
                    f"the query cannot be planned now, as no process can be started: {error.strerror}",
                    retry_after_s=_RETRY_S,
                ) from error
        process = self._process
        try:
            _send(process, order)
            line = _line(process, most, patience_s, stop)
        except ConfigError:
            self.close()
            raise
        except BrokenPipeError:
            line = b""
        if not line:
            self.close()
            raise ConfigError("query refused: it takes too long to plan: make it simpler")
        return msgspec.json.decode(line, type=Answer)


def _started() -> subprocess.Popen[bytes]:
    """Start the other process, with nothing of our environment, and not to be ended by our terminal."""
    process = subprocess.Popen(
        [sys.executable, "-I", rehearsing.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )
    _send(process, Order(config=SHUT_OFF, statements=list(create_statements())))
    return process


def _send(process: subprocess.Popen[bytes], order: Order) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[bytes], most: int, patience_s: float, stop: Callable[[], str]) -> bytes:
    """Return the next line; nothing when the process has ended, or says more than ``most``, or nothing for too long."""
    assert process.stdout is not None
    source, until = process.stdout.fileno(), time.monotonic() + patience_s
    said = bytearray()
    while not said.endswith(b"\n"):
        while not select.select([source], [], [], _LOOK_S)[0]:
            if reason := stop():
                raise ConfigError(f"query stopped: {reason}")
            if time.monotonic() > until:
                return b""
        piece = os.read(source, _PIECE)
        said += piece
        if not piece or len(said) > most:
            return b""
    return bytes(said)
