"""Obvious loops for the features beyond the core: each row from the trades that it may know."""

import math
from fractions import Fraction

from tests.naive.absorption import bar_absorption
from tests.naive.bar_vpin import bar_vpin
from tests.naive.bars import aggregate_bar, time_bar_index
from tests.naive.bulk_volume import bulk_volume
from tests.naive.divergence import flow_against_price, pivot_divergence
from tests.naive.extremes import delta_turnaround, exhaustion_levels
from tests.naive.footprint import footprint
from tests.naive.imbalance import diagonal_imbalance, stacked_levels
from tests.naive.large_trades import large_trade_clusters, large_trades
from tests.naive.levels import developing_levels, initial_balance, significant_levels
from tests.naive.price_impact import rolling_impact
from tests.naive.spreads import rolling_spreads
from tests.naive.tape import tape_speed
from tests.naive.vwap import vwap_deviation_signal
from tests.naive.zones import stacked_zones, stacks

SECOND = 1_000_000_000
NAN = math.nan


def by_trade(ts, price, qty, sign, mids, rule):
    """Figures at the last of the trades."""
    costs = rolling_spreads(ts, price, sign, mids, [0], 60 * SECOND, rule["horizon"])[-1]
    impact = rolling_impact(ts, price, qty, sign, mids, [0], 60 * SECOND)[-1]
    pace, _, is_fast = tape_speed(ts, qty, 15 * SECOND, rule["tape_trades"], 150, [0])[-1]
    return {
        "cvd_trades": sum(sign),
        "tape_pace_15s": pace,
        "tape_is_fast": is_fast,
        "effective_half_spread_60s_ticks": costs[0],
        "realised_half_spread_60s_ticks": costs[1],
        "kyle_lambda_60s": impact[0],
        "roll_spread_60s_ticks": impact[1],
        "amihud_60s": impact[2],
    }


def by_sweep(ts, qty, sign, sweep, now, is_warm, closes_sweep, rule):
    """Figures of the sweeps that are over; ``now`` is the last time that may be known."""
    groups = []
    for i in range(len(ts)):
        if i == 0 or sweep[i] != sweep[i - 1]:
            groups.append([])
        groups[-1].append(i)
    groups = groups if closes_sweep else groups[:-1]
    times, sides = [ts[g[-1]] for g in groups], [sign[g[0]] for g in groups]
    lots = [sum(qty[i] for i in g) for g in groups]
    judged = large_trades(lots, rule["trailing"], rule["least"], 95, 100, [0])
    is_large = [row[1] for row in judged]
    runs = large_trade_clusters(
        times, sides, lots, is_large, rule["cluster_gap"], rule["cluster_least"], [0]
    )
    rows = list(zip(times, sides, lots, is_large, strict=True))
    recent = [row for row in rows if row[0] > now - 60 * SECOND and row[3]]
    return {
        "cvd_large_lots": sum(s * q for _, s, q, large in rows if large),
        "cvd_small_lots": sum(s * q for _, s, q, large in rows if not large),
        "cluster_sign": runs[-1][0] if runs else 0,
        "big_buy_lots_60s": sum(q for _, s, q, _ in recent if s > 0) if is_warm else NAN,
        "big_sell_lots_60s": sum(q for _, s, q, _ in recent if s < 0) if is_warm else NAN,
    }


def of_book(ts, ofi, now):
    """Imbalance of the book since h seconds ago; ``ofi`` a running sum or None by trade."""
    figures = {}
    for h in (10, 60):
        past = [value for t, value in zip(ts, ofi, strict=True) if t <= now - h * SECOND]
        is_known = past and past[-1] is not None and ofi[-1] is not None
        figures[f"ofi_{h}s_lots"] = ofi[-1] - past[-1] if is_known else NAN
    return figures


def signals(core, threshold):
    figures = dict.fromkeys(("vwap_trend", "vwap_reversal", "cvd_price_divergence_60s"), NAN)
    flow, side = core["imbalance_60s"], core["vwap_dev_sd"]
    if not math.isnan(flow) and not math.isnan(side):
        ((figures["vwap_trend"], figures["vwap_reversal"]),) = vwap_deviation_signal(
            [side], [flow], threshold
        )
    price, delta = core["return_60s_ticks"], core["buy_lots_60s"] - core["sell_lots_60s"]
    if not math.isnan(price) and not math.isnan(delta):
        figures["cvd_price_divergence_60s"] = flow_against_price(price, delta)[0]
    return figures


def by_bar(ts, price, qty, sign, rule):
    """Figures of the last of the bars that all the trades given make; levels as prices."""
    height, bars = rule["height"], time_bar_index(ts, rule["bar"])
    sums = [aggregate_bar(price[a:b], qty[a:b], sign[a:b]) for *_, a, b in bars]
    cells = [footprint(price, qty, sign, [(0, a, b)], ticks_per_row=height) for *_, a, b in bars]
    rows = [{c[1]: (c[2], c[3], c[5], c[6], c[4]) for c in found} for found in cells]
    last, lots = sums[-1], rows[-1]
    figures = {
        "bar_delta_lots": last["delta_lots"],
        "bar_delta_share": last["delta_lots"] / last["volume_lots"],
        "delta_turnaround": delta_turnaround(
            [
                (
                    *(s[f"{n}_ticks"] for n in ("open", "high", "low", "close")),
                    s["delta_lots"],
                    k == 0,
                )
                for k, s in enumerate(sums)
            ]
        )[-1],
        "unfinished_high": lots[max(lots)][0] > 0 and lots[max(lots)][1] > rule["unfinished"],
        "unfinished_low": lots[min(lots)][1] > 0 and lots[min(lots)][0] > rule["unfinished"],
    }
    high, low = exhaustion_levels(
        lots, ticks_per_row=height, n_levels=rule["exhaustion"], volume="side"
    )
    figures["exhaustion"] = low - high
    times = [(t0, t1) for _, t0, t1, _, _ in bars]
    return (
        figures
        | imbalances(rows, [[(t, p) for t, p in zip(ts[a:b], price[a:b], strict=True)]
                            for *_, a, b in bars], times, rule)
        | profile(cells, sums, times, rule)
        | toxicity(qty, sign, [(a, b) for *_, a, b in bars], sums, rule)
    )  # fmt: skip


