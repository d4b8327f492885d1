"""A book of single orders: the best price of both sides while orders come, change and go."""

from collections import Counter
from heapq import heappop, heappush


class RestingOrders:
    """The orders of one market by price, sizes added up.

    An event about an order that was never added is counted in ``unknown`` and changes nothing,
    but a change of one, which says all that there is to know of it, adds it.
    """

    __slots__ = ("_heaps", "_levels", "_orders", "counts")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._orders: dict[int, tuple[int, int, int]] = {}  # id -> side, price, size
        self._levels: tuple[dict[int, int], dict[int, int]] = ({}, {})  # price -> size
        self._heaps: tuple[list[int], list[int]] = ([], [])  # prices, best first; may be stale

    def add(self, order_id: int, is_bid: bool, price: int, size: int) -> None:
        """Put an order in, in place of one of the same id."""
        if order_id in self._orders:
            self._take_out(order_id)
        side = 0 if is_bid else 1
        self._orders[order_id] = side, price, size
        level = self._levels[side]
        if price not in level:
            level[price] = 0
            heappush(self._heaps[side], price if side else -price)
        level[price] += size

    def change(self, order_id: int, is_bid: bool, price: int, size: int) -> None:
        """Give an order a new price and size."""
        if order_id not in self._orders:
            self.counts["events_of_unknown_orders"] += 1
        self.add(order_id, is_bid, price, size)

    def cancel(self, order_id: int, size: int) -> None:
        """Take ``size`` away from an order, and the order out when nothing is left."""
        if order_id not in self._orders:
            self.counts["events_of_unknown_orders"] += 1
            return
        side, price, before = self._orders[order_id]
        self._take_out(order_id)
        if size < before:
            self.add(order_id, not side, price, before - size)

    def clear(self) -> None:
        """Take all orders out."""
        self._orders.clear()
        for side in (0, 1):
            self._levels[side].clear()
            self._heaps[side].clear()

    def best(self) -> tuple[int, int, int, int] | None:
        """Return best bid, its size, best ask, its size; None while a side is empty."""
        bid, ask = self._best(0), self._best(1)
        if bid is None or ask is None:
            return None
        return bid, self._levels[0][bid], ask, self._levels[1][ask]

    def _best(self, side: int) -> int | None:
        heap, level = self._heaps[side], self._levels[side]
        while heap:
            price = heap[0] if side else -heap[0]
            if price in level:
                return price
            heappop(heap)
        return None

    def _take_out(self, order_id: int) -> None:
        side, price, size = self._orders.pop(order_id)
        level = self._levels[side]
        level[price] -= size
        if level[price] <= 0:
            del level[price]
