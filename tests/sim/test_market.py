from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError
from fulltape.sim.events import AuctionState, Event, LevelChange, Quote, RfqTrade, Trade
from fulltape.sim.instruments import LISTINGS, choose, decimal_text, step_text
from fulltape.sim.market import AUCTION_LENGTH_S, STEP_NS, Market

START_NS = 29_833_333 * 60 * SECOND_NS
THREE = choose(["BTC-USD", "ETH-USD", "UNI-USD"])


def market(seed: int = 7, trades_per_s: float = 100.0, kept_trades: int = 100_000) -> Market:
    return Market(seed, START_NS, THREE, trades_per_s=trades_per_s, past_days=0.1, kept_trades=kept_trades)


def run(model: Market, seconds: float) -> list[Event]:
    return model.advance(model.now_ns + int(seconds * SECOND_NS))


def test_a_seed_decides_everything_and_another_seed_something_else() -> None:
    assert run(market(1), 5) == run(market(1), 5)
    assert run(market(1), 5) != run(market(2), 5)


def test_how_often_it_is_asked_changes_nothing() -> None:
    whole = run(market(), 3)
    piecewise = market()
    pieces = [event for ms in range(0, 3_001, 7) for event in piecewise.advance(START_NS + ms * 1_000_000)]
    pieces += piecewise.advance(START_NS + 3 * SECOND_NS)
    assert pieces == whole


def test_when_it_began_changes_nothing() -> None:
    """Stopped and started again, the venue goes on with the trades it would have had."""
    first, second = market(), Market(7, START_NS + 90 * SECOND_NS, THREE, trades_per_s=100.0, past_days=0)
    assert second.now_ns == START_NS + 60 * SECOND_NS
    run(first, 60)
    assert first.last_id(0) == second.last_id(0)  # what the first has traded, the second would have
    one, other = run(first, 70), run(second, 70)
    assert [event for event in one if isinstance(event, Trade)] == [e for e in other if isinstance(e, Trade)]
    assert first.book(1) == second.book(1)


def test_ids_are_contiguous_and_times_and_sequences_never_go_back() -> None:
    trades = [event for event in run(market(), 150) if isinstance(event, Trade)]
    for product in range(len(THREE)):
        own = [trade for trade in trades if trade.product == product]
        assert [trade.trade_id - own[0].trade_id for trade in own] == list(range(len(own)))
        assert all(a.time <= b.time and a.sequence < b.sequence for a, b in pairwise(own))
        assert all(trade.time % 1_000 == 0 for trade in own)


def test_the_book_gives_its_trades_and_is_never_crossed() -> None:
    """Rebuilt from a snapshot and the changes, each trade takes its size off a level at the best price."""
    model = market(trades_per_s=500)
    books = [(dict(book.bids), dict(book.asks)) for book in map(model.book, range(len(THREE)))]
    taken: Trade | None = None
    trades = 0
    for event in run(model, 70):
        bids, asks = books[event.product]
        if isinstance(event, Trade):
            side = asks if event.maker_sells else bids
            assert event.price == (min(side) if event.maker_sells else max(side))
            assert 0 < event.size <= side[event.price]
            taken, trades = event, trades + 1
        elif isinstance(event, LevelChange):
            side = asks if event.is_ask else bids
            if taken is not None:
                assert (event.is_ask, event.price) == (taken.maker_sells, taken.price)
                assert event.size == side[event.price] - taken.size
                taken = None
            side[event.price] = event.size
            if not event.size:
                del side[event.price]
        elif isinstance(event, Quote):
            assert (event.bid, event.bid_size) == (max(bids), bids[max(bids)])
            assert (event.ask, event.ask_size) == (min(asks), asks[min(asks)])
            assert event.bid < event.ask
    assert trades > 20_000
    for product, (bids, asks) in enumerate(books):
        book = model.book(product)
        assert (dict(book.bids), dict(book.asks)) == (bids, asks)
        assert book.bids == sorted(book.bids, reverse=True)
        assert book.asks == sorted(book.asks)


def test_sweeps_take_several_levels_under_one_order() -> None:
    trades = [event for event in run(market(), 30) if isinstance(event, Trade)]
    by_order: dict[tuple[int, int], list[Trade]] = {}
    for trade in trades:
        by_order.setdefault((trade.product, trade.taker_order), []).append(trade)
    lengths = Counter(len(sweep) for sweep in by_order.values())
    assert lengths[1] > 0.8 * len(by_order)
    assert sum(count for length, count in lengths.items() if length >= 3) > 0.02 * len(by_order)
    for sweep in by_order.values():
        assert len({(trade.maker_sells, trade.time) for trade in sweep}) == 1
        assert len({trade.price for trade in sweep}) == len({trade.maker_order for trade in sweep}) == len(sweep)


