"""How the venues of a configuration are followed, and how their REST interfaces are asked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

import msgspec

from fulltape.capture.line import Direction, Line
from fulltape.capture.recorder import Recorder
from fulltape.clock import Clock, SystemClock
from fulltape.engine.config import Config, StoreConfig, VenueConfig, credentials
from fulltape.engine.feed import Feed
from fulltape.errors import ConfigError
from fulltape.venues.base import (
    Channel,
    Credentials,
    PolledVenue,
    RestLimits,
    RestRequest,
    Subscription,
    Venue,
    VenueSpec,
)
from fulltape.venues.credits import CreditFile
from fulltape.venues.poller import Poller, Purse
from fulltape.venues.registry import venue
from fulltape.venues.rest import RestClient
from fulltape.venues.session import SessionConfig

DEFAULT_VENUE = "coinbase"


def followed_venues(config: Config) -> Iterator[tuple[Venue, VenueConfig]]:
    """Yield the enabled venues of a configuration; Coinbase if it names none."""
    for name, followed in (config.venues or {DEFAULT_VENUE: VenueConfig()}).items():
        if followed.enabled:
            yield venue(name), followed


def feeds(config: Config, recorder: Recorder | None) -> list[Feed]:
    """Return how the venues of a configuration are followed. Raises ConfigError as `supervisor` does."""
    clock, random = SystemClock(), Random()
    made = [
        feed
        for source, followed in followed_venues(config)
        for feed in _feeds(source, followed, config.store, clock, random, recorder)
    ]
    if not made:
        raise ConfigError(f"every venue is disabled ({', '.join(config.venues)}): set enabled = true for one of them")
    return made


def addresses(spec: VenueSpec, followed: VenueConfig) -> dict[str, tuple[Channel, ...]]:
    """Return the channels to subscribe to at each address, for a connection each.

    Where another host is configured, channels with an address of their own are on that host under their own path.
    """
    main = followed.url or spec.ws_url
    found: dict[str, tuple[Channel, ...]] = {}
    for channel in followed.channels or spec.default_channels:
        url = spec.channel_urls.get(channel, main)
        if channel in spec.channel_urls and followed.url:
            url = urlunsplit(urlsplit(followed.url)._replace(path=urlsplit(url).path))
        found[url] = (*found.get(url, ()), channel)
    return found


def venue_keys(source: Venue, *, simulated: bool) -> Credentials | None:
    """Return the keys for a venue, None if there are none. Real ones never go to a simulated venue.

    One that offers nothing without a key gets made-up ones when it is simulated.
    """
    if simulated:
        return Credentials("simulated", "simulated") if source.spec.keyed_channels == source.spec.channels else None
    return credentials(source.spec.credential_variables, os.environ)


def rest_opener(
    source: Venue, followed: VenueConfig, store: StoreConfig, clock: Clock, random: Random
) -> Callable[[], RestClient]:
    """Return what makes clients of a venue's REST interface. All of them, in every process, share one day's credits.

    Raises ConfigError.
    """
    keys, counted = venue_keys(source, simulated=store.simulated), _credits(source, store, clock)
    url, spec = followed.rest_url or source.spec.rest_url, source.spec
    if followed.requests_per_s:
        limits = RestLimits(followed.requests_per_s, max(1, int(followed.requests_per_s)))
        spec = msgspec.structs.replace(spec, rest_limits=limits)
    return lambda: RestClient(spec, url, clock, random, credentials=keys, credits=counted)


def _credits(source: Venue, store: StoreConfig, clock: Clock) -> CreditFile | None:
    polling = source.spec.polling
    if polling is None:
        return None
    name = f"{source.spec.name.lower()}{'-sim' if store.simulated else ''}.credits.json"
    return CreditFile(Path(store.path).parent / name, polling.credits_per_day, clock)


def _feeds(
    source: Venue, followed: VenueConfig, store: StoreConfig, clock: Clock, random: Random, recorder: Recorder | None
) -> Iterator[Feed]:
    for number, (url, channels) in enumerate(addresses(source.spec, followed).items(), start=1):
        own = msgspec.structs.replace(followed, url=url, channels=channels)
        yield _feed(source, own, f"{source.spec.name}-{number}", store, clock, random, recorder)


def _feed(
    source: Venue,
    followed: VenueConfig,
    name: str,
    store: StoreConfig,
    clock: Clock,
    random: Random,
    recorder: Recorder | None,
) -> Feed:
    spec = source.spec
    rest_url = followed.rest_url or spec.rest_url
    session = SessionConfig(
        name=name,
        url=rest_url if spec.polling else followed.url,
        subscription=Subscription(followed.channels, followed.instruments or spec.default_symbols),
        credentials=venue_keys(source, simulated=store.simulated),
        silence_s=followed.silence_s or spec.silence_s,
    )
    opened = rest_opener(source, followed, store, clock, random)
    fetch = _fetcher(source, rest_url, opened, clock, recorder)
    counted = _credits(source, store, clock)
    if not isinstance(source, PolledVenue) or counted is None:
        return Feed(source, session, fetch, history=opened)
    purse = Purse(opened, counted)
    return Feed(source, session, fetch, lambda one, sink: Poller(source, one, purse, sink, clock, random))


def _fetcher(
    source: Venue, rest_url: str, opened: Callable[[], RestClient], clock: Clock, recorder: Recorder | None
) -> Callable[[RestRequest], Awaitable[bytes]]:
    """Return what asks a venue's REST interface, and records the answers if there is a recorder."""
    one_at_a_time = asyncio.Lock()

    async def fetch(request: RestRequest) -> bytes:
        async with one_at_a_time, opened() as client:
            body = await client.get(request)
        if recorder is not None:
            url = rest_url + request.path
            line = Line(
                Direction.HTTP, clock.now_ns(), body, venue=source.spec.name, url=url, simulated=client.simulated
            )
            recorder.put(line)
        return body

    return fetch
