"""A book of Python lists, worked off order by order."""

import math

FAR = 1 << 60


class Book:
    def __init__(self, low, high, n):
        # price -> list of [order, shown, hidden, peak, is_market_maker], first come first
        self.sides = {1: {low: [[n, FAR, 0, 0, False]]}, -1: {high: [[n + 1, FAR, 0, 0, False]]}}
        self.low, self.high = low, high
        self.live = []

    def best(self, side):
        return max(self.sides[1]) if side > 0 else min(self.sides[-1])

    def shown(self, side):
        return sum(order[1] for order in self.sides[side][self.best(side)])

    def rest(self, order, side, price, lots, peak, is_market_maker):
        first = min(lots, peak)
        row = [order, first, lots - first, peak, is_market_maker]
        self.sides[side].setdefault(price, []).append(row)
        if is_market_maker:
            self.live.append(order)

    def forget(self, order):
        # The last of the list takes the place of the one that goes.
        at = self.live.index(order)
        last = self.live.pop()
        if at < len(self.live):
            self.live[at] = last

    def remove(self, order):
        for levels in self.sides.values():
            for price, queue in list(levels.items()):
                for row in list(queue):
                    if row[0] == order:
                        queue.remove(row)
                        if row[4]:
                            self.forget(order)
                        if not queue:
                            del levels[price]

    def take(self, event, side, lots, reach, fills):
        limit = self.best(-side) + reach * side
        while lots > 0:
            price = self.best(-side)
            if (price - limit) * side > 0:
                return
            queue = self.sides[-side][price]
            row = queue[0]
            traded = min(lots, row[1])
            fills.append((event, row[0], price, traded))
            lots -= traded
            row[1] -= traded
            if row[1]:
                return
            queue.pop(0)
            if row[2]:
                row[1] = min(row[2], row[3])
                row[2] -= row[1]
                queue.append(row)
            elif row[4]:
                self.forget(row[0])
            if not queue:
                del self.sides[-side][price]

    def refresh(self, event, side, lots, distance, reference, mark, rules):
        half, slack, target = rules
        price = self.best(side)
        if side > 0:
            is_stale = price > math.floor(reference + slack)
        else:
            is_stale = price < math.ceil(reference - slack)
        own = [row[0] for row in self.sides[side][price] if row[4]]
        if is_stale and own:
            for order in own:
                self.remove(order)
            return
        share = len(self.live) / (2.0 * target)
        if mark < share:
            self.remove(self.live[min(int(mark / share * len(self.live)), len(self.live) - 1)])
        elif side > 0:
            price = min(math.floor(reference - half) - distance, self.best(-1) - 1)
            self.rest(event, side, max(price, self.low + 1), lots, lots, True)
        else:
            price = max(math.ceil(reference + half) + distance, self.best(1) + 1)
            self.rest(event, side, min(price, self.high - 1), lots, lots, True)

    def depth(self, n_levels):
        rows = [[0, 0, 0, 0] for _ in range(n_levels)]
        for side, column in ((1, 0), (-1, 2)):
            prices = sorted(self.sides[side], reverse=side > 0)
            for row, price in zip(rows, prices, strict=False):
                row[column] = price
                row[column + 1] = sum(order[1] for order in self.sides[side][price])
        return rows


def run_order_book(events, rules, margin, snapshot_at=(), n_levels=5):
    """Events are (kind, side, lots, peak, distance, target, reference, mark)."""
    reference = [event[6] for event in events]
    low = math.floor(min(reference)) - margin
    high = math.ceil(max(reference)) + margin
    book = Book(low, high, len(events))
    fills, quotes, snapshots = [], [], []
    for i, (kind, side, lots, peak, distance, target, value, mark) in enumerate(events):
        if kind == 0:
            book.take(i, side, lots, distance, fills)
        elif kind == 1:
            book.refresh(i, side, lots, distance, value, mark, rules)
        elif kind == 2:
            price = book.best(side) - side * distance
            price = max(price, low + 1) if side > 0 else min(price, high - 1)
            book.rest(i, side, price, lots, peak, False)
        elif kind == 4:
            if side > 0:
                price = max(min(math.floor(value) - distance, book.best(-1) - 1), low + 1)
            else:
                price = min(max(math.ceil(value) + distance, book.best(1) + 1), high - 1)
            book.rest(i, side, price, lots, peak, False)
        else:
            book.remove(target)
        quote = (book.best(1), book.shown(1), book.best(-1), book.shown(-1))
        if not quotes or quotes[-1][1:] != quote:
            quotes.append((i, *quote))
        snapshots += [book.depth(n_levels) for at in snapshot_at if at == i]
    return fills, quotes, snapshots
