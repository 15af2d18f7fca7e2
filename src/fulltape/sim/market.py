"""A seeded market model: correlated prices, bursts of orders, and books that their trades come from.

Pure: no input or output, no clock. The model moves in steps of 20 ms on a grid of its own, so how often it is asked
to advance changes nothing in what it does. Prices and sizes are whole numbers of the listing's steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.sim.history import Bars, Day, MinuteBar, PastTrade, TradeRing
from fulltape.sim.instruments import LISTINGS, Listing
from fulltape.sim.ladder import Ladder
from fulltape.sim.prices import YEAR_S, Array, factor_returns, past_bars

STEP_NS = 20_000_000
STEP_S = STEP_NS / SECOND_NS
AUCTION_EVERY_S = 300
AUCTION_LENGTH_S = 5

_STEP_MICROS = STEP_NS // 1_000
_BLOCK = 512  # steps whose returns are drawn at once
_BRANCHING = 0.6  # so many further orders does an order bring about, on average
_DECAY = math.exp(-5.0 * STEP_S)  # bursts fade within about 200 ms
_SWEEP_PROBABILITY = 0.12
_TRADES_PER_ORDER = 1.0 + _SWEEP_PROBABILITY * 2.0  # a sweep makes 1 + 1 + geometric(1/2) trades
_DUST_PROBABILITY = 0.3
_REQUOTE_STEPS = 5  # quiet products move their quotes every 100 ms
_REQUOTE_LEVELS = 3  # a burst that ate so many levels calls the makers back at once
_RFQ_PER_S = 0.05
_FLOW_MEMORY = 0.98  # weight of the past in the trend that orders lean to, per step


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One match. ``product`` is the listing's place; ``maker_sells`` is the side of the resting order."""

    product: int
    trade_id: int
    price: int
    size: int
    maker_sells: bool
    maker_order: int
    taker_order: int
    sequence: int
    time: int


