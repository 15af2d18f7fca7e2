"""Coin: what an aggregator says of a whole coin, over all the places where it trades."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, TimeNs
from fulltape.records.enums import Origin


class Coin(msgspec.Struct, frozen=True):
    """A coin at one moment. ``rate`` is an average over venues: no trade was made at it.

    ``volume`` of 24 hours, market ``cap`` and ``liquidity`` (resting orders within 2 % of the rate) are in the quote
    currency, ``all_time_high_usd`` is in dollars, supplies are in coins. Changes are percent. What is not said is null.
    ``event_time`` of a poll is the time of receipt, for its answer has none.
    """

    instrument: InstrumentId
    name: str
    rank: int | None
    rate: Price
    volume: float | None
    cap: float | None
    liquidity: float | None
    all_time_high_usd: float | None
    circulating_supply: float | None
    total_supply: float | None
    max_supply: float | None
    change_hour: float | None
    change_day: float | None
    change_week: float | None
    change_month: float | None
    change_quarter: float | None
    change_year: float | None
    event_time: TimeNs
    ingest_time: TimeNs
    origin: Origin


COINS = Schema.of(Coin, "coins", key=("instrument", "event_time"), time="event_time", latest=True)
