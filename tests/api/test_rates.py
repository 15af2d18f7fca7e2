"""How often one client may ask, by a clock in the test's hand."""

from __future__ import annotations

import pytest

from fulltape.api.rates import Rates


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    rates = Rates(per_s=10, burst=3)
    assert [rates.wait_s("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rates.wait_s("a", 0.0) == pytest.approx(0.1)
    assert rates.wait_s("a", 0.05) == pytest.approx(0.05)
    assert rates.wait_s("a", 0.1001) == 0.0
    assert rates.wait_s("a", 0.1001) > 0


def test_refused_requests_cost_nothing() -> None:
    rates = Rates(per_s=1, burst=1)
    assert rates.wait_s("a", 0.0) == 0.0
    assert all(rates.wait_s("a", 0.5) > 0 for _ in range(100))
    assert rates.wait_s("a", 1.0) == 0.0


def test_clients_do_not_pay_for_each_other() -> None:
    rates = Rates(per_s=1, burst=1)
    assert [rates.wait_s(client, 0.0) for client in "abc"] == [0.0, 0.0, 0.0]


def test_over_an_hour_exactly_the_rate_gets_through() -> None:
    rates = Rates(per_s=2, burst=5)
    admitted = sum(rates.wait_s("a", tick / 50) == 0.0 for tick in range(50 * 3_600))
    assert admitted == pytest.approx(2 * 3_600 + 5, abs=1)


def test_memory_is_bounded() -> None:
    rates = Rates(per_s=1, burst=1, room=10)
    for number in range(1_000):
        rates.wait_s(str(number), 0.0)
    assert len(rates._paid_at) <= 11
    assert rates.wait_s("new", 10.0) == 0.0
