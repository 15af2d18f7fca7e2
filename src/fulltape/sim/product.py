"""One product of the simulated market."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from fulltape.clock import SECOND_NS
from fulltape.sim.events import AuctionState, Event, LevelChange, Quote, RfqTrade, Trade
from fulltape.sim.history import MINUTE_S, Bars, MinuteBar, TradeRing
from fulltape.sim.instruments import Listing
from fulltape.sim.ladder import Ladder

SWEEP_PROBABILITY = 0.12
TRADES_PER_ORDER = 1.0 + SWEEP_PROBABILITY * 2.0  # a sweep makes 1 + 1 + geometric(1/2) trades

_DUST_PROBABILITY = 0.3
_MOST_RFQ_PER_MINUTE = 1_000
_RFQ_ORDERS = 1 << 62  # apart from the orders of the book


class Product:
    """One listing: its book, and the orders that trade with it. Each minute begins anew from the plan."""

    def __init__(self, index: int, listing: Listing, kept_trades: int, past: Sequence[MinuteBar]) -> None:
        self.index = index
        self.listing = listing
        self.half_spread = max(0.5, listing.start_ticks * listing.spread_bp / 20_000)
        self.ring = TradeRing(1, kept_trades)
        self.bars = Bars(past)
        self.sequence = 0
        self.remaining = 0
        self.rfq_id = 0
        self.eaten = 0
        self.last: Trade | None = None
        self.bids = self.asks = Ladder(Random(0), 0.0)
        self._kept_trades = kept_trades

    def begin(self, minute: int, ids: tuple[int, int], fair: float, rng: Random, events: list[Event]) -> None:
        """Begin a minute whose trades get ``ids[0] <= id < ids[1]``: every maker quotes anew.

        Trades are forgotten if these do not follow them, as after a pause.
        """
        first, after = ids
        if first != self.ring.last_id + 1:
            self.ring, self.last = TradeRing(first, self._kept_trades), None
        self.remaining = after - first
        self.rfq_id = minute * _MOST_RFQ_PER_MINUTE
        time = minute * MINUTE_S * SECOND_NS
        old = [(side is self.asks, key) for side in (self.bids, self.asks) for key in side.keys]
        level_lots = self.listing.level_usd * self.listing.lots_per_usd
        self.bids, self.asks = Ladder(rng, level_lots), Ladder(rng, level_lots)
        self.bids.fill(fair, self.half_spread)
        self.asks.fill(-fair, self.half_spread)
        self._tell([(is_ask, key) for is_ask, key in old if key not in self._side(is_ask).lots], time, events)
        self._tell([(is_ask, key) for is_ask in (False, True) for key in self._side(is_ask).keys], time, events)
        # more than any minute can use up, so the sequence grows over minutes and over restarts
        self.sequence = minute * 100_000 + first * 100

    def quote(self, time: int) -> Quote:
        """Return the best levels."""
        bid, ask = self.bids.keys[-1], self.asks.keys[-1]
        return Quote(self.index, bid, self.bids.lots[bid], -ask, self.asks.lots[ask], time)

    def requote(self, fair: float, time: int, events: list[Event]) -> None:
        """Let the makers follow the fair price."""
        self.eaten = 0
        for is_ask, centre in ((False, fair), (True, -fair)):
            changed = self._side(is_ask).requote(centre, self.half_spread)
            self._tell([(is_ask, key) for key in changed], time, events)

    def order(self, is_buy: bool, time: int, draws: Sequence[float], events: list[Event]) -> None:
        """Run one taker order, unless the minute has had its trades: most hit the best level once, some sweep several.

        ``draws`` are two uniform numbers: the kind of order and its size.
        """
        if not self.remaining:
            return
        kind, size = draws
        ladder = self._side(is_buy)
        taker = 2 * self.ring.last_id + 1  # odd; makers are even
        trades = 1
        if kind < SWEEP_PROBABILITY:
            # the draw is uniform below the probability, so its halvings are geometric
            trades = 2 + min(int(-math.log2(max(kind / SWEEP_PROBABILITY, 1e-3))), 8)
        for _ in range(min(trades, self.remaining) - 1):
            self._trade(is_buy, ladder.lots[ladder.keys[-1]], taker, time, events)
        self._trade(is_buy, self._order_lots(kind, size), taker, time, events)
        events.append(self.quote(time))

    def print_rfq(self, is_buy: bool, usd: float, time: int, events: list[Event]) -> None:
        """Print a trade off the book, at the middle of the spread."""
        quote = self.quote(time)
        self.rfq_id += 1
        orders = (_RFQ_ORDERS + 2 * self.rfq_id, _RFQ_ORDERS + 2 * self.rfq_id + 1)
        size = 1 + int(self.listing.lots_per_usd * usd)
        events.append(RfqTrade(self.index, self.rfq_id, (quote.bid + quote.ask) // 2, size, is_buy, *orders, time))

    def tell_auction(self, time: int, events: list[Event]) -> None:
        """Say how an opening auction would stand."""
        self.sequence += 1
        quote = self.quote(time)
        size = min(quote.bid_size, quote.ask_size)
        events.append(AuctionState(self.index, self.sequence, quote, quote.ask, size, time))

    def _side(self, is_ask: bool) -> Ladder:
        return self.asks if is_ask else self.bids

    def _tell(self, changed: list[tuple[bool, int]], time: int, events: list[Event]) -> None:
        for is_ask, key in changed:
            self.sequence += 2  # the full feed would say received and open, or done
            size = self._side(is_ask).lots.get(key, 0)
            events.append(LevelChange(self.index, is_ask, abs(key), size, time))

    def _order_lots(self, kind: float, size: float) -> int:
        if kind > 1.0 - _DUST_PROBABILITY:
            return 1 + int(self.listing.lots_per_usd * size)
        # Pareto with tail exponent 1.2 from 20 dollars on: means a mean, but hardly a variance
        return 1 + int(self.listing.lots_per_usd * 20.0 * (1.0 - size) ** (-1.0 / 1.2))

    def _trade(self, is_buy: bool, lots: int, taker: int, time: int, events: list[Event]) -> None:
        ladder = self._side(is_buy)
        key, size = ladder.take(lots)
        price, left = abs(key), ladder.lots.get(key, 0)
        self.eaten += not left
        self.remaining -= 1
        self.sequence += 3
        trade_id = self.ring.append(price, size, is_buy, time)
        self.bars.add(price, size, time, is_buy)
        self.last = Trade(self.index, trade_id, price, size, is_buy, 2 * trade_id, taker, self.sequence, time)
        events.append(self.last)
        events.append(LevelChange(self.index, is_buy, price, left, time))
