"""Obvious loops for orderflow_core.sweeps."""


def assign_sweeps(ts, ids, prices, signs, *, max_id_step=1):
    sweeps = []
    for i in range(len(ts)):
        if i == 0:
            sweeps.append(0)
            continue
        together = ts[i] == ts[i - 1] and signs[i] == signs[i - 1] and signs[i] != 0
        if signs[i] == 1 and prices[i] < prices[i - 1]:
            together = False
        if signs[i] == -1 and prices[i] > prices[i - 1]:
            together = False
        if max_id_step > 0 and ids[i] - ids[i - 1] > max_id_step:
            together = False
        sweeps.append(sweeps[-1] if together else sweeps[-1] + 1)
    return sweeps


def sweep_bounds(sweeps):
    first, end = [], []
    for i in range(len(sweeps)):
        if i == 0 or sweeps[i] != sweeps[i - 1]:
            first.append(i)
        if i == len(sweeps) - 1 or sweeps[i] != sweeps[i + 1]:
            end.append(i + 1)
    return first, end


def sweep_table(sweeps, ts, prices, qtys, signs):
    """Rows of (first, end, ts, sign, lots, fills, first price, last price, average price)."""
    rows = []
    for first, end in zip(*sweep_bounds(sweeps), strict=True):
        fills = range(first, end)
        lots = sum(qtys[i] for i in fills)
        moment = sum(qtys[i] * (prices[i] - prices[first]) for i in fills)
        average = prices[first] + moment / lots
        edges = (prices[first], prices[end - 1])
        rows.append((first, end, ts[first], signs[first], lots, len(fills), *edges, average))
    return rows
