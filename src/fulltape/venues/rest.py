"""The only code that speaks HTTP to a venue: rate limits, retries, time-outs. It knows no venue.

What to ask and how to read the answer comes from the venue file, as for the session.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import parsedate_to_datetime
from random import Random
from types import TracebackType
from typing import Final, Self

import httpx
import msgspec
from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from fulltape.clock import Clock
from fulltape.errors import ConfigError, CreditsSpent, TransientError
from fulltape.records import Instrument
from fulltape.venues.backoff import Backoff
from fulltape.venues.base import SIMULATED_HEADER, Credentials, RestRequest, Venue, VenueSpec
from fulltape.venues.bodies import PACKING, read_body
from fulltape.venues.credits import Credits

_log = logging.getLogger(__name__)
_PASSING: Final = (408, 425, 429)


class RestConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How patiently a venue is asked. Durations are seconds; ``attempts`` counts the first one too.

    ``timeout_s`` is for a connection and for each piece of an answer, ``answer_within_s`` for the whole of it.
    """

    timeout_s: float = 10.0
    answer_within_s: float = 120.0
    max_body_bytes: int = 64 << 20
    attempts: int = 5
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 30.0
    max_retry_after_s: float = 120.0


class RestClient:
    """Asks one venue. Use it as an async context manager; calls may overlap and share the rate limit.

    ``simulated`` tells whether the last answer came from a server whose prices are made up. ``credits`` pay for every
    attempt; without them the venue is asked freely.
    """

    def __init__(
        self,
        spec: VenueSpec,
        base_url: str,
        clock: Clock,
        random: Random,
        config: RestConfig | None = None,
        *,
        credentials: Credentials | None = None,
        credits: Credits | None = None,
    ) -> None:
        self.simulated = False
        self._name = spec.name
        self._key_variables = spec.credential_variables
        self._is_venue = base_url == spec.rest_url
        self._credits = credits
        self._clock = clock
        self._random = random
        self._config = config or RestConfig()
        # The limiter lets a burst through at once, so a burst may take as long as the venue needs to forget it.
        limits = spec.rest_limits
        self._limiter = AsyncLimiter(limits.burst, limits.burst / limits.requests_per_s)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=self._config.timeout_s,
            # Another host must not get the keys that are for this one.
            follow_redirects=False,
            headers={
                "User-Agent": "fulltape",
                "Accept": "application/json",
                "Accept-Encoding": PACKING,
                **_key_headers(spec, credentials),
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, request: RestRequest) -> bytes:
        """Return the body of the answer.

        Tries again after 429, 5xx, time-outs and lost connections, waiting as long as the venue asks, and raises
        TransientError when it has tried often enough; a web page instead of data counts as such a failure, as CDNs
        send them while a venue is down, and so does an answer that is too long or comes too slowly. Raises
        ConfigError with the venue's own words for any other refusal, and CreditsSpent, without asking, when the day's
        credits do not allow it.
        """
        backoff = Backoff(self._random, base_s=self._config.backoff_base_s, cap_s=self._config.backoff_cap_s)

        def wait_s(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, TransientError) else None
            if asked is None:
                return backoff.next_wait_s()
            return min(asked, self._config.max_retry_after_s) + self._random.uniform(0.0, 0.1)

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(self._config.attempts),
            wait=wait_s,
            reraise=True,
        )
        return await retrying(self._get_once, request)

    async def _get_once(self, request: RestRequest) -> bytes:
        what = f"{self._name}: {request.method} {request.path}"
        async with self._limiter:
            if self._credits is not None:
                # Paid before asking: a crash in between may waste a credit, never spend one twice.
                self._credits.spend(request.credits)
            try:
                async with asyncio.timeout(self._config.answer_within_s):
                    response, body = await self._send(request)
            except (httpx.TransportError, TransientError) as error:
                raise TransientError(f"{what}: {str(error) or type(error).__name__}") from error
            except TimeoutError:
                within_s = self._config.answer_within_s
                raise TransientError(f"{what}: no whole answer within {within_s:g} s") from None
        self.simulated = response.headers.get(SIMULATED_HEADER) == "1"
        problem = _problem(response, body)
        if problem is None:
            return body
        words = f"{what}: {problem}"
        _log.warning("%s", words)
        if response.is_client_error and response.status_code not in _PASSING:
            raise ConfigError(words + self._advice(response.status_code))
        raise TransientError(words, retry_after_s=_retry_after_s(response))

    def _advice(self, status: int) -> str:
        is_about_keys = status in (401, 403) and self._key_variables
        return f"; check {' and '.join(self._key_variables)} in the environment" if is_about_keys else ""

    async def _send(self, request: RestRequest) -> tuple[httpx.Response, bytes]:
        url = (request.base_url if self._is_venue else "") + request.path
        headers = {"Content-Type": "application/json"} if request.body else {}
        async with self._client.stream(
            request.method, url, params=dict(request.query), content=request.body or None, headers=headers
        ) as response:
            packing = response.headers.get("Content-Encoding", "")
            return response, await read_body(response.aiter_raw(), packing, self._config.max_body_bytes)

    async def fetch_instruments(self, venue: Venue) -> list[Instrument]:
        """Return every instrument the venue has. Raises what `get` raises, and MalformedFrame."""
        return venue.parse_instruments(await self.get(venue.instruments_request()))


def _key_headers(spec: VenueSpec, credentials: Credentials | None) -> dict[str, str]:
    if credentials is None:
        return {}
    values = (credentials.key, credentials.secret, credentials.passphrase)
    return dict(zip(spec.credential_headers, values, strict=False))


def _is_passing(error: BaseException) -> bool:
    """Return whether asking again soon may help."""
    return isinstance(error, TransientError) and not isinstance(error, CreditsSpent)


def _problem(response: httpx.Response, body: bytes) -> str | None:
    """Return what is wrong with an answer, in words, or None."""
    said = body[:800].decode("utf-8", "replace")
    if not response.is_success:
        return f"{response.status_code} {response.reason_phrase}: {said[:200]}".rstrip(": ")
    if body.lstrip()[:1] == b"<":
        return f"a web page instead of data: {said[:80]!r}"
    return None


def _retry_after_s(response: httpx.Response) -> float | None:
    """Return the wait that the venue asks for: seconds, or a date, which is read against the venue's own clock."""
    asked = response.headers.get("Retry-After", "")
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until, now = parsedate_to_datetime(asked), parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return max((until - now).total_seconds(), 0.0)
