"""Obvious loop for orderflow_core.integrated_ofi: the component by power iteration."""

import math


def integrated_ofi(ofi_rows, mean_lots, n_least):
    """Rows of (value, loadings), None where there is none."""
    rows, out = [], []
    for ofi, lots in zip(ofi_rows, mean_lots, strict=True):
        loadings = first_component(rows) if len(rows) >= n_least else None
        value = None
        if lots > 0:
            scaled = [x / lots for x in ofi]
            if loadings is not None:
                value = sum(w * x for w, x in zip(loadings, scaled, strict=True))
            rows.append(scaled)
        out.append((value, loadings))
    return out


def first_component(rows):
    n_levels = len(rows[0])
    means = [sum(row[m] for row in rows) / len(rows) for m in range(n_levels)]
    centred = [[row[m] - means[m] for m in range(n_levels)] for row in rows]
    # Not along an axis, so that it meets the component.
    vector = [1.0 + 0.1 * m for m in range(n_levels)]
    for _ in range(200):
        projections = [sum(r * v for r, v in zip(row, vector, strict=True)) for row in centred]
        image = [
            sum(p * row[m] for p, row in zip(projections, centred, strict=True))
            for m in range(n_levels)
        ]
        length = math.sqrt(sum(x * x for x in image))
        if length == 0:
            return None
        vector = [x / length for x in image]
    total = sum(abs(v) for v in vector)
    flip = -1 if sum(vector) < 0 else 1
    return [flip * v / total for v in vector]
