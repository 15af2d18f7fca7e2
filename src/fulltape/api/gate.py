"""The gate: what is checked before any handler runs, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fulltape.api.config import ApiConfig
from fulltape.api.problems import MEDIA_TYPE, Problem

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

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
    """Refuses requests for foreign hosts and streams for foreign pages; adds the security headers.

    The host check is what stops DNS rebinding: a page of ``evil.example`` whose name was pointed at 127.0.0.1 still
    sends ``Host: evil.example``.
    """

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self._app = app
        self._hosts = _LOOPBACK | {host.lower() for host in config.allowed_hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in config.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it with 403."""
        is_stream = scope["type"] == ScopeType.WEBSOCKET
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        refusal = self._refusal(hosts, origins if is_stream else ())
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif is_stream:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await _refuse(refusal, _with_headers(send))

    def _refusal(self, hosts: list[str], origins: Iterable[str]) -> str | None:
        if len(hosts) != 1 or not self._is_known(_host_name(hosts[0])):
            return f"not served under this name: {', '.join(hosts) or 'none'} (allow it in allowed_hosts)"
        for origin in origins:
            if not self._is_own(origin.lower(), hosts[0].lower()):
                return f"pages of {origin} may not open the stream (allow it in allowed_origins)"
        return None

    def _is_known(self, host: str | None) -> bool:
        return host is not None and host in self._hosts

    def _is_own(self, origin: str, host: str) -> bool:
        scheme, _, authority = origin.partition("://")
        if origin in self._origins:
            return True
        return scheme in ("http", "https") and (authority == host or _host_name(authority) in _LOOPBACK)


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


async def _refuse(detail: str, send: Send) -> None:
    body = msgspec.json.encode(Problem("Forbidden", 403, detail))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
