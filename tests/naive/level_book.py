"""Obvious loops for orderflow_core.level_book.

An update is (ts, first, last, previous or None, is snapshot, changes); a change (side, price, size).
"""

UNKNOWN, STARTS, CONTINUES, CONFIRMED, STARTS_EMPTY = range(5)


class Book:
    def __init__(self, starts_empty):
        self.starts_empty = starts_empty
        self.levels = None  # {(side, price): size}; None: unknown
        self.chain = None  # last id of the changes that led here without a hole
        self.waiting = None  # id of the snapshot that no change has followed

    def take(self, update):
        _, first, last, previous, is_snapshot, changes = update
        if is_snapshot:
            status = STARTS if self.levels is None else CONFIRMED
            if self.levels is None:
                self.chain = None
            self.levels, self.waiting = {}, last
        else:
            status = self.judge(first, previous)
            self.waiting = None
            self.chain = last if status != UNKNOWN else None
            if status == UNKNOWN:
                self.levels = None
                return status
            if status == STARTS_EMPTY:
                self.levels = {}
        for side, price, size in changes:
            self.levels.pop((side, price), None)
            if size:
                self.levels[side, price] = size
        return status

    def judge(self, first, previous):
        is_next = previous == self.chain
        if previous is None and self.chain is not None:
            is_next = first == self.chain + 1
        if self.levels is not None and self.chain is not None and is_next:
            return CONTINUES
        if self.waiting is not None:
            ends = previous if previous is not None else first - 1
            if ends <= self.waiting:
                return CONTINUES if self.chain is None else STARTS
        return STARTS_EMPTY if self.starts_empty else UNKNOWN

    def best(self, n):
        """(bid, size, ask, size) of n levels."""
        sides = []
        for side in (1, -1):
            prices = sorted((p for s, p in self.levels if s == side), key=lambda p: -side * p)[:n]
            found = [(p, self.levels[side, p]) for p in prices]
            while len(found) < n:
                beyond = found[-1][0] - side if found else (0 if side == 1 else 2**60)
                found.append((beyond, 0))
            sides.append(found)
        return [(*bid, *ask) for bid, ask in zip(*sides, strict=True)]


def follow_book(updates, n_levels, starts_empty=False):
    """Statuses, and rows (number of the update, ts, is start, levels)."""
    book, statuses, rows = Book(starts_empty), [], []
    for number, update in enumerate(updates):
        status = book.take(update)
        statuses.append(status)
        if status not in (UNKNOWN, CONFIRMED):
            is_start = status in (STARTS, STARTS_EMPTY)
            rows.append((number, update[0], is_start, book.best(n_levels)))
    return statuses, rows