def test_the_rate_is_kept_and_orders_come_in_bursts() -> None:
    trades = [event for event in run(market(), 200) if isinstance(event, Trade)]
    assert 85 < len(trades) / 200 < 115
    orders = {(trade.product, trade.taker_order): trade.time for trade in trades}
    per_second = np.bincount((np.array(list(orders.values())) - START_NS) // SECOND_NS, minlength=200)
    assert per_second.var() > 3 * per_second.mean()  # independent arrivals have a variance equal to the mean


def test_sizes_are_heavy_tailed_with_dust() -> None:
    btc = THREE[0]
    usd = np.array([e.size / btc.lots_per_usd for e in run(market(), 100) if isinstance(e, Trade) and e.product == 0])
    assert 0.2 < (usd < 1.0).mean() < 0.4
    assert usd.mean() > 5 * np.median(usd)


def test_books_follow_the_common_factor() -> None:
    model = market()
    mids = []
    for _ in range(400):
        run(model, 1)
        mids.append([model.quote(product).bid + model.quote(product).ask for product in range(len(THREE))])
    returns = np.diff(np.log(np.array(mids)), axis=0)
    assert np.corrcoef(returns.T)[0, 1] > 0.5


def test_the_spread_is_that_of_the_listing() -> None:
    model = market()
    spreads = []
    for _ in range(200):
        run(model, 0.5)
        quote = model.quote(0)
        spreads.append((quote.ask - quote.bid) / (quote.ask + quote.bid) * 20_000)
    assert 0.5 * THREE[0].spread_bp < np.mean(spreads) < 2 * THREE[0].spread_bp


def test_ten_thousand_trades_a_second_come_out() -> None:
    events = run(Market(1, START_NS, trades_per_s=10_000, past_days=0), 4)
    trades = sum(isinstance(event, Trade) for event in events)
    assert 34_000 < trades < 46_000


def test_off_book_prints_have_ids_of_their_own() -> None:
    prints = [event for event in run(market(), 300) if isinstance(event, RfqTrade)]
    for product in range(len(THREE)):
        ids = [event.trade_id for event in prints if event.product == product]
        assert ids == sorted(set(ids))
    assert len(prints) > 5


def test_an_auction_collects_for_some_seconds() -> None:
    states = [event for event in run(market(), 300) if isinstance(event, AuctionState)]
    assert len(states) == AUCTION_LENGTH_S
    assert all(0 < b.time - a.time < 2 * SECOND_NS and a.sequence < b.sequence for a, b in pairwise(states))
    assert len({state.product for state in states}) == 1


def test_bars_are_what_the_trades_make() -> None:
    model = market(trades_per_s=2)
    trades = [event for event in run(model, 400) if isinstance(event, Trade) and event.product == 2]
    bars = list(reversed(model.bars(2, START_NS // SECOND_NS // 60 * 60 + 60, 1 << 40)))
    by_minute: dict[int, list[Trade]] = {}
    for trade in trades:
        by_minute.setdefault(trade.time // SECOND_NS // 60 * 60, []).append(trade)
    expected = [
        (start, own[0].price, max(t.price for t in own), min(t.price for t in own), own[-1].price)
        for start, own in by_minute.items()
        if start > START_NS // SECOND_NS // 60 * 60
    ]
    assert [(bar.start, bar.open, bar.high, bar.low, bar.close) for bar in bars] == expected
    assert [bar.volume for bar in bars] == [sum(t.size for t in by_minute[bar.start]) for bar in bars]


def test_past_bars_agree_with_the_minutes_when_played_out() -> None:
    """Same number of trades or none, and the prices at both ends within a few spreads."""
    played = Market(3, START_NS - 600 * SECOND_NS, THREE, trades_per_s=3.0, past_days=0)
    run(played, 600)
    planned = Market(3, START_NS, THREE, trades_per_s=3.0, past_days=600 / 86_400)
    assert [planned.last_id(product) for product in range(3)] == [played.last_id(product) for product in range(3)]
    for product, listing in enumerate(THREE):
        real, drawn = (model.bars(product, START_NS // SECOND_NS - 600, 1 << 40) for model in (played, planned))
        assert [bar.start for bar in real] == [bar.start for bar in drawn]
        gaps = [abs(a.close / b.close - 1) for a, b in zip(real, drawn, strict=True)]
        assert np.median(gaps) < 5e-4 + listing.spread_bp * 1e-4


def test_past_bars_leave_out_quiet_minutes() -> None:
    bars = Market(3, START_NS, THREE[2:], trades_per_s=0.01, past_days=1).bars(0, 0, 1 << 40)
    assert 700 < len(bars) < 900  # 0.6 trades a minute
    assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high and b.volume > 0 for b in bars)
    assert all((newer.start - older.start) % 60 == 0 < newer.start - older.start for newer, older in pairwise(bars))


def test_what_is_skipped_leaves_a_hole_in_the_ids() -> None:
    model = market()
    before = [event for event in run(model, 2) if isinstance(event, Trade) and event.product == 0]
    model.skip(model.now_ns + 3_600 * SECOND_NS)
    model.skip(START_NS)  # never back
    assert model.now_ns == START_NS + 3_600 * SECOND_NS
    events = model.advance(START_NS + 3_602 * SECOND_NS)
    after = [event for event in events if isinstance(event, Trade) and event.product == 0]
    assert after[0].trade_id - before[-1].trade_id > 50_000
    assert [trade.trade_id for trade in model.trades(0, 1 << 62, 1_000)] == [t.trade_id for t in reversed(after)]


def test_steps_are_whole() -> None:
    model = market()
    model.advance(START_NS + STEP_NS - 1)
    assert model.now_ns == START_NS
    model.advance(START_NS + STEP_NS)
    assert model.now_ns == START_NS + STEP_NS


@pytest.mark.parametrize(
    ("steps", "decimals", "text"),
    [(0, 2, "0.00"), (7, 2, "0.07"), (6_500_001, 2, "65000.01"), (5, 0, "5"), (1, 8, "0.00000001"), (123, 1, "12.3")],
)
def test_decimals_are_exact(steps: int, decimals: int, text: str) -> None:
    assert decimal_text(steps, decimals) == text


def test_steps_are_written_without_exponents() -> None:
    assert [step_text(decimals) for decimals in (0, 1, 8)] == ["1", "0.1", "0.00000001"]


def test_an_unlisted_symbol_is_refused_with_the_nearest() -> None:
    assert choose([]) == LISTINGS
    with pytest.raises(ConfigError, match="did you mean 'BTC-USD'"):
        choose(["BTC-USDT"])
