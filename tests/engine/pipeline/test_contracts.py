"""Contracts become units of the base currency, or are held back."""

from __future__ import annotations

import numpy as np
import pytest

from fulltape.engine.pipeline.contracts import in_base, settle
from fulltape.records import BOOK_DELTAS, QUOTES, TICKERS, TRADES, Batch, Instrument, InstrumentTable, Schema
from fulltape.records.columns import Physical
from fulltape.records.instrument import INVERSE, LINEAR, QUANTO
from fulltape.venues.base import Parsed

KINDS = {"": 0.0, LINEAR: 0.01, INVERSE: 100.0, QUANTO: 0.0}


def table(**sizes: float) -> InstrumentTable:
    """Return an instrument for each kind of contract, spot first."""
    return InstrumentTable(
        Instrument(f"A-B-{number}.X", "X", str(number), "A", "B", contract=kind, contract_size=sizes.get(kind, size))
        for number, (kind, size) in enumerate(KINDS.items())
    )


def batch(schema: Schema, codes: list[int], **columns: list[float]) -> Batch:
    """Return rows of ``schema`` with these figures; what is not named is 1 or empty."""
    blank = {Physical.TEXT: "", Physical.BYTES: b""}
    filled = {name: [blank.get(column.physical, 1)] * len(codes) for column in schema.columns for name in column.names}
    return schema.from_columns({**filled, "instrument": codes, **columns})


def test_a_size_is_what_its_contract_makes_of_it() -> None:
    trades = in_base(batch(TRADES, [0, 1, 2, 3, 2], price=[50.0] * 4 + [200.0], size=[3.0] * 5), table())
    assert trades["size"].tolist() == [3.0, 0.03, 6.0, 3.0, 1.5]
    assert trades["price"].tolist() == [50.0] * 4 + [200.0]


def test_each_side_goes_by_its_own_price_and_nulls_stay() -> None:
    sides = {"bid": [50.0, np.nan], "bid_size": [1.0, np.nan], "ask": [100.0, 100.0], "ask_size": [1.0, 2.0]}
    quotes = in_base(batch(QUOTES, [2, 2], **sides), table())
    np.testing.assert_array_equal(quotes["bid_size"], [2.0, np.nan])
    assert quotes["ask_size"].tolist() == [1.0, 2.0]
    tickers = in_base(batch(TICKERS, [2, 1], price=[25.0, 1.0], size=[1.0, 5.0], **sides), table())
    assert tickers["size"].tolist() == [4.0, 0.05]


def test_removed_levels_and_empty_books_stay_nothing() -> None:
    deltas = in_base(batch(BOOK_DELTAS, [2, 2], price=[0.0, 50.0], size=[0.0, 0.0]), table())
    assert deltas["size"].tolist() == [0.0, 0.0]


def test_rows_of_spot_alone_are_not_touched() -> None:
    trades = batch(TRADES, [0, 3])
    assert in_base(trades, table()) is trades


@pytest.mark.parametrize("kind", [LINEAR, INVERSE])
def test_contracts_of_unknown_size_are_held_back_frame_by_frame(kind: str) -> None:
    instruments = table(**{kind: 0.0})
    code = list(KINDS).index(kind)
    parsed = Parsed({"trades": batch(TRADES, [0, code, code, code])}, {"trades": np.array([0, 1, 1, 2])})
    settle(parsed, frozenset(("trades", "quotes")), instruments)
    assert parsed.batches["trades"]["instrument"].tolist() == [0]
    assert parsed.frames["trades"].tolist() == [0]
    rejects = [(reject.frame, reject.reason, reject.detail) for reject in parsed.rejects]
    assert rejects == [(frame, "unknown_contract_size", str(code)) for frame in (1, 2)]


def test_a_kind_of_which_nothing_is_left_is_gone_and_other_kinds_are_not_judged() -> None:
    instruments = table(linear=0.0)
    parsed = Parsed(
        {"trades": batch(TRADES, [1]), "quotes": batch(QUOTES, [1])},
        {"trades": np.array([0]), "quotes": np.array([1])},
    )
    settle(parsed, frozenset(("trades",)), instruments)
    assert set(parsed.batches) == set(parsed.frames) == {"quotes"}
    assert len(parsed.rejects) == 1
