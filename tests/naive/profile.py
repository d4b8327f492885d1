"""Obvious loops for profiles and value areas, over a dict of price -> lots."""

from fractions import Fraction


def volume_profile(price_ticks, qty_lots, sign, *, ticks_per_row, anchor_tick=0):
    rows = {}
    for price, qty, side in zip(price_ticks, qty_lots, sign, strict=True):
        tick = anchor_tick
        while tick > price:
            tick -= ticks_per_row
        while tick + ticks_per_row <= price:
            tick += ticks_per_row
        cell = rows.setdefault(tick, [0, 0, 0])
        cell[{-1: 0, 1: 1, 0: 2}[int(side)]] += int(qty)
    return [(tick, *rows[tick]) for tick in sorted(rows)]


def point_of_control(volume):
    """Price of the point of control."""
    traded = {p: v for p, v in volume.items() if v > 0}
    middle = Fraction(min(traded) + max(traded), 2)
    above = sum(v for p, v in traded.items() if p > middle)
    below = sum(v for p, v in traded.items() if p < middle)
    best = None
    for p in sorted(traded):
        on_heavy_side = above > below if p > middle else below > above
        rank = (-traded[p], abs(p - middle), not on_heavy_side, p)
        if best is None or rank < best[0]:
            best = (rank, p)
    return best[1]


def value_area(
    volume, *, ticks_per_row, share_num=7, share_den=10, algorithm="two_row_A", tie=None
):
    """Return (poc, val, vah, inside, total), walking every row of the ladder."""
    traded = {p: v for p, v in volume.items() if v > 0}
    ladder = Ladder(traded, ticks_per_row)
    wanted = Fraction(share_num * sum(traded.values()), share_den)
    if algorithm == "equal_split":
        by_halves(ladder, wanted)
    else:
        rows = 1 if algorithm == "one_row" else 2
        while ladder.inside < wanted or (algorithm == "one_row" and ladder.inside == wanted):
            above, below = ladder.next_rows(rows, 1), ladder.next_rows(rows, -1)
            if not above and not below:
                break
            up, down = ladder.lots(above), ladder.lots(below)
            on_tie = tie or "above"
            takes_above = above and (not below or up > down or (up == down and on_tie != "below"))
            takes_below = below and (not above or down > up or (up == down and on_tie != "above"))
            if takes_above:
                ladder.add(above)
            if takes_below:
                ladder.add(below)
    return ladder.poc, ladder.val, ladder.vah, ladder.inside, sum(traded.values())


class Ladder:
    """Rows of a profile without holes, and the value area so far."""

    def __init__(self, traded, height):
        self.traded, self.height = traded, height
        self.poc = self.val = self.vah = point_of_control(traded)
        self.inside = traded[self.poc]

    def next_rows(self, n, direction):
        start = self.vah if direction > 0 else self.val
        rows = [start + direction * (i + 1) * self.height for i in range(n)]
        return [p for p in rows if min(self.traded) <= p <= max(self.traded)]

    def lots(self, rows):
        return sum(self.traded.get(p, 0) for p in rows)

    def add(self, rows):
        self.inside += self.lots(rows)
        self.val, self.vah = min(self.val, *rows), max(self.vah, *rows)


def by_halves(ladder, wanted):
    half = (wanted - ladder.inside) / 2
    short = False
    for direction in (1, -1):
        given = 0
        while given < half and ladder.next_rows(1, direction):
            given += ladder.lots(ladder.next_rows(1, direction))
            ladder.add(ladder.next_rows(1, direction))
        short = short or given < half
    while short and ladder.inside < wanted:
        ladder.add(ladder.next_rows(1, 1) or ladder.next_rows(1, -1))


def value_area_disagreement(profiles, variants, *, ticks_per_row, share_num, share_den):
    """(first, second, profiles that differ, largest difference) of each two variants."""
    areas = {
        name: [
            value_area(
                volume, ticks_per_row=ticks_per_row, share_num=share_num, share_den=share_den,
                algorithm=algorithm, tie=tie,
            )[1:3]
            for volume in profiles
        ]
        for name, (algorithm, tie) in variants.items()
    }  # fmt: skip
    found = []
    names = list(variants)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            apart = [
                max(abs(a[0] - b[0]), abs(a[1] - b[1]))
                for a, b in zip(areas[first], areas[second], strict=True)
            ]
            found.append((first, second, sum(ticks > 0 for ticks in apart), max(apart, default=0)))
    return found
