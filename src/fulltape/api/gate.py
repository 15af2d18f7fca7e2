"""The gate: what is checked before any handler runs, and the headers that every answer carries."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, PermissionDeniedException, TooManyRequestsException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fulltape.api.access import Access
from fulltape.api.config import ApiConfig
from fulltape.api.problems import MEDIA_TYPE, problem_response
from fulltape.api.rates import Rates
from fulltape.api.tokens import Scope as TokenScope

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_PATH = 1_024
_MOST_PART = 255
"""The longest path and part of one, in bytes: what file systems take."""

# Styles may be inline because the chart library sets them so; scripts may not.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Gate:
    """Refuses what is foreign, too much or of a token that is none; adds the security headers.

    The host check is what stops DNS rebinding: a page of ``evil.example`` whose name was pointed at 127.0.0.1 still
    sends ``Host: evil.example``. What a request may do is noted as ``auth`` for the guards of the handlers.
    """

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self._app = app
        self._access = Access(config)
        self._hosts = _LOOPBACK | {host.lower() for host in config.allowed_hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in config.allowed_origins)
        self._rates = Rates(config.requests_per_s, config.request_burst)
        self._max_query = config.max_query_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it with 400, 401, 403, 414 or 429."""
        try:
            self._limit(scope, asyncio.get_running_loop().time())
            self._admit(scope)
        except HTTPException as refusal:
            await receive()
            kind = "websocket.http" if scope["type"] == ScopeType.WEBSOCKET else "http"
            await _refuse(refusal, kind, send)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _limit(self, scope: Scope, now_s: float) -> None:
        """Raise HTTPException for a client of another machine that asks too often, and for what is no address."""
        host = _machine(scope)
        if host and (wait_s := self._rates.wait_s(host, now_s)):
            headers = {"Retry-After": str(math.ceil(wait_s))}
            raise TooManyRequestsException("you ask too often: wait as long as Retry-After says", headers=headers)
        path = scope["path"].encode("utf-8", "surrogateescape")
        if b"\0" in path:
            raise HTTPException("an address has no character of value 0", status_code=400)
        if len(path) > _MOST_PATH or max(map(len, path.split(b"/"))) > _MOST_PART:
            raise HTTPException(f"a path may have {_MOST_PATH:,} bytes, each part {_MOST_PART}", status_code=400)
        if len(scope["query_string"]) > self._max_query:
            raise HTTPException(f"the query is longer than {self._max_query} bytes: shorten it", status_code=414)

    def _admit(self, scope: Scope) -> None:
        """Note what the connection may do. Raises HTTPException if that is nothing at all."""
        hosts, origins, authorizations = (_values(scope, name) for name in (b"host", b"origin", b"authorization"))
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            names = ", ".join(hosts) or "none"
            raise PermissionDeniedException(f"not served under this name: {names} (allow it in allowed_hosts)")
        # What browsers send across origins without asking first must not have effects; answers they keep to themselves.
        if scope["type"] == ScopeType.WEBSOCKET or scope["method"] not in _SAFE:
            for origin in origins:
                if not self._is_own(origin.lower(), hosts[0].lower()):
                    raise PermissionDeniedException(f"pages of {origin} may not do this (allow it in allowed_origins)")
        subprotocols = scope["subprotocols"] if scope["type"] == ScopeType.WEBSOCKET else ()
        grant = self._access.grant(authorizations, subprotocols)
        scope["auth"] = grant = grant if grant.who else replace(grant, who=_machine(scope))
        if scope["type"] == ScopeType.WEBSOCKET:
            grant.check(TokenScope.READ)

    def _is_own(self, origin: str, host: str) -> bool:
        scheme, _, authority = origin.partition("://")
        if origin in self._origins:
            return True
        return scheme in ("http", "https") and (authority == host or _host_name(authority) in _LOOPBACK)


def _machine(scope: Scope) -> str:
    """Return the address of another machine, empty for this one."""
    host = scope["client"][0] if scope["client"] else "unknown"
    return "" if host in _LOOPBACK else host


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header.lower() == name]


def _host_name(authority: str) -> str | None:
    """Return the host of ``host:port`` in lower case, without brackets, or None if it is not one."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return None
    is_bare = parts.netloc == authority and parts.username is None
    return parts.hostname if is_bare else None


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(h for h in _HEADERS if h[0] not in present)]
        await send(message)

    return send_with_headers


async def _refuse(refusal: HTTPException, kind: str, send: Send) -> None:
    """Answer with a problem document; ``kind`` says whether a request or the opening of a stream."""
    answer = problem_response(refusal.status_code, refusal.detail, refusal.headers)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(answer.content)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in (refusal.headers or {}).items()]
    start = {"type": f"{kind}.response.start", "status": refusal.status_code, "headers": [*headers, *_HEADERS]}
    await send(cast("Message", start))
    await send(cast("Message", {"type": f"{kind}.response.body", "body": answer.content, "more_body": False}))
