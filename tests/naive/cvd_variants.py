"""Obvious loops for orderflow_core.cvd_variants."""


def restart_idx(policy, ts, session_starts, gaps, anchors):
    found = {0} if ts else set()
    if policy in ("session", "gap"):
        found |= set(session_starts)
    if policy == "gap":
        found |= set(gaps)
    if policy == "anchor":
        for anchor in anchors:
            later = [i for i in range(len(ts)) if ts[i] >= anchor]
            found |= set(later[:1])
    return sorted(found)


def running(amounts, session_starts):
    result = []
    for i in range(len(amounts)):
        before = 0 if i in set(session_starts) else result[-1]
        result.append(before + amounts[i])
    return result


def cumulative_count(signs, session_starts):
    return running(signs, session_starts)


def cumulative_notional(signs, prices, qtys, session_starts):
    amounts = [s * p * q for s, p, q in zip(signs, prices, qtys, strict=True)]
    return running(amounts, session_starts)


def size_bucket(qtys, edges):
    return [sum(qty >= edge for edge in edges) for qty in qtys]


def cvd_by_bucket(signs, qtys, buckets, n_buckets, session_starts):
    rows = []
    for bucket in range(n_buckets):
        amounts = [
            s * q if b == bucket else 0 for s, q, b in zip(signs, qtys, buckets, strict=True)
        ]
        rows.append(running(amounts, session_starts))
    return rows
