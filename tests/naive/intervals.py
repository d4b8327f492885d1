"""Wilson's interval by bisection, and the effective number of clustered cases by plain loops."""

import math


def wilson_bound(share, n, z, direction):
    """Solve |share - p| = z sqrt(p (1 - p) / n) for p on one side of the share, by bisection."""
    inside, outside = share, (0.0 if direction < 0 else 1.0)
    for _ in range(200):
        p = (inside + outside) / 2
        if abs(share - p) > z * math.sqrt(p * (1 - p) / n):
            outside = p
        else:
            inside = p
    return inside


def effective_size(hits, weights, clusters):
    """Return the share and as many independent cases as these are worth; no clusters: None."""
    independent = sum(weights) ** 2 / sum(w * w for w in weights)
    if clusters is None:
        hit_weight = sum(w * hit for hit, w in zip(hits, weights, strict=True))
        return hit_weight / sum(weights), independent
    total, right = {}, {}
    for hit, weight, cluster in zip(hits, weights, clusters, strict=True):
        if weight > 0:
            total[cluster] = total.get(cluster, 0.0) + weight
            right[cluster] = right.get(cluster, 0.0) + weight * hit
    whole = sum(total.values())
    share = sum(right.values()) / whole
    by_clusters = whole**2 / sum(w * w for w in total.values())
    squares = sum((right[c] - share * total[c]) ** 2 for c in total)
    if len(total) > 1 and squares > 1e-12:
        variance = squares * len(total) / (len(total) - 1) / whole**2
        by_clusters = share * (1 - share) / variance
    return share, min(independent, by_clusters)
