"""Sources on their way in: checked as a whole first, then delivered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fulltape.clock import SECOND_NS, parse_rfc3339
from fulltape.errors import ConfigError
from fulltape.imports.bringing import SHOWN_ERRORS, Bringing
from fulltape.imports.convert import as_array
from fulltape.imports.form import Chunk, Form
from fulltape.records import BARS, TRADES, Schema

NOW = 1_800_000_000 * SECOND_NS
START = parse_rfc3339("2026-01-31T12:00:00Z")


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "instrument": "AAPL-USD.NASDAQ", "trade_id": number, "price": 1.5, "size": 1,
        "event_time": f"2026-01-31T12:00:{number:02}Z", **fields,
    }  # fmt: skip


def source(*chunks: list[dict[str, Any]], schema: Schema = TRADES) -> Bringing:
    def read() -> Iterator[Chunk]:
        first = 1
        for rows in chunks:
            columns = {name: as_array([one[name] for one in rows]) for name in rows[0]} if rows else {}
            yield Chunk(columns, np.arange(first, first + len(rows)))
            first += len(rows)

    return Bringing(Form(schema, NOW), read)


def test_a_source_is_surveyed_and_then_delivered() -> None:
    brought = source([row(3), row(1)], [row(5, instrument="MSFT-USD.NASDAQ"), row(9)])
    survey = brought.check()
    assert (survey.good, survey.bad) == (4, 0)
    assert survey.stretches == {
        0: (START + SECOND_NS, START + 9 * SECOND_NS + 1),
        1: (START + 5 * SECOND_NS, START + 5 * SECOND_NS + 1),
    }
    first, second = brought.deliveries()
    assert (first.stretches, second.stretches) == (survey.stretches, {})
    assert [one.id for one in second.instruments] == ["AAPL-USD.NASDAQ", "MSFT-USD.NASDAQ"]
    assert second.batches[0]["instrument"].tolist() == [1, 0]
    whole = brought.whole()
    assert whole.batches[0]["trade_id"].tolist() == [3, 1, 5, 9]
    assert whole.stretches == survey.stretches


def test_of_many_errors_the_first_are_kept() -> None:
    brought = source([row(n % 60, price=0) for n in range(SHOWN_ERRORS + 50)], [row(1, price=-1)])
    survey = brought.check()
    assert (survey.good, survey.bad, len(survey.errors)) == (0, SHOWN_ERRORS + 51, SHOWN_ERRORS)


def test_bad_rows_go_to_the_dead_letters() -> None:
    brought = source([row(1), row(2, price=0)])
    brought.check()
    (delivery,) = brought.deliveries()
    good, letters = delivery.batches
    assert (len(good), letters["reason"].tolist(), letters["connection"].tolist()) == (1, ["bad_row"], ["import"])
    assert letters["detail"][0].startswith("row 2: price: must be finite")
    assert b'"trade_id":"2"' in letters["raw"][0]


def test_what_became_bad_meanwhile_is_not_written() -> None:
    prices = iter([1.5, -1.5])
    brought = Bringing(
        Form(TRADES, NOW),
        lambda: iter(
            [Chunk({name: as_array([value]) for name, value in row(1, price=next(prices)).items()}, np.ones(1))]
        ),
    )
    assert brought.check().bad == 0
    with pytest.raises(ConfigError, match="changed while it was read"):
        list(brought.deliveries())


def test_only_trades_claim_a_stretch_of_time() -> None:
    bar = {
        "instrument": "AAPL-USD.NASDAQ", "interval": "1d", "start": "2026-01-30T00:00:00Z",
        "open": 1, "high": 1, "low": 1, "close": 1, "volume": 1,
    }  # fmt: skip
    assert source([bar], schema=BARS).check().stretches == {}


def test_a_source_without_rows_delivers_nothing() -> None:
    brought = source([])
    assert brought.check().good == 0
    assert list(brought.deliveries()) == []
