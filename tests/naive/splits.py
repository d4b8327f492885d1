"""Obvious loops for orderflow_core.splits."""

from itertools import combinations


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


def combinatorial_purged(t0_ns, t1_ns, *, n_groups, n_test_groups, embargo_ns):
    """Return (test groups, train rows, test rows) per fold, and the fold by path and group."""
    n = len(t0_ns)
    groups, next_row = [], 0
    for g in range(n_groups):
        length = n // n_groups + (1 if g < n % n_groups else 0)
        groups.append(list(range(next_row, next_row + length)))
        next_row += length
    folds = []
    for tested in combinations(range(n_groups), n_test_groups):
        train = []
        for i in range(n):
            may_train = True
            for g in tested:
                test_start = min(t0_ns[j] for j in groups[g])
                test_end = max(t1_ns[j] for j in groups[g])
                if i in groups[g]:
                    may_train = False
                elif i < groups[g][0]:
                    may_train = may_train and t1_ns[i] <= test_start
                else:
                    may_train = may_train and t0_ns[i] >= test_end + embargo_ns
            if may_train:
                train.append(i)
        folds.append((tested, train, [j for g in tested for j in groups[g]]))
    uses = {
        g: [k for k, (tested, _, _) in enumerate(folds) if g in tested] for g in range(n_groups)
    }
    n_paths = len(uses[0])
    return folds, [[uses[g][p] for g in range(n_groups)] for p in range(n_paths)]


def purge_from_the_first_labels_end(t0_ns, t1_ns, test):
    """Training rows before the test as mlfinpy 0.1.2 purges them, with its mistake.

    Its window runs from the *end* of the first test label to the end of the last: a training label
    that ends after the test has begun, and before that first end, is kept.
    """
    opens, closes = t1_ns[test[0]], t1_ns[test[-1]]
    return [
        i
        for i in range(test[0])
        if not opens <= t0_ns[i] <= closes
        and not opens <= t1_ns[i] <= closes
        and not (t0_ns[i] <= opens and closes <= t1_ns[i])
    ]
