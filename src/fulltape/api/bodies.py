"""Bodies of requests, which may be no JSON in more ways than the decoder has an error of its own for."""

from __future__ import annotations

from typing import Any

from litestar import Request

from fulltape.api.problems import bad_request


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is refused with 400 when it is nested too deeply, or no UTF-8."""

    async def json(self) -> Any:
        """Return the decoded body."""
        try:
            return await super().json()
        except RecursionError:
            raise bad_request("the body is nested too deeply") from None
        except UnicodeDecodeError as error:
            raise bad_request(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
