"""Messages to people, through Apprise: chats, mail, telephones, web hooks, whatever an address names.

An address holds secrets. Apprise and the library that it asks over HTTP write addresses into their logs, so nothing
of those logs is let through; what a failure was is told from the status that the other side answered.
"""

from __future__ import annotations

import logging
import re
import threading
from types import TracebackType
from typing import Any, Final

import apprise
from apprise.utils.parse import parse_urls

from fulltape.errors import ConfigError, TransientError

_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


class _Statuses(logging.Filter):
    """Lets no log line through, and keeps of them nothing but the last HTTP status of each thread."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[int | None, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Note the status that a log line tells, if it tells one."""
        found = _STATUS.search(record.getMessage())
        if found is not None:
            self._last[record.thread] = found[1]
        return False

    def take(self, thread: int) -> str | None:
        """Return the last status of a thread and forget it."""
        return self._last.pop(thread, None)


class AppriseMessenger:
    """Sends through Apprise, in the calling thread. Raises ConfigError, without the address, for one it cannot use."""

    def __init__(self, url: str) -> None:
        self._statuses = _silenced()
        asset = apprise.AppriseAsset(
            app_id="fulltape",
            app_desc="fulltape",
            app_url="",
            async_mode=False,
            secure_logging=True,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
            plugin_paths=[],
        )
        urls: list[str] = parse_urls(url)  # type: ignore[no-untyped-call]
        if len(urls) > 1:
            raise ConfigError("holds several addresses: name each as a target of its own, so that none is told twice")
        service: Any = apprise.Apprise.instantiate(urls[0], asset=asset) if urls else None
        if service is None:
            raise ConfigError("holds no address that Apprise knows; they look like json://127.0.0.1:9000/path")
        self._service = service

    def send(self, title: str, body: str) -> None:
        """Send a message; takes as long as it takes. Raises TransientError, whose text holds no secret."""
        thread = threading.get_ident()
        self._statuses.take(thread)
        with _Named():
            is_sent = bool(self._service.notify(title=title, body=body, body_format="text"))
        if not is_sent:
            status = self._statuses.take(thread)
            raise TransientError("nobody took the message" if status is None else f"the answer was status {status}")


class _Named:
    """Makes a TransientError of whatever a plugin of Apprise raises, without its text: that may hold the address."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and isinstance(error, Exception):
            raise TransientError(f"sending failed with {kind.__name__}") from None


def _silenced() -> _Statuses:
    """Keep the log lines of Apprise and of its HTTP library from everybody; return what reads statuses from them."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    log = logging.getLogger("apprise")
    for known in log.filters:
        if isinstance(known, _Statuses):
            return known
    statuses = _Statuses()
    log.addFilter(statuses)
    return statuses
