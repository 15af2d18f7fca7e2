"""Problem documents (RFC 9457): what went wrong, said in a form that programs and people can read."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, get_args, get_origin

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
from litestar.params import QueryParameter
from litestar.types import ExceptionHandlersMap, Scope

from fulltape.errors import FulltapeError, TransientError, did_you_mean

MEDIA_TYPE: Final = "application/problem+json"
_NEAREST: Final = 3
_SHOWN: Final = 100
"""So much of what a client sent is repeated to it."""

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
    wanted, ids = instrument.upper(), list(known)
    same_product = [one for one in ids if one.rpartition(".")[0] == wanted]
    near = sorted(same_product)[:_NEAREST] or difflib.get_close_matches(wanted, ids, n=_NEAREST, cutoff=0.5)
    hint = f"; the nearest are {', '.join(near)}" if near else "; GET /api/v1/instruments lists all"
    return NotFoundException(f"unknown instrument {instrument!r}{hint}")


def bad_request(detail: str) -> ClientException:
    """Return the 400 that says what is wrong with a request."""
    return ClientException(detail)


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return a problem document as a response."""
    problem = Problem(HTTPStatus(status).phrase, status, detail)
    return Response(msgspec.json.encode(problem), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def no_such_path(request: Request[Any, Any, Any], _: HTTPException) -> Response[bytes]:
    """Return the 404 for an address that is neither a call nor a file of the dashboard."""
    path = request.url.path[:_SHOWN]
    return problem_response(404, f"nothing is at {path!r}; /schema lists the calls, docs/compat.md those under /compat")


def _on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return no_such_path(request, error)
    return problem_response(error.status_code, error.detail, error.headers)


def _on_invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    wrong = [_wrong(request, item) for item in _items(error.extra)]
    return problem_response(error.status_code, "; ".join(wrong) or error.detail)


def _wrong(request: Request[Any, Any, Any], item: Mapping[str, Any]) -> str:
    """Return what is wrong with a parameter, and where there is a list or a form of what it may be, which that is."""
    key, message = str(item.get("key", "request")), str(item.get("message", "invalid"))
    handler = request.route_handler
    asked = (handler.parsed_fn_signature, *(one.parsed_fn_signature for one in handler.resolve_dependencies().values()))
    parameter = next((signature.parameters[key] for signature in asked if key in signature.parameters), None)
    value = str(request.query_params.get(key, ""))[:_SHOWN]
    if parameter is None:
        return f"{key}: {message}"
    if get_origin(parameter.annotation) is Literal:
        choices = [str(choice) for choice in get_args(parameter.annotation)]
        return f"{key}: there is no {value!r}{did_you_mean(value, choices)}; there are {', '.join(choices)}"
    about = parameter.kwarg_definition
    if isinstance(about, QueryParameter) and about.pattern is not None and about.description is not None:
        return f"{key}: not {value!r}, but {about.description[:1].lower()}{about.description[1:].replace('`', '')}"
    return f"{key}: {message}"


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
