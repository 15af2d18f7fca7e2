"""What can go wrong between a program and a running fulltape.

ClientError
├── Unreachable   no fulltape answers there
└── Refused       it answered with a problem: what was asked cannot be had
    └── Busy      not now: ask again
"""

from __future__ import annotations

import msgspec


class ClientError(Exception):
    """Base of every error of this client; the text says what to do."""


class Unreachable(ClientError):
    """No fulltape answers at the address."""


class Refused(ClientError):
    """The answer was a problem document: ``status`` is its HTTP status, the text its detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Busy(Refused):
    """The server cannot answer now; it asks to wait ``retry_after_s`` seconds."""

    def __init__(self, status: int, detail: str, retry_after_s: float) -> None:
        super().__init__(status, detail)
        self.retry_after_s = retry_after_s


class CutWarning(UserWarning):
    """A query had more rows than the server sends."""


class _Problem(msgspec.Struct):
    detail: str


def refusal(status: int, body: bytes, retry_after: str | None) -> Refused:
    """Return the error that an answer's problem document tells of."""
    try:
        detail = msgspec.json.decode(body, type=_Problem).detail
    except msgspec.DecodeError:
        detail = f"the answer {status} is none that fulltape gives: is the address right?"
    if retry_after is not None and retry_after.isdecimal():
        return Busy(status, detail, float(retry_after))
    return Refused(status, detail)
