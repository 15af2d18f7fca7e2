"""Coinbase `match` frames by the million: contiguous ids, seeded prices, times that move on.

Frames are written digit by digit into one buffer by a kernel, so that making them costs a tenth of reading them.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel
from fulltape.records import Array

SYMBOLS: Final = tuple(
    f"{base}-USD" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "LTC", "BCH", "DOT", "UNI", "ETC")
) + tuple(f"{base}-EUR" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "LTC", "BCH", "DOT", "UNI", "ETC"))

_TEMPLATE: Final = (
    b'{"type":"match","trade_id":1000000000,"maker_order_id":"6f1f9f46-5a7b-4d2e-9c3f-0a1b2c3d4e5f",'
    b'"taker_order_id":"0d9e8c7b-6a5f-4e3d-8c2b-1a0f9e8d7c6b","side":"sell","size":"00.00000000",'
    b'"price":"00000.00","product_id":"AAA-AAA","sequence":10000000000,"time":"2026-11-20T00:00:00.000000Z"}'
)
_ID: Final = _TEMPLATE.index(b"1000000000,")
_SIDE: Final = _TEMPLATE.index(b"sell")
_SIZE: Final = _TEMPLATE.index(b"00.00000000")
_PRICE: Final = _TEMPLATE.index(b"00000.00")
_PRODUCT: Final = _TEMPLATE.index(b"AAA-AAA")
_SEQUENCE: Final = _TEMPLATE.index(b"10000000000,")
_TIME: Final = _TEMPLATE.index(b"00:00:00.000000")
_BUY: Final = np.frombuffer(b'buy" ', np.uint8)


@kernel
def _digits(out: Array, at: int, value: int, count: int) -> None:
    for k in range(count):
        out[at + count - 1 - k] = 48 + value % 10
        value //= 10


@kernel
def _write(out: Array, products: Array, symbol: Array, ids: Array, cents: Array, size: Array, micros: Array) -> None:
    for i in range(len(out)):
        row = out[i]
        _digits(row, _ID, ids[i], 10)
        _digits(row, _SEQUENCE, 10_000_000_000 + ids[i], 11)
        if ids[i] % 2:  # "sell" and "buy" differ in length: JSON allows white space behind the value
            for k in range(5):
                row[_SIDE + k] = _BUY[k]
        _digits(row, _SIZE, size[i] // 100_000_000, 2)
        _digits(row, _SIZE + 3, size[i] % 100_000_000, 8)
        _digits(row, _PRICE, cents[i] // 100, 5)
        _digits(row, _PRICE + 6, cents[i] % 100, 2)
        for k in range(7):
            row[_PRODUCT + k] = products[symbol[i], k]
        second = micros[i] // 1_000_000
        _digits(row, _TIME, second // 3600 % 24, 2)
        _digits(row, _TIME + 3, second // 60 % 60, 2)
        _digits(row, _TIME + 6, second % 60, 2)
        _digits(row, _TIME + 9, micros[i] % 1_000_000, 6)


class MatchFrames:
    """An endless stream of `match` frames of 20 products at ``trades_per_s`` of event time, within one day."""

    def __init__(self, seed: int = 7, trades_per_s: int = 5_000) -> None:
        self._random = np.random.default_rng(seed)
        self._step_us = 1_000_000 / trades_per_s
        self._next_id = np.full(len(SYMBOLS), 1_000_000_000, np.int64)
        self._cents = self._random.integers(1_100_000, 5_000_000, len(SYMBOLS))
        weights = 1 / np.arange(1, len(SYMBOLS) + 1)
        self._weights = weights / weights.sum()
        self._products = np.array([np.frombuffer(s.encode(), np.uint8) for s in SYMBOLS])
        self._day = dt.date(2026, 11, 20)
        self._micros = 0.0

    def next(self, count: int) -> tuple[list[bytes], list[int]]:
        """Return ``count`` frames and their ingest times (ns), 50 ms behind the event."""
        symbol = self._random.choice(len(SYMBOLS), count, p=self._weights)
        micros = (self._micros + self._step_us * np.arange(1, count + 1)).astype(np.int64)
        if micros[-1] >= 86_400_000_000:
            self._day += dt.timedelta(days=1)
            micros -= micros[0]
        self._micros = float(micros[-1])
        ids = np.empty(count, np.int64)
        for code in range(len(SYMBOLS)):
            mine = np.flatnonzero(symbol == code)
            ids[mine] = self._next_id[code] + np.arange(len(mine))
            self._next_id[code] += len(mine)
        cents = self._cents[symbol] + self._random.integers(-50, 51, count)
        size = self._random.integers(1_000_000_000, 9_000_000_000, count)
        template = _TEMPLATE.replace(b"2026-11-20", self._day.isoformat().encode())
        out = np.tile(np.frombuffer(template, np.uint8), (count, 1))
        _write(out, self._products, symbol, ids, cents, size, micros)
        buffer, length = out.tobytes(), len(template)
        midnight = int(dt.datetime.combine(self._day, dt.time(), dt.UTC).timestamp()) * SECOND_NS
        ingest: list[int] = (micros * 1_000 + midnight + 50_000_000).tolist()
        return [buffer[i : i + length] for i in range(0, len(buffer), length)], ingest
