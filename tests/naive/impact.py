"""Obvious loops for orderflow_core.impact, .propagator and .order_size."""

import math


def law_impact(prefactor, exponent, volatility, size_share):
    return [
        prefactor * sigma * share**exponent
        for sigma, share in zip(volatility, size_share, strict=True)
    ]


def fit_impact_law(impact, volatility, size_share, *, exponents):
    """Return (prefactor, exponent) of the least squares over the exponents given."""
    best = None
    for exponent in exponents:
        top = bottom = 0.0
        for y, sigma, share in zip(impact, volatility, size_share, strict=True):
            top += y / sigma * share**exponent
            bottom += share ** (2 * exponent)
        prefactor = top / bottom
        error = sum(
            (y / sigma - prefactor * share**exponent) ** 2
            for y, sigma, share in zip(impact, volatility, size_share, strict=True)
        )
        if best is None or error < best[0]:
            best = (error, prefactor, exponent)
    return best[1], best[2]


def lagged_mean(flow, later, session_start_idx, *, n_lags):
    means = []
    for lag in range(n_lags + 1):
        total = 0.0
        for t in range(len(flow) - lag):
            if not any(t < start <= t + lag for start in session_start_idx):
                total += flow[t] * later[t + lag]
        means.append(total / len(flow) if len(flow) else 0.0)
    return means


def solve_propagator(correlation, response):
    """Gaussian elimination with the largest pivot."""
    n = len(correlation)
    rows = [[correlation[abs(i - j)] for j in range(n)] + [response[i]] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(n):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [rows[i][n] / rows[i][i] for i in range(n)]


def fit_propagator(flow, move, session_start_idx, *, n_lags):
    """Return (response, kernel), by lag from 1."""
    correlation = lagged_mean(flow, flow, session_start_idx, n_lags=n_lags)
    differences = lagged_mean(flow, move, session_start_idx, n_lags=n_lags)
    steps = solve_propagator(correlation, differences)
    sums = range(1, n_lags + 2)
    return [sum(differences[:n]) for n in sums], [sum(steps[:n]) for n in sums]


def expected_move(step, forecast, flow, session_start_idx, *, n_ahead):
    """Return by order the sum of the next expected moves: coming flow is filled in one by one."""
    moves = []
    for t in range(len(flow)):
        start = max(s for s in session_start_idx if s <= t)
        # Orders further back than the model remembers count as nothing.
        known = {s: flow[s] for s in range(max(start, t - len(forecast) + 1), t + 1)}
        coming = {}
        for k in range(1, n_ahead + 1):
            past = known | coming
            coming[t + k] = sum(a * past.get(t + k - 1 - j, 0.0) for j, a in enumerate(forecast))
        past = known | coming
        moves.append(
            sum(
                step[n] * past.get(t + k - n, 0.0)
                for k in range(1, n_ahead + 1)
                for n in range(len(step))
            )
        )
    return moves


def largest_order(budget, size_lots, cost_quantile):
    found = []
    for row in cost_quantile:
        if any(math.isnan(cost) for cost in row) or row[0] > budget:
            found.append(0)
            continue
        lots = size_lots[0]
        for i, cost in enumerate(row):
            if cost <= budget:
                lots = size_lots[i]
            elif row[i - 1] <= budget:
                part = (budget - row[i - 1]) / (cost - row[i - 1])
                log_lots = math.log(size_lots[i - 1]) + part * math.log(
                    size_lots[i] / size_lots[i - 1]
                )
                lots = math.floor(math.exp(log_lots) + 1e-9)
        found.append(lots)
    return found
