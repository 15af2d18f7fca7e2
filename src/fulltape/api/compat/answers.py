"""Answers in other systems' shapes."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from fulltape.api.services import json_response
from fulltape.api.wire import encode


def answer(body: object, status_code: int = 200) -> Response[bytes]:
    """Return a body as JSON that nobody keeps."""
    return json_response(encode(body), status_code)


def _on_invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """Answer as FastAPI does: 422 and where each mistake is."""
    items = error.extra if isinstance(error.extra, list) else []
    found: list[dict[str, Any]] = [
        {"type": "value_error", "loc": [item.get("source", "query"), item.get("key")], "msg": item.get("message")}
        for item in items
        if isinstance(item, dict)
    ]
    other = {"type": "value_error", "loc": ["query"], "msg": error.detail}
    return answer({"detail": found or [other]}, 422)


def refusal(error: HTTPException, body: object) -> Response[bytes]:
    """Return the answer to an error, with the headers that belong to it whatever its form."""
    refused = answer(body, error.status_code)
    refused.headers.update(error.headers or {})
    return refused


def _on_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return refusal(error, {"detail": error.detail})


FASTAPI_ERRORS: ExceptionHandlersMap = {ValidationException: _on_invalid, HTTPException: _on_error}
"""Errors as FastAPI writes them, for what was served by it."""
