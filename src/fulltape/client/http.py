"""Requests for tables: Arrow asked for, pages followed, problem documents raised."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import pyarrow as pa
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from fulltape.client.errors import Busy, ClientError, CutWarning, Unreachable, refusal

PAGE_ROWS: Final = 10_000
"""How many rows a page has: the most that the API gives."""
SIMULATED: Final = b"fulltape.simulated"
"""In a table's schema metadata, with value ``1``, if the prices are made up."""
_ATTEMPTS: Final = 5
_TIMEOUT_S: Final = 60.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Http:
    """One HTTP connection, kept between requests. Not for several threads at once."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        try:
            host = httpx.URL(url).host
        except httpx.InvalidURL:
            raise ClientError(f"not an address: {url}; they look like http://127.0.0.1:8000") from None
        # On this machine compression costs more time than it saves.
        packed = {"Accept-Encoding": "identity"} if host in _LOOPBACK else {}
        self._client = httpx.Client(
            base_url=f"{url}/api/v1/", headers={**packed, **headers}, timeout=_TIMEOUT_S, trust_env=False
        )

    def pages(self, path: str, query: Mapping[str, Any], limit: int | None) -> pa.Table:
        """Return the rows of all pages of a call, oldest first, or as many of them as ``limit``."""
        tables = list(self._pages(path, query, limit))
        table = pa.concat_tables(tables)
        return table if limit is None else table.slice(0, limit)

    def _pages(self, path: str, query: Mapping[str, Any], limit: int | None) -> Iterator[pa.Table]:
        asked = {name: value for name, value in query.items() if value is not None}
        left = limit
        while True:
            size = PAGE_ROWS if left is None else max(1, min(left, PAGE_ROWS))
            answer = self.request("GET", path, params={**asked, "limit": size, "format": "arrow"})
            table = _table(answer)
            yield table
            left = None if left is None else left - table.num_rows
            following = answer.headers.get("Fulltape-Next")
            if following is None or (left is not None and left <= 0):
                return
            asked["cursor"] = following

    def table(self, path: str, query: Mapping[str, Any]) -> pa.Table:
        """Return the rows of a call that answers all of them at once."""
        asked = {name: value for name, value in query.items() if value is not None}
        return _table(self.request("GET", path, params={**asked, "format": "arrow"}))

    def sql(self, query: str) -> pa.Table:
        """Return the rows of a SELECT; warns if there were more than the server sends."""
        answer = self.request("POST", "sql", params={"format": "arrow"}, json={"query": query})
        if "Fulltape-Cut" in answer.headers:
            warnings.warn(
                "there are more rows than the server sends: ask for fewer, or in parts", CutWarning, stacklevel=3
            )
        return _table(answer)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a good answer, waiting where the server says when to come back.

        Raises Refused with the words of the problem document, Busy after five times, Unreachable.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(Busy), wait=_as_told, stop=stop_after_attempt(_ATTEMPTS), reraise=True
        )
        return retrying(self._request, method, path, **options)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ClientError(f"not an address: {self._url}; they look like http://127.0.0.1:8000") from None
        except httpx.TransportError as error:
            raise Unreachable(f"no fulltape answers at {self._url} ({error})") from None
        if not answer.is_success:
            raise refusal(answer.status_code, answer.content, answer.headers.get("Retry-After"))
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def rfc3339(name: str, time: str | dt.datetime | None) -> str | None:
    """Return a time as the API takes it. Raises ClientError for one without a zone: it would be a guess."""
    if not isinstance(time, dt.datetime):
        return time
    if time.tzinfo is None:
        raise ClientError(f"{name}: {time} has no time zone: use datetime.datetime(..., tzinfo=datetime.UTC)")
    return time.isoformat()


def _as_told(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after_s if isinstance(error, Busy) else 0.0


def _table(answer: httpx.Response) -> pa.Table:
    with pa.ipc.open_stream(answer.content) as reader:
        table = reader.read_all()
    return table.replace_schema_metadata({SIMULATED: b"1"}) if "Fulltape-Simulated" in answer.headers else table