class LevelChange(msgspec.Struct, frozen=True, gc=False):
    """The new size of a price level, 0 if it is gone."""

    product: int
    is_ask: bool
    price: int
    size: int
    time: int


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The best levels after an order had all its trades."""

    product: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    time: int


class RfqTrade(msgspec.Struct, frozen=True, gc=False):
    """An off-book print, with an id space of its own."""

    product: int
    trade_id: int
    price: int
    size: int
    is_buy: bool
    maker_order: int
    taker_order: int
    time: int


class AuctionState(msgspec.Struct, frozen=True, gc=False):
    """What an opening auction says once a second while it collects."""

    product: int
    sequence: int
    quote: Quote
    open_price: int
    open_size: int
    time: int


Event = Trade | LevelChange | Quote | RfqTrade | AuctionState


class Book(msgspec.Struct, frozen=True):
    """All levels of a product as (price, size), best first."""

    sequence: int
    time: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class _Product:
    """The state of one listing."""

    def __init__(self, index: int, listing: Listing, rng: Random, kept_trades: int, past: Sequence[MinuteBar]) -> None:
        self.index = index
        self.listing = listing
        self.rng = rng
        self.half_spread = max(0.5, listing.start_ticks * listing.spread_bp / 20_000)
        level_lots = listing.level_usd * listing.lots_per_usd
        self.bids = Ladder(rng, level_lots)
        self.asks = Ladder(rng, level_lots)
        self.bids.fill(listing.start_ticks, self.half_spread)
        self.asks.fill(-listing.start_ticks, self.half_spread)
        self.ring = TradeRing(kept_trades)
        self.bars = Bars(past)
        self.sequence = 1_000
        self.orders = 0
        self.rfq_id = 0
        self.eaten = 0
        self.last: Trade | None = None

    def quote(self, time: int) -> Quote:
        bid, ask = self.bids.keys[-1], self.asks.keys[-1]
        return Quote(self.index, bid, self.bids.lots[bid], -ask, self.asks.lots[ask], time)

    def requote(self, fair: float, time: int, events: list[Event]) -> None:
        self.eaten = 0
        for ladder, centre in ((self.bids, fair), (self.asks, -fair)):
            for key in ladder.requote(centre, self.half_spread):
                self.sequence += 2  # the full feed would say received and open, or done
                events.append(LevelChange(self.index, ladder is self.asks, abs(key), ladder.lots.get(key, 0), time))

    def order(self, is_buy: bool, time: int, draws: Sequence[float], events: list[Event]) -> None:
        """Run one taker order: most hit the best level once, some sweep several levels."""
        ladder = self.asks if is_buy else self.bids
        self.orders += 1
        taker = self.orders
        kind, size = draws
        trades = 1
        if kind < _SWEEP_PROBABILITY:
            # the draw is uniform below the probability, so its halvings are geometric
            trades = 2 + min(int(-math.log2(max(kind / _SWEEP_PROBABILITY, 1e-3))), 8)
        for _ in range(trades - 1):
            self._trade(ladder, is_buy, ladder.lots[ladder.keys[-1]], taker, time, events)
        self._trade(ladder, is_buy, self._order_lots(kind, size), taker, time, events)
        events.append(self.quote(time))

    def _order_lots(self, kind: float, size: float) -> int:
        if kind > 1.0 - _DUST_PROBABILITY:
            return 1 + int(self.listing.lots_per_usd * size)
        # Pareto with tail exponent 1.2 from 20 dollars on: means a mean, but hardly a variance
        return 1 + int(self.listing.lots_per_usd * 20.0 * (1.0 - size) ** (-1.0 / 1.2))

    def _trade(self, ladder: Ladder, is_buy: bool, lots: int, taker: int, time: int, events: list[Event]) -> None:
        key, size = ladder.take(lots)
        price = abs(key)
        left = ladder.lots.get(key, 0)
        self.eaten += not left
        self.orders += 1
        self.sequence += 3
        trade_id = self.ring.append(price, size, is_buy, time)
        self.bars.add(price, size, time)
        self.last = Trade(self.index, trade_id, price, size, is_buy, self.orders, taker, self.sequence, time)
        events.append(self.last)
        events.append(LevelChange(self.index, is_buy, price, left, time))


class Market:
    """A dozen products that move together.

    ``trades_per_s`` is the long-run total over all products. ``past_days`` of one-minute bars lie before the first
    trade; trade history begins at ``start_ns`` with id 1 in each product and keeps ``kept_trades`` of each.
    """

    def __init__(
        self,
        seed: int,
        start_ns: int,
        listings: Sequence[Listing] = LISTINGS,
        *,
        trades_per_s: float = 50.0,
        past_days: float = 2.0,
        kept_trades: int = 100_000,
    ) -> None:
        self.listings = tuple(listings)
        self._seed = seed
        self._rng = np.random.default_rng([seed, 1])
        self._step = start_ns // STEP_NS
        self._first_step = self._step
        weights = np.array([listing.weight for listing in self.listings])
        order_rate = trades_per_s / _TRADES_PER_ORDER * weights / weights.sum()
        self._base_rate = (1.0 - _BRANCHING) * order_rate
        self._excited = _BRANCHING * order_rate
        self._fair = np.array([float(listing.start_ticks) for listing in self.listings])
        volatility = np.array([listing.volatility for listing in self.listings])
        self._usual_trend = volatility * math.sqrt(STEP_S / YEAR_S / (1.0 - _FLOW_MEMORY**2))
        self._trend = np.zeros(len(self.listings))
        self._returns: list[Array] = []
        past = past_bars(seed, self.listings, start_ns, past_days, trades_per_s)
        self._products = [
            _Product(i, listing, Random(f"{seed}/{listing.symbol}"), kept_trades, past[i])
            for i, listing in enumerate(self.listings)
        ]
        self._chance = Random(f"{seed}/rare")

    @property
    def now_ns(self) -> int:
        """The time that the market has reached."""
        return self._step * STEP_NS

    def advance(self, to_ns: int) -> list[Event]:
        """Run every whole step that ends by ``to_ns`` and return what happened, in order."""
        events: list[Event] = []
        while (self._step + 1) * STEP_NS <= to_ns:
            self._run_step(events)
        return events

    def skip(self, to_ns: int) -> None:
        """Let time pass without trading, as over a pause of the machine."""
        self._step = max(self._step, to_ns // STEP_NS)

    def book(self, product: int) -> Book:
        """Return all levels."""
        state = self._products[product]
        return Book(state.sequence, self.now_ns, state.bids.levels(), state.asks.levels())

    def quote(self, product: int) -> Quote:
        """Return the best levels."""
        return self._products[product].quote(self.now_ns)

    def last_trade(self, product: int) -> Trade | None:
        """Return the newest trade, or None before the first."""
        return self._products[product].last

    def sequence(self, product: int) -> int:
        """Return the product's place in the full feed."""
        return self._products[product].sequence

    def last_id(self, product: int) -> int:
        """Return the newest trade id, 0 before the first."""
        return self._products[product].ring.last_id

    def trades(self, product: int, older_than: int, limit: int) -> list[PastTrade]:
        """Return at most ``limit`` trades with an id below ``older_than``, newest first."""
        return self._products[product].ring.older_than(older_than, limit)

    def bars(self, product: int, start_s: int, end_s: int) -> list[MinuteBar]:
        """Return the one-minute bars with ``start_s <= start < end_s``, newest first."""
        return list(self._products[product].bars.between(start_s, end_s))

    def day(self, product: int) -> Day | None:
        """Return the rolling 24 h figures, or None before the first trade."""
        return self._products[product].bars.day()

    def _run_step(self, events: list[Event]) -> None:
        start = self._step * STEP_NS
        fair = self._move_prices()
        counts = self._rng.poisson((self._base_rate + self._excited) * STEP_S)
        self._excited = self._excited * _DECAY + counts * (_BRANCHING * (1.0 - _DECAY) / STEP_S)
        total = int(counts.sum())
        if total:
            self._run_orders(start, counts, total, fair, events)
        self._step += 1
        end = start + (_STEP_MICROS - 1) * 1_000
        for state in self._products:
            if state.eaten or (self._step + state.index) % _REQUOTE_STEPS == 0:
                state.requote(fair[state.index], end, events)
        self._run_rare(end, events)

    def _move_prices(self) -> list[float]:
        if not self._returns:
            self._returns = list(factor_returns(self._rng, self.listings, _BLOCK, STEP_S))
        moves = self._returns.pop()
        self._fair = self._fair * np.exp(moves)
        self._trend = self._trend * _FLOW_MEMORY + moves
        return [float(price) for price in self._fair]

    def _run_orders(self, start: int, counts: Array, total: int, fair: list[float], events: list[Event]) -> None:
        """Run the step's orders in order of time, each at a whole microsecond; buyers follow a rising price."""
        products = np.repeat(np.arange(len(counts)), counts)
        draws = self._rng.random((total, 4))
        order = np.argsort(draws[:, 0], kind="stable")
        buy_below = (0.5 + 0.2 * np.tanh(self._trend / self._usual_trend)).tolist()
        for product, (offset, side, *rest) in zip(products[order].tolist(), draws[order].tolist(), strict=True):
            state = self._products[product]
            time = start + int(offset * (_STEP_MICROS - 1)) * 1_000
            state.order(side < buy_below[product], time, rest, events)
            if state.eaten >= _REQUOTE_LEVELS:
                state.requote(fair[state.index], time, events)

    def _run_rare(self, time: int, events: list[Event]) -> None:
        chance = self._chance
        if chance.random() < _RFQ_PER_S * STEP_S:
            state = chance.choice(self._products)
            quote = state.quote(time)
            state.rfq_id += 1
            state.orders += 2
            size = 1 + int(state.listing.lots_per_usd * 20_000 * chance.random())
            price = (quote.bid + quote.ask) // 2
            is_buy = chance.random() < 0.5
            orders = (state.orders - 1, state.orders)
            events.append(RfqTrade(state.index, state.rfq_id, price, size, is_buy, *orders, time))
        second, rest = divmod((self._step - self._first_step) * STEP_NS, SECOND_NS)
        turn, place = divmod(second, AUCTION_EVERY_S)
        if rest == 0 and 0 < place <= AUCTION_LENGTH_S:
            state = self._products[turn % len(self._products)]
            state.sequence += 1
            quote = state.quote(time)
            size = min(quote.bid_size, quote.ask_size)
            events.append(AuctionState(state.index, state.sequence, quote, quote.ask, size, time))
