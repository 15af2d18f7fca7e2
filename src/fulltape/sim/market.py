"""A seeded market model: correlated prices, bursts of orders, and books that their trades come from.

Pure: no input or output, no clock. The model moves in steps of 20 ms on a grid of its own, so how often it is asked
to advance changes nothing in what it does. When it began changes nothing either: each minute follows from the seed
and its number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.sim.events import Book, Event, Quote, Trade
from fulltape.sim.history import MINUTE_S, Day, MinuteBar, PastTrade
from fulltape.sim.instruments import LISTINGS, Listing
from fulltape.sim.plan import YEAR_S, Array, Plan, own_seed
from fulltape.sim.product import TRADES_PER_ORDER, Product

STEP_NS = 20_000_000
STEP_S = STEP_NS / SECOND_NS
STEPS = MINUTE_S * SECOND_NS // STEP_NS
"""Steps in a minute."""

AUCTION_EVERY_S = 300
AUCTION_LENGTH_S = 5

_STEP_MICROS = STEP_NS // 1_000
_BRANCHING = 0.6  # so many further orders does an order bring about, on average
_DECAY = math.exp(-5.0 * STEP_S)  # bursts fade within about 200 ms
_REQUOTE_STEPS = 5  # quiet products move their quotes every 100 ms
_REQUOTE_LEVELS = 3  # a burst that ate so many levels calls the makers back at once
_RFQ_PER_S = 0.05
_FLOW_MEMORY = 0.98  # weight of the past in the trend that orders lean to, per step
_NO_SWEEP = 0.5  # a draw that makes an order neither a sweep nor dust


class Market:
    """A dozen products that move together, at one venue.

    Markets with one seed and several ``venue`` names have nearly the same prices and each its own orders and books.
    ``trades_per_s`` is the long-run total over all products. Trading begins with the minute that ``start_ns`` lies
    in, and ``past_days`` of one-minute bars lie before it. The newest ``kept_trades`` of each product are kept.
    """

    def __init__(
        self,
        seed: int,
        start_ns: int,
        listings: Sequence[Listing] = LISTINGS,
        *,
        venue: str = "",
        trades_per_s: float = 50.0,
        past_days: float = 1.0,
        kept_trades: int = 100_000,
    ) -> None:
        self.listings = tuple(listings)
        self._seed = own_seed(seed, venue)
        self._plan = Plan(seed, self.listings, trades_per_s, venue)
        volatility = np.array([listing.volatility for listing in self.listings])
        self._usual_trend = volatility * math.sqrt(STEP_S / YEAR_S / (1.0 - _FLOW_MEMORY**2))
        minute = start_ns // (MINUTE_S * SECOND_NS)
        past = self._plan.past_bars(minute, int(past_days * 1_440))
        self._products = [Product(i, listing, kept_trades, past[i]) for i, listing in enumerate(self.listings)]
        self._step = minute * STEPS
        self._begin(minute, [])

    @property
    def now_ns(self) -> int:
        """The time that the market has reached."""
        return self._step * STEP_NS

    def advance(self, to_ns: int) -> list[Event]:
        """Run every whole step that ends by ``to_ns`` and return what happened, in order."""
        events: list[Event] = []
        while (self._step + 1) * STEP_NS <= to_ns:
            minute, place = divmod(self._step, STEPS)
            if minute != self._minute:
                self._begin(minute, events)
            self._run_step(place, events)
        return events

    def skip(self, to_ns: int) -> None:
        """Leave out what would happen before the minute of ``to_ns``, as over a pause of the machine."""
        self._step = max(self._step, to_ns // (MINUTE_S * SECOND_NS) * STEPS)

    def book(self, product: int) -> Book:
        """Return all levels."""
        state = self._products[product]
        return Book(state.sequence, self.now_ns, state.bids.levels(), state.asks.levels())

    def quote(self, product: int) -> Quote:
        """Return the best levels."""
        return self._products[product].quote(self.now_ns)

    def last_trade(self, product: int) -> Trade | None:
        """Return the newest trade, or None if no trade is kept."""
        return self._products[product].last

    def sequence(self, product: int) -> int:
        """Return the product's place in the full feed."""
        return self._products[product].sequence

    def last_id(self, product: int) -> int:
        """Return the newest trade id."""
        return self._products[product].ring.last_id

    def trades(self, product: int, older_than: int, limit: int) -> list[PastTrade]:
        """Return at most ``limit`` trades with an id below ``older_than``, newest first."""
        return self._products[product].ring.older_than(older_than, limit)

    def first_id_after(self, product: int, time_ns: int) -> int:
        """Return the id of the first kept trade later than a time; the next id to come if there is none."""
        return self._products[product].ring.first_after(time_ns)

    def bars(self, product: int, start_s: int, end_s: int) -> list[MinuteBar]:
        """Return the one-minute bars with ``start_s <= start < end_s``, newest first."""
        return list(self._products[product].bars.between(start_s, end_s))

    def minute_bar(self, product: int, start_s: int) -> MinuteBar | None:
        """Return a minute's bar so far: flat at the last price if nobody traded, None if nobody ever did."""
        last = next(self._products[product].bars.between(0, start_s + MINUTE_S), None)
        if last is None or last.start == start_s:
            return last
        return MinuteBar(start_s, last.close, last.close, last.close, last.close, 0)

    def day(self, product: int) -> Day | None:
        """Return the rolling 24 h figures, or None before the first trade."""
        return self._products[product].bars.day()

    def _begin(self, minute: int, events: list[Event]) -> None:
        """Begin a minute: everything random in it hangs on its number."""
        self._minute = minute
        seed = "/".join(map(str, self._seed))
        self._rng = np.random.default_rng([*self._seed, STEPS, minute])
        self._chance = Random(f"{seed}/{minute}")
        moves, path = self._plan.path(minute, STEPS)
        self._moves, self._path = moves, path
        self._trend = np.zeros(len(self.listings))
        ids = zip(self._plan.first_ids(minute), self._plan.first_ids(minute + 1), strict=True)
        for state, own_ids, fair in zip(self._products, ids, path[0].tolist(), strict=True):
            state.begin(minute, own_ids, fair, Random(f"{seed}/{state.listing.symbol}/{minute}"), events)
        self._excited = _BRANCHING * self._needed_rate(0)

    def _run_step(self, place: int, events: list[Event]) -> None:
        start = self._step * STEP_NS
        fair = self._path[place].tolist()
        self._trend = self._trend * _FLOW_MEMORY + self._moves[place]
        self._run_orders(start, place, fair, events)
        self._step += 1
        end = start + (_STEP_MICROS - 1) * 1_000
        for state in self._products:
            if state.eaten or (self._step + state.index) % _REQUOTE_STEPS == 0:
                state.requote(fair[state.index], end, events)
        self._run_rare(end, events)

    def _needed_rate(self, place: int) -> Array:
        """Return the orders per second that bring the minute to its number of trades, by product."""
        remaining = np.array([state.remaining for state in self._products])
        return remaining / (TRADES_PER_ORDER * STEP_S * (STEPS - place))

    def _count_orders(self, place: int) -> Array:
        """Draw how many orders come: independent ones, and those that earlier ones have brought about."""
        rate = (1.0 - _BRANCHING) * self._needed_rate(place) + self._excited
        counts: Array = self._rng.poisson(rate * STEP_S)
        self._excited = self._excited * _DECAY + counts * (_BRANCHING * (1.0 - _DECAY) / STEP_S)
        return counts

    def _run_orders(self, start: int, place: int, fair: list[float], events: list[Event]) -> None:
        """Run the step's orders in order of time, each at a whole microsecond; buyers follow a rising price.

        In the last step come all the trades that the minute still owes, one an order.
        """
        is_last = place == STEPS - 1
        counts = [state.remaining for state in self._products] if is_last else self._count_orders(place)
        products = np.repeat(np.arange(len(self._products)), counts)
        if not len(products):
            return
        draws = self._rng.random((len(products), 4))
        if is_last:
            draws[:, 2] = _NO_SWEEP
        order = np.argsort(draws[:, 0], kind="stable")
        buy_below = (0.5 + 0.2 * np.tanh(self._trend / self._usual_trend)).tolist()
        for product, (offset, side, *rest) in zip(products[order].tolist(), draws[order].tolist(), strict=True):
            state = self._products[product]
            time = start + int(offset * (_STEP_MICROS - 1)) * 1_000
            state.order(side < buy_below[product], time, rest, events)
            if state.eaten >= _REQUOTE_LEVELS:
                state.requote(fair[product], time, events)

    def _run_rare(self, time: int, events: list[Event]) -> None:
        chance = self._chance
        if chance.random() < _RFQ_PER_S * STEP_S:
            chance.choice(self._products).print_rfq(chance.random() < 0.5, 20_000 * chance.random(), time, events)
        second, rest = divmod(self.now_ns, SECOND_NS)
        turn, place = divmod(second, AUCTION_EVERY_S)
        if rest == 0 and 0 < place <= AUCTION_LENGTH_S:
            self._products[turn % len(self._products)].tell_auction(time, events)
