"""Problem documents (RFC 9457): what went wrong, said in a form that programs and people can read."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotFoundException,
    ValidationException,
    WebSocketException,
)
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap, Scope

from fulltape.errors import FulltapeError, TransientError

MEDIA_TYPE: Final = "application/problem+json"

_log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """An error: ``title`` names its class, ``detail`` says what to do about this one."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


def problem_answers(*codes: int) -> dict[int, ResponseSpec]:
    """Return the entries of these errors for a handler's ``responses``, and of those that the gate may give any."""
    return {
        code: ResponseSpec(
            Problem, generate_examples=False, media_type=MEDIA_TYPE, description=HTTPStatus(code).description
        )
        for code in sorted({401, 403, 414, 429, *codes})
    }


def unknown_instrument(instrument: str, known: Iterable[str]) -> NotFoundException:
    """Return the 404 for an instrument that was never seen, with the nearest ids."""
    near = difflib.get_close_matches(instrument.upper(), list(known), n=3, cutoff=0.5)
    hint = f"; the nearest are {', '.join(near)}" if near else "; GET /api/v1/instruments lists all"
    return NotFoundException(f"unknown instrument {instrument!r}{hint}")


def bad_request(detail: str) -> ClientException:
    """Return the 400 that says what is wrong with a request."""
    return ClientException(detail)


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return a problem document as a response."""
    problem = Problem(HTTPStatus(status).phrase, status, detail)
    return Response(msgspec.json.encode(problem), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return problem_response(error.status_code, error.detail, error.headers)


def _on_invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    wrong = [f"{item.get('key', 'request')}: {item.get('message', 'invalid')}" for item in _items(error.extra)]
    return problem_response(error.status_code, "; ".join(wrong) or error.detail)


def _items(extra: object) -> list[dict[str, Any]]:
    return [item for item in extra if isinstance(item, dict)] if isinstance(extra, list) else []


def _on_store_error(_: Request[Any, Any, Any], error: FulltapeError) -> Response[bytes]:
    wait = error.retry_after_s if isinstance(error, TransientError) else None
    headers = {"Retry-After": str(max(1, round(wait)))} if wait is not None else None
    return problem_response(503, str(error), headers)


def _on_bug(_: Request[Any, Any, Any], __: Exception) -> Response[bytes]:
    return problem_response(500, "this is a mistake in fulltape; its log says more")


def log_bug(error: Exception, scope: Scope) -> None:
    """Log what no client is to blame for, with its stack trace; told of every error of a request or stream."""
    if not isinstance(error, HTTPException | FulltapeError | WebSocketException | OSError):
        _log.error("%s failed", scope["path"], exc_info=error)


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    HTTPException: _on_http_error,
    ValidationException: _on_invalid,
    FulltapeError: _on_store_error,
    Exception: _on_bug,
}
"""How each class of error is answered: never with a stack trace."""