def imbalances(rows, trades, times, rule):
    height, chosen = rule["height"], rule["imbalance"]
    of_bars, columns = [], {}
    for k, bar in enumerate(rows):
        flags = diagonal_imbalance([bar], ticks_per_row=height, **chosen)
        born = []
        for side, sign, flagged in (("sell", -1, flags[1]), ("buy", 1, flags[0])):
            prices = [p for p, is_set in zip(sorted(bar), flagged, strict=True) if is_set]
            runs = stacked_levels(
                [bar], flagged, ticks_per_row=height, gap_policy=chosen["gap_policy"]
            )
            columns[f"n_{side}_imbalances"] = len(prices)
            columns[f"stacked_{side}"] = max(runs, default=0)
            (found,) = stacks(
                [(set(bar), set(prices))],
                ticks_per_row=height,
                is_passing_over=chosen["gap_policy"] == "skip",
                min_levels=rule["stacked"],
            )
            born += [(sign, bottom, top) for bottom, top, _ in found]
        of_bars.append((trades[k], times[k][1], k == 0, born))
    nearest = stacked_zones(of_bars, max_age_bars=rule["zone_age"])[1][-1]
    for side in ("buy", "sell"):
        columns[f"{side}_zone_dev_ticks"] = NAN if nearest[side] is None else nearest[side]
    return columns


def profile(cells, sums, times, rule):
    bars = [[c[1:5] for c in found] for found in cells]
    poc, val, vah, *_ = developing_levels(bars, [0], ticks_per_row=rule["height"])[-1]
    hours = [
        (*t, s["high_ticks"], s["low_ticks"], times[0][0]) for t, s in zip(times, sums, strict=True)
    ]
    high, low, is_known, _ = initial_balance(hours, [0], length_ns=3_600 * SECOND)[-1]
    closes = [s["close_ticks"] for s in sums]
    levels, _ = significant_levels(
        bars, closes, [0], ticks_per_row=rule["height"], share=Fraction(7, 10),
        top=Fraction(1, 5),
    )  # fmt: skip
    tick, side = levels[-1][:2]
    return {
        "poc_dev_ticks": poc,
        "vah_dev_ticks": vah,
        "val_dev_ticks": val,
        "ib_high_dev_ticks": high if is_known else NAN,
        "ib_low_dev_ticks": low if is_known else NAN,
        "level_dev_ticks": tick if side else NAN,
        "level_sign": side,
    }


def toxicity(qty, sign, ranges, sums, rule):
    opened, closes = [s["open_ticks"] for s in sums], [s["close_ticks"] for s in sums]
    volumes, deltas = [s["volume_lots"] for s in sums], [s["delta_lots"] for s in sums]
    z, _, absorbed = bar_absorption(opened, closes, volumes, deltas, [0], **rule["absorption"])[-1]
    cvd = [sum(deltas[: k + 1]) for k in range(len(deltas))]
    highs, lows = [s["high_ticks"] for s in sums], [s["low_ticks"] for s in sums]
    *_, is_bearish, is_bullish = pivot_divergence(highs, lows, cvd, [0], width=rule["pivot"])[-1]
    bought, _ = bulk_volume(closes, volumes, window=rule["bulk_bars"], min_changes=20)
    estimates = [NAN if lots is None else lots for lots in bought]
    by_side, bulk = bar_vpin(qty, sign, ranges, estimates, [0], rule["bucket"], rule["n_buckets"])[
        -1
    ]
    return {
        "absorption_z": NAN if z is None else z,
        "absorption_sign": absorbed,
        "divergence_sign": is_bullish - is_bearish,
        "vpin": by_side,
        "vpin_bulk": bulk,
    }


def further_features(
    ts, price, qty, sign, sweep, *, quotes, ofi, decisions, core, starts, clock_rule, rule
):
    """Rows of dicts; ``quotes`` and ``ofi`` by trade or None, ``core`` the core figures by row.

    ``clock_rule``: whether trades at t are known, and whether the last known sweep is over.
    """
    is_end_included, closes_sweep = clock_rule
    rows = []
    for (t0, end, _), known in zip(decisions, core, strict=True):
        start = max(s for s in starts if s < end)
        cut = slice(start, end)
        mids = [None] * (end - start)
        if quotes is not None:
            mids = [None if q is None or q[0] > q[2] else q[0] + q[2] for q in quotes[cut]]
        now = t0 if is_end_included else t0 - 1
        is_warm = not math.isnan(known["buy_lots_60s"])
        part = ts[cut], price[cut], qty[cut], sign[cut]
        figures = by_trade(*part, mids, rule) | signals(known, rule["min_imbalance"])
        figures |= by_sweep(
            ts[cut], qty[cut], sign[cut], sweep[cut], now, is_warm, closes_sweep, rule
        )
        figures |= of_book(ts[cut], ofi[cut] if ofi else [None] * (end - start), now)
        limit = t0 // rule["bar"] * rule["bar"]
        n_closed = sum(1 for t in ts[cut] if t < limit)
        if n_closed:
            figures |= by_bar(*(column[:n_closed] for column in part), rule)
            for name in figures:
                if name.endswith("_dev_ticks"):
                    figures[name] = price[end - 1] - figures[name]
        rows.append(figures)
    return rows
