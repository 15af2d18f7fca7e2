from __future__ import annotations

import numpy as np

from fulltape.sim.instruments import LISTINGS
from fulltape.sim.plan import CYCLE, YEAR_S, Plan, factor_returns

MINUTE = 29_833_333


def test_products_move_together_as_much_as_they_say() -> None:
    returns = factor_returns(np.random.default_rng(5), LISTINGS, 50_000, 1.0)
    rho = np.array([listing.correlation for listing in LISTINGS])
    expected = np.outer(rho, rho)
    np.fill_diagonal(expected, 1.0)
    assert np.abs(np.corrcoef(returns.T) - expected).max() < 0.02


def test_anchors_have_the_volatility_of_the_listings_at_every_scale() -> None:
    plan = Plan(1, LISTINGS, 50.0)
    prices = np.array([plan.anchor(MINUTE + i) for i in range(3_000)])
    for stride, tolerance in ((1, 0.1), (30, 0.3)):
        measured = np.diff(prices[::stride], axis=0).std(axis=0) / np.sqrt(stride * 60 / YEAR_S)
        expected = np.array([listing.volatility for listing in LISTINGS])
        assert np.abs(measured / expected - 1).max() < tolerance


def test_prices_are_back_after_a_cycle() -> None:
    plan = Plan(1, LISTINGS, 50.0)
    start = MINUTE // CYCLE * CYCLE
    assert not plan.anchor(start).any()
    assert not plan.anchor(start + CYCLE).any()
    assert plan.anchor(start + 1).all()


def test_a_path_leads_from_anchor_to_anchor() -> None:
    plan = Plan(1, LISTINGS, 50.0)
    moves, path = plan.path(MINUTE, 3_000)
    assert moves.shape == path.shape == (3_000, len(LISTINGS))
    assert np.allclose(moves.sum(axis=0), plan.anchor(MINUTE + 1) - plan.anchor(MINUTE))
    assert np.allclose(np.log(path[-1] / [listing.start_ticks for listing in LISTINGS]), plan.anchor(MINUTE + 1))


def test_ids_grow_by_the_rate_and_unevenly() -> None:
    plan = Plan(1, LISTINGS, 50.0)
    ids = np.array([plan.first_ids(MINUTE + i) for i in range(500)])
    counts = np.diff(ids, axis=0)
    assert counts.min() >= 0
    expected = 3_000 * np.array([listing.weight for listing in LISTINGS])
    assert np.abs(counts.mean(axis=0) / expected - 1).max() < 0.02
    assert (counts.std(axis=0) / expected).min() > 0.2
    assert Plan(2, LISTINGS, 50.0).first_ids(MINUTE) != plan.first_ids(MINUTE)


def test_a_venue_trades_near_the_common_price_and_in_orders_of_its_own() -> None:
    common, venue, other = (Plan(1, LISTINGS, 50.0, name) for name in ("", "kraken", "okx"))
    minutes = range(MINUTE, MINUTE + 3_000)
    premium = np.array([venue.anchor(minute) - common.anchor(minute) for minute in minutes])
    assert np.allclose(premium, [venue.premium(minute) for minute in minutes])
    assert 1e-4 < premium.std() < 4e-4
    assert np.abs(premium).max() < 20e-4
    assert np.abs(np.diff(premium, axis=0)).max() < 1.5e-4  # it moves slowly
    assert abs(premium.mean()) < 1e-4
    assert not np.allclose(venue.premium(MINUTE), other.premium(MINUTE))
    assert venue.first_ids(MINUTE) != other.first_ids(MINUTE)
    assert not common.premium(MINUTE).any()
