"""Between the gate and the handlers: sends kept answers at once, and compresses the others on their way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, cast

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from fulltape.api.access import Grant
from fulltape.api.answers import Answer, Answers, key_of
from fulltape.api.packing import encoding_for, pack
from fulltape.api.tokens import Scope as TokenScope

_LONG: Final = 1 << 18
"""Longer bodies are compressed in a thread."""

Headers = list[tuple[bytes, bytes]]


class Sending:
    """Sends what is kept; hands everything else on."""

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET" and _may_read(scope["auth"]) and (answer := self._answers.get(key_of(scope))):
            await _send_kept(answer, scope, send)
            return
        await self._app(scope, receive, _compressing(_header(scope, b"accept-encoding"), send))


def _may_read(grant: Grant) -> bool:
    try:
        grant.check(TokenScope.READ)
    except HTTPException:
        return False
    return True


async def _send_kept(answer: Answer, scope: HTTPScope, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.matches(_header(scope, b"if-none-match") or None):
        await _send_whole(304, [header for header in headers if header[0] != b"content-type"], b"", send)
        return
    body = answer.body
    encoding = encoding_for(_header(scope, b"accept-encoding"), answer.headers["content-type"], len(body))
    if encoding is not None:
        body = answer.encoded(encoding)
        headers += _encoded_as(encoding)
    await _send_whole(200, headers, body, send)


async def _send_whole(status: int, headers: Headers, body: bytes, send: Send) -> None:
    length = [(b"content-length", str(len(body)).encode())] if status != 304 else []
    await send(cast("Message", {"type": "http.response.start", "status": status, "headers": [*headers, *length]}))
    await send(cast("Message", {"type": "http.response.body", "body": body, "more_body": False}))


def _compressing(accepted: str, send: Send) -> Send:
    """Return a ``send`` that compresses answers which come in one piece."""
    held: list[Message] = []

    async def pack_and_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            held.append(message)
            return
        if held and message["type"] == "http.response.body":
            start = held.pop()
            body = bytes(message.get("body", b""))
            encoding = None if message.get("more_body") else _encoding(start, accepted, len(body))
            if encoding is not None:
                body = await asyncio.to_thread(pack, body, encoding) if len(body) > _LONG else pack(body, encoding)
                message["body"] = body
                kept = [h for h in _headers(start) if h[0].lower() != b"content-length"]
                length = (b"content-length", str(len(body)).encode())
                cast("dict[str, object]", start)["headers"] = [*kept, *_encoded_as(encoding), length]
            await send(start)
        await send(message)

    return pack_and_send


def _encoding(start: Message, accepted: str, length: int) -> str | None:
    found = {name.lower(): value.decode("latin-1") for name, value in _headers(start)}
    if b"content-encoding" in found:
        return None
    return encoding_for(accepted, found.get(b"content-type", ""), length)


def _encoded_as(encoding: str) -> Headers:
    return [(b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding")]


def _headers(start: Message) -> Headers:
    headers: Iterable[tuple[bytes, bytes]] = cast("dict[str, Headers]", start)["headers"]
    return list(headers)


def _header(scope: Scope, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for header, value in scope["headers"] if header == name)
