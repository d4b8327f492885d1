"""Obvious loops for orderflow_core.stacks and orderflow_core.zones."""


def stacks(flags_of_bars, *, ticks_per_row, is_passing_over, min_levels):
    """Runs of a bar's flagged prices as (low, high, levels); input (traded prices, flagged prices)."""
    found = []
    for prices, flagged in flags_of_bars:
        runs, run = [], []
        for price in sorted(prices):
            follows = run and (is_passing_over or price - run[-1] == ticks_per_row)
            if price in flagged:
                if not follows and run:
                    runs.append(run)
                    run = []
                run.append(price)
            elif run:
                runs.append(run)
                run = []
        runs += [run] if run else []
        found.append(
            [(r[0], r[-1] + ticks_per_row - 1, len(r)) for r in runs if len(r) >= min_levels]
        )
    return found


def stacked_zones(bars, *, max_age_bars):
    """Life of zones: bars of (trades as (ts, price), t1, opens, [(sign, low, high)]) in order.

    Returns a dict a zone, and a dict of columns a bar.
    """
    zones, columns = [], []
    for number, (trades, t1, opens, stacks_of_bar) in enumerate(bars):
        for zone in zones:
            if zone["fill"] is not None or zone["expiry"] is not None:
                continue
            if opens:
                zone["expiry"] = trades[0][0]
                continue
            for ts, price in trades:
                is_inside = zone["low"] <= price <= zone["high"]
                if is_inside and zone["touch"] is None:
                    zone["touch"] = ts
                if price < zone["low"] if zone["sign"] > 0 else price > zone["high"]:
                    zone["fill"] = ts
                    break
            is_old = max_age_bars is not None and number - zone["bar"] >= max_age_bars
            if zone["fill"] is None and is_old:
                zone["expiry"] = t1
        for sign, low, high in stacks_of_bar:
            zones.append(
                {"sign": sign, "low": low, "high": high, "bar": number, "birth": t1}
                | {"touch": None, "fill": None, "expiry": None}
            )
        columns.append(_columns(zones, trades[-1][1]))
    return zones, columns


def _columns(zones, close):
    row = {}
    for side, sign in (("buy", 1), ("sell", -1)):
        alive = [
            z for z in zones if z["sign"] == sign and z["fill"] is None and z["expiry"] is None
        ]
        row[f"n_{side}"] = len(alive)
        # The newest of the nearest.
        nearest = min(
            reversed(alive),
            key=lambda z: max(z["low"] - close, close - z["high"], 0),
            default=None,
        )
        row[side] = None if nearest is None else nearest["high" if sign > 0 else "low"]
    return row


def stacked_imbalances(bars, flags, *, ticks_per_row, is_passing_over, min_levels):
    """(bar, sign, low, high, levels), sells before buys; flags of (is_buy, is_sell) over all cells."""
    found, cell = [], 0
    for number, rows in enumerate(bars):
        prices = sorted(rows)
        for sign in (-1, 1):
            flagged = {
                price for k, price in enumerate(prices) if flags[0 if sign > 0 else 1][cell + k]
            }
            (runs,) = stacks(
                [(rows, flagged)], ticks_per_row=ticks_per_row, is_passing_over=is_passing_over,
                min_levels=min_levels,
            )  # fmt: skip
            found += [(number, sign, *run) for run in runs]
        cell += len(prices)
    return found


def imbalance_columns(bars, flags, *, ticks_per_row, is_passing_over):
    """(imbalanced buys, sells, longest run of buys, of sells) of each bar."""
    runs = stacked_imbalances(
        bars, flags, ticks_per_row=ticks_per_row, is_passing_over=is_passing_over, min_levels=1
    )
    return [
        tuple(
            of(run[4] for run in runs if run[:2] == (number, sign))
            for of in (sum, _longest)
            for sign in (1, -1)
        )
        for number in range(len(bars))
    ]


def _longest(levels):
    return max(levels, default=0)
