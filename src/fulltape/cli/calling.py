"""Calling a running fulltape: requests to its API, and in words what became of them."""

from __future__ import annotations

import os
from typing import Annotated, Any, Final

import typer

from fulltape.errors import ConfigError, TransientError

Url = Annotated[str, typer.Option("--url", help="Where fulltape runs.")]
HERE: Final = "http://127.0.0.1:8000"
_TIMEOUT_S: Final = 30.0


def call(method: str, url: str, path: str, **options: Any) -> Any:
    """Return the answer of a running fulltape, with the token of the environment.

    ``options`` are those of ``httpx.request``. Raises ConfigError with the API's own words when it refuses or when
    none runs at ``url``, TransientError when it cannot answer now.
    """
    import httpx

    from fulltape.cli.token import token_header

    address = f"{url.rstrip('/')}/api/v1/{path}"
    headers = token_header(os.environ)
    try:
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
            response = client.request(method, address, headers=headers, **options)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise ConfigError(f"not an address: {url}; they look like {HERE}") from None
    except httpx.TransportError as error:
        words = f"no fulltape answers at {url} ({error}): start it with `fulltape up`, or give --url"
        raise ConfigError(words) from None
    if response.is_success:
        return response.json()
    detail = _detail(response)
    if response.is_server_error:
        raise TransientError(detail)
    raise ConfigError(detail)


def _detail(response: Any) -> str:
    """Return the words of a problem document, or what else was answered."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answers {response.status_code}, not as fulltape does"
