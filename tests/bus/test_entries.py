"""Records as messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conformance.samples import BTC, CODES, ETH, NOON, commit, dead_letter, every_kind, ticker, trade

from fulltape.bus.entries import Shape, Shaper, has_price
from fulltape.bus.log import Entry
from fulltape.records import STORED, TICKERS, TRADES, Commit
from fulltape.records.codec import encode


def entries(made: Commit, shape: Shape = Shape.RECORD) -> list[Entry]:
    return Shaper({schema.name: shape for schema in STORED}).of_commit(made, CODES)


@pytest.mark.parametrize("schema", STORED, ids=lambda schema: schema.name)
def test_a_record_of_any_kind_is_its_wire_form(schema: Any) -> None:
    rows = [row for row in every_kind() if isinstance(row, schema.record)]
    assert rows, "the samples lack this kind"
    made = entries(commit(7, *rows))
    assert [entry.kind for entry in made] == [schema.name] * len(rows)
    assert {entry.commit for entry in made} == {7}
    values = b"[" + b",".join(entry.value for entry in made) + b"]"
    assert values == encode(commit(7, *rows).batches[schema.name], CODES)


def test_the_key_is_the_instrument_and_of_dead_letters_the_venue() -> None:
    made = entries(commit(1, trade(1), trade(2, instrument=ETH.id), dead_letter()))
    assert [entry.key for entry in made] == [BTC.id.encode(), ETH.id.encode(), b"COINBASE"]


def test_kinds_that_are_not_wanted_are_left_out() -> None:
    assert Shaper({"quotes": Shape.RECORD}).of_commit(commit(1, trade(1)), CODES) == []


def test_trades_and_tickers_have_a_price_of_a_product() -> None:
    assert {schema.name for schema in STORED if has_price(schema)} >= {TRADES.name, TICKERS.name}


def test_a_price_has_the_older_fields_and_all_its_digits() -> None:
    (entry,) = entries(commit(1, ticker("5", NOON + 123_456_789)), Shape.PRODUCT)
    assert b'"w_time":1618660800.123456789,' in entry.value
    assert json.loads(entry.value) == {
        "product": "BTC-USD",
        "w_time": 1618660800.123456789,
        "price": 1.0,
        "w_time_ns": NOON + 123_456_789,
        "instrument": BTC.id,
        "trade_id": "5",
    }


def test_prices_of_one_moment_do_not_overwrite_each_other() -> None:
    """The older producer wrote whole seconds, so that of a second's ticks one was left."""
    shaper = Shaper({"trades": Shape.PRODUCT})
    first = commit(1, trade(1), trade(2), trade(3, instrument=ETH.id))
    second = commit(2, trade(4), trade(5, NOON + 1_000), trade(6, NOON + 1_000))
    made = [*shaper.of_commit(first, CODES), *shaper.of_commit(second, CODES)]
    rows = [json.loads(entry.value) for entry in made]
    times = [(row["trade_id"], row["w_time_ns"] - NOON) for row in rows]
    assert times == [("1", 0), ("2", 1), ("3", 0), ("4", 2), ("5", 1_000), ("6", 1_001)]
