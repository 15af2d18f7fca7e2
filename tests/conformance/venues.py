"""What every venue file must do, as numbered cases. A venue's test subclasses `VenueConformance` with data only.

Golden files lie in ``captures``: ``frames.jsonl`` has what the venue sends (``ingest_time`` in ns, ``data``, or ``b64``
for what is no text), ``expected.jsonl`` everything that comes out, one fact a line, ``origin.toml`` where the frames
come from.
``--rewrite-golden`` writes ``expected.jsonl`` anew; read the diff.
"""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.streams import Known, StreamCases

from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import TRADES, Origin
from fulltape.records.book import CLEAR
from fulltape.records.codec import to_dicts
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, Credentials, Parsed, PolledVenue, Subscription, Venue
from fulltape.venues.registry import venue as venue_called
from fulltape.venues.registry import venues_of_url

__all__ = ["Known", "VenueConformance"]

DIRTY_NUMBERS = ("NaN", "-Infinity", "0.-10000", "-1", "0", 1e999, 2**70)
DIRTY_VALUES: tuple[Any, ...] = (*DIRTY_NUMBERS, "", None, True, [], {}, "0001-01-01T00:00:00Z")
NOT_DATA = (b"", b"<html><body>maintenance</body></html>", b"null", b"{}", b'{"message":"NotFound"}', b"[{}]", b"[[1]]")
INHERITED = (HealthCheck.differing_executors,)  # each venue's class runs the same cases
NOW_NS = 1_700_000_000_000_000_000


