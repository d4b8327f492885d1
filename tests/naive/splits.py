"""Obvious loops for orderflow_core.splits."""


def meets(a0, a1, b0, b1):
    """Whether the half-open [a0, a1) and [b0, b1) share a time; an empty one never does."""
    return max(a0, b0) < min(a1, b1)


def purged_walk_forward(t0_ns, t1_ns, *, n_folds, embargo_ns):
    """Return (train rows, test rows, train end) per fold."""
    n = len(t0_ns)
    block = n // (n_folds + 1)
    folds = []
    for k in range(n_folds):
        start = n - (n_folds - k) * block
        test = list(range(start, start + block))
        test_start = min(t0_ns[i] for i in test)
        test_end = max(t1_ns[i] for i in test)
        train = [
            i
            for i in range(start)
            if not meets(t0_ns[i], t1_ns[i], test_start, test_end)
            and t1_ns[i] + embargo_ns <= test_start
        ]
        folds.append((train, test, max((t1_ns[i] for i in train), default=None)))
    return folds
