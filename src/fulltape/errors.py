"""Errors, named by what to do about them.

FulltapeError
├── ConfigError      refuse to start and say what to change
│   └── UnknownInstrument
├── TransientError   back off and try again; nothing is lost
│   └── CreditsSpent not before tomorrow
├── MalformedFrame   keep the raw bytes in the dead-letter table, count, go on
└── FatalError       stop: going on would lose or falsify data
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FulltapeError(Exception):
    """Base of every error that fulltape raises on purpose."""


class ConfigError(FulltapeError):
    """The configuration or the command line cannot be used; the text says what to change."""


class UnknownInstrument(ConfigError):
    """No such instrument; the text names the nearest."""


class TransientError(FulltapeError):
    """A failure that passes by itself, such as a lost connection or a 503.

    ``retry_after_s`` is the wait the other side asked for, in seconds, or None.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CreditsSpent(TransientError):
    """What a venue allows in a day is used up; ``retry_after_s`` tells how long that day still lasts."""


class MalformedFrame(FulltapeError):
    """A frame that the venue should not have sent. ``reason`` is a short, countable word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class FatalError(FulltapeError):
    """Going on would lose or falsify data: stop, and say what a person must do."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest choice, or an empty string."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