class VenueConformance(StreamCases):
    """The cases. ``symbols`` are the followed symbols of the golden frames."""

    venue: ClassVar[Venue]
    symbols: ClassVar[tuple[str, ...]]
    captures: ClassVar[Path]
    bad_symbols: ClassVar[tuple[str, ...]]

    def parse(self, frames: Sequence[tuple[bytes, int]], *cuts: int, replay: bool = False) -> list[str]:
        """Return every fact that the frames give, as JSON lines, with the frames cut into several calls."""
        known = Known(self.venue, self.symbols)
        parser = self.venue.parser(known, Connection("TEST-1", self.venue.spec.name, replay=replay))
        facts: list[str] = []
        bounds = [0, *sorted(cuts), len(frames)]
        for start, end in pairwise(bounds):
            part = frames[start:end]
            parsed = parser.parse([payload for payload, _ in part], [ingest for _, ingest in part])
            facts += facts_of(parsed, known, start)
        return facts

    def golden_frames(self) -> list[tuple[bytes, int]]:
        lines = (self.captures / "frames.jsonl").read_text().splitlines()
        return [(_payload(line), line["ingest_time"]) for line in map(json.loads, lines)]

    def test_v01_golden_frames_give_exactly_what_is_expected(self, request: pytest.FixtureRequest) -> None:
        facts = self.parse(self.golden_frames())
        expected = self.captures / "expected.jsonl"
        if request.config.getoption("--rewrite-golden"):
            expected.write_text("".join(fact + "\n" for fact in facts))
        assert facts == expected.read_text().splitlines()

    def test_v02_golden_frames_say_where_they_come_from(self) -> None:
        origin = tomllib.loads((self.captures / "origin.toml").read_text())
        assert origin["kind"] in ("live", "venue-docs", "synthetic")
        assert {"date", "licence", "note"} <= origin.keys()

    @settings(max_examples=60, deadline=None, suppress_health_check=INHERITED)
    @given(st.data())
    def test_v03_calls_may_cut_the_frames_anywhere(self, data: st.DataObject) -> None:
        frames = data.draw(st.permutations(self.golden_frames()))
        cuts = data.draw(st.lists(st.integers(0, len(frames)), max_size=8))
        assert sorted(self.parse(frames, *cuts)) == sorted(self.parse(frames))

    def test_v04_one_frame_at_a_time_gives_the_same(self) -> None:
        frames = self.golden_frames()
        assert sorted(self.parse(frames, *range(len(frames)))) == sorted(self.parse(frames))

    @settings(max_examples=100, deadline=None, suppress_health_check=INHERITED)
    @given(st.lists(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), max_size=5))
    def test_v05_any_bytes_become_records_or_rejects(self, garbage: list[bytes]) -> None:
        frames = self.golden_frames()
        mixed = [*frames[: len(frames) // 2], *((one, NOW_NS) for one in garbage), *frames[len(frames) // 2 :]]
        facts = [json.loads(fact) for fact in self.parse(mixed)]
        spoilt = {fact["frame"] for fact in facts if "reject" in fact}
        first = len(frames) // 2
        # Bytes can happen to be a frame that is ignored, such as "pong".
        ignored = _count_ignored(facts) - _count_ignored(map(json.loads, self.parse(frames)))
        assert len(spoilt.intersection(range(first, first + len(garbage)))) + ignored == len(garbage)

    @settings(max_examples=200, deadline=None, suppress_health_check=INHERITED)
    @given(st.data())
    def test_v06_dirty_values_never_come_through(self, data: st.DataObject) -> None:
        payload, ingest = data.draw(st.sampled_from(self.golden_frames()))
        # Of the answer to a request only what the venue said is spoilt.
        asked, newline, said = payload.rpartition(b"\n")
        try:
            message = json.loads(said)
        except ValueError:
            return
        place = data.draw(st.sampled_from(list(paths_in(message)) or [()]))
        spoilt = json.dumps(replace_at(message, place, data.draw(st.sampled_from(DIRTY_VALUES)))).encode()
        frame = asked + newline + spoilt
        for fact in map(json.loads, self.parse([(frame, ingest)])):
            record = fact.get("record", {})
            if record.get("flags", 0) & CLEAR:
                continue  # it carries no level
            for name, value in record.items():
                if isinstance(value, float):
                    assert np.isfinite(value)
                    if name.startswith("change_"):
                        continue  # of a price, which may fall
                    assert value > 0 or (value == 0 and ("size" in name or "volume" in name))
            if fact.get("kind") == TRADES.name:
                assert record["size"] > 0

    def test_v07_rows_keep_the_order_of_arrival(self) -> None:
        frames = self.golden_frames()
        known = Known(self.venue, self.symbols)
        parser = self.venue.parser(known, Connection("TEST-1", self.venue.spec.name))
        parsed = parser.parse([payload for payload, _ in frames], [ingest for _, ingest in frames])
        assert set(parsed.frames) == set(parsed.batches)
        for kind, batch in parsed.batches.items():
            places = parsed.frames[kind]
            assert len(places) == len(batch) > 0
            assert (np.diff(places) >= 0).all()
            assert batch["ingest_time"].tolist() == [frames[place][1] for place in places.tolist()]

    def test_v08_a_replayed_connection_marks_its_records(self) -> None:
        origins = [
            {json.loads(fact)["record"]["origin"] for fact in self.parse(self.golden_frames(), replay=replay)
             if "origin" in json.loads(fact).get("record", {})}
            for replay in (False, True)
        ]  # fmt: skip
        assert Origin.LIVE.name in origins[0]
        assert Origin.REPLAY.name in origins[1]
        assert Origin.LIVE.name not in origins[1]

    def test_v09_symbols_that_nobody_asked_for_are_rejected(self) -> None:
        known = Known(self.venue, ())
        parser = self.venue.parser(known, Connection("TEST-1", self.venue.spec.name))
        frames = self.golden_frames()
        parsed = parser.parse([payload for payload, _ in frames], [ingest for _, ingest in frames])
        assert parsed.batches == {}
        assert "unknown_instrument" in {reject.reason for reject in parsed.rejects}

    def test_v10_no_frames_give_nothing(self) -> None:
        assert self.parse([]) == []

    def test_v11_the_constants_fit_together(self) -> None:
        spec = self.venue.spec
        assert venue_called(spec.name) is self.venue
        assert set(spec.channel_urls) <= spec.channels - set(spec.default_channels)
        streams = [*spec.channel_urls.values()] if spec.polling else [spec.ws_url, *spec.channel_urls.values()]
        for url in (spec.rest_url, *streams):
            assert urlsplit(url).hostname in spec.hosts
        for url in streams:
            assert urlsplit(url).scheme == "wss"
            assert venues_of_url(url) == (self.venue,)
        assert isinstance(self.venue, PolledVenue) == (spec.polling is not None)
        assert bool(spec.ws_url) == (spec.polling is None)
        # Markets of one exchange may share it.
        assert {one.spec.rest_url for one in venues_of_url(spec.rest_url)} == {spec.rest_url}
        assert urlsplit(spec.rest_url).scheme == "https"
        assert spec.keyed_channels <= spec.channels
        # What needs no key is followed without one, unless there is nothing of that kind.
        assert set(spec.default_channels) <= (spec.channels - spec.keyed_channels or spec.channels)
        assert len(spec.credential_headers) <= len(spec.credential_variables)
        assert bool(spec.credential_variables) == bool(spec.keyed_channels)
        assert 0 < spec.silence_s <= spec.stale_s
        for symbol in spec.default_symbols:
            assert self.venue.instrument(symbol).venue_symbol == symbol

    def test_v12_an_instrument_is_named_from_its_symbol(self) -> None:
        for symbol in self.symbols:
            instrument = self.venue.instrument(symbol)
            product, _, name = instrument.id.rpartition(".")
            pair = f"{instrument.base}-{instrument.quote}"
            assert name == self.venue.spec.name
            assert product == pair or product.startswith(f"{pair}-")  # a contract on the pair: BTC-USDT-PERP
        for symbol in self.bad_symbols:
            with pytest.raises(ValueError, match=self.venue.spec.name):
                self.venue.instrument(symbol)

    def test_v13_every_channel_can_be_subscribed_to(self) -> None:
        credentials = Credentials("key", "c2VjcmV0", "phrase")
        for channel in self.venue.spec.channels:
            subscription = Subscription((channel,), self.symbols)
            if isinstance(self.venue, PolledVenue):
                assert self.venue.polls(subscription)
                continue
            assert len(self.venue.subscribe_frames(subscription, credentials, NOW_NS)) > self.venue.spec.sign_on_frames
            assert self.venue.unsubscribe_frames(subscription)

    def test_v14_what_cannot_be_subscribed_to_is_refused_before_connecting(self) -> None:
        spec = self.venue.spec
        for channel in set(Channel) - spec.channels:
            with pytest.raises(ConfigError, match=channel.value):
                self.venue.subscribe_frames(Subscription((channel,), self.symbols), None, NOW_NS)
        for channel in spec.keyed_channels:
            with pytest.raises(ConfigError, match=spec.credential_variables[0]):
                self.venue.subscribe_frames(Subscription((channel,), self.symbols), None, NOW_NS)
        with pytest.raises(ConfigError, match="at least one"):
            self.venue.subscribe_frames(Subscription(spec.default_channels, ()), None, NOW_NS)

    @pytest.mark.parametrize("body", NOT_DATA)
    def test_v15_history_that_is_none_is_malformed(self, body: bytes) -> None:
        venue = self.venue
        for parse in (
            lambda: venue.parse_instruments(body),
            lambda: venue.parse_trades(body, 0, NOW_NS, 100),
            lambda: venue.parse_bars(body, 0, 60, NOW_NS),
        ):
            with pytest.raises(MalformedFrame):
                parse()


def _payload(line: dict[str, Any]) -> bytes:
    return base64.b64decode(line["b64"]) if "b64" in line else str(line["data"]).encode()


def _count_ignored(facts: Iterable[dict[str, Any]]) -> int:
    return sum("ignored" in fact for fact in facts)


def facts_of(parsed: Parsed, known: Known, offset: int) -> list[str]:
    """Return everything in ``parsed`` as JSON lines, frames counted from ``offset``."""
    facts: list[dict[str, Any]] = []
    for kind, batch in parsed.batches.items():
        rows = zip(parsed.frames[kind].tolist(), to_dicts(batch, known.table), strict=True)
        facts += [{"frame": frame + offset, "kind": kind, "record": record} for frame, record in rows]
    for frame, control in parsed.controls:
        if isinstance(control, Acknowledged):
            said: Any = {channel.value: sorted(symbols) for channel, symbols in control.channels.items()}
        else:
            said = asdict(control)
        facts.append({"frame": frame + offset, "control": type(control).__name__, "says": said})
    facts += [
        {"frame": reject.frame + offset, "reject": reject.reason, "detail": reject.detail} for reject in parsed.rejects
    ]
    facts += [{"instrument": msgspec.to_builtins(instrument)} for instrument in parsed.instruments]
    facts += [{"ignored": kind} for kind, count in parsed.ignored.items() for _ in range(count)]
    facts.sort(key=lambda fact: fact.get("frame", 1 << 62))
    return [json.dumps(fact, separators=(",", ":")) for fact in facts]


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the paths of all values inside a JSON value."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_in(inner, (*path, key))


def replace_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a JSON value with the one at ``path`` replaced."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replace_at(copy[path[0]], path[1:], new)
    return copy
