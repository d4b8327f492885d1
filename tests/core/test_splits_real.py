"""Splits on the label times of recorded markets, against purgedcv: equal, or explained to the row.

Many decisions of a real market share a time, and in a burst a label ends at the time at which it
begins. Such an empty label is the one thing that the two judge differently: purgedcv never purges it,
ours keeps it out of the embargo as any other.
"""

import os

import numpy as np
import pandas as pd
import purgedcv
import pytest

from orderflow_core.labels import direction_labels, return_labels
from orderflow_core.splits import TooFewRowsError, combinatorial_purged, purged_walk_forward
from orderflow_core.sweeps import assign_sweeps, sweep_bounds
from tests.core.real_trade_files import read

SECOND = 10**9
GOLD = "lean/future/comex/tick/gc/20131007_trade.zip"
FILES = (
    "binance_rest/split/spot_aggTrades_BTCUSDT_fromId202790190.json",
    "binance_ws/hftbacktest/usdm/btcusdt_20240719.gz",
    "bitstamp_ob_analytics/trades.csv",
    "databento/futures_trades_2024-07-01T23-58_2024-07-02T00-02.dbn.zst",
)
N_SWEEPS = 20
HORIZONS = ("sweeps", "time", "move")
JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
large_only_with_jit = pytest.mark.parametrize("path", FILES if JIT_OFF else (*FILES, GOLD))


def label_times(stream, horizon):
    """Decision and outcome times of the closed sweeps of a file whose outcome is known.

    Outcomes come with the 20th later sweep, a second later, or with the first of the next 20 sweeps
    that ends two steps of price away (the 20th where none does): then a later decision may end earlier.
    """
    ts, price = stream.ts_ns, stream.price_ticks
    # Without the venue's ids each fill counts as the next one.
    _, end = sweep_bounds(assign_sweeps(ts, np.arange(len(ts)), price, stream.sign))
    t0, last, none = ts[end - 1], price[end - 1], np.empty(0, np.int64)
    known = {
        "session_end_ns": int(ts[-1]) + 1, "gap_start_ns": none, "known_until_ns": int(ts[-1]),
    }  # fmt: skip
    if horizon == "time":
        found = return_labels(t0, ts, 2 * price, horizon_ns=SECOND, **known)
    else:
        found = direction_labels(t0, ts, 2 * price, horizon_sweeps=N_SWEEPS, **known)
    has_label = ~np.isnan(found.label)
    t1 = found.t1_ns.copy()
    if horizon == "move":
        steps = np.abs(np.diff(last))
        for n in range(N_SWEEPS - 1, 0, -1):
            moved = np.flatnonzero(np.abs(last[n:] - last[:-n]) >= 2 * steps[steps > 0].min())
            t1[moved] = t0[moved + n]
    return found.t0_ns[has_label], t1[has_label]


def their_folds(splitter, t0, t1, **options):
    begins, ends = (pd.Series(pd.to_datetime(t, unit="ns")) for t in (t0, t1))
    made = splitter(prediction_times=begins, evaluation_times=ends, **options)
    return list(made.split(np.zeros((len(t0), 1))))


def streams(test_data, path):
    return [stream for stream in read(test_data, path) if len(stream) >= 100]


@large_only_with_jit
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("embargo", [0, SECOND // 10, 10 * SECOND])
def test_walk_forward_equals_purgedcv_but_for_empty_labels_in_the_embargo(
    test_data, path, horizon, embargo
):
    for stream in streams(test_data, path):
        t0, t1 = label_times(stream, horizon)
        is_empty = t0 == t1
        for n_folds in (4, 25):
            theirs = their_folds(
                purgedcv.WalkForwardSplit, t0, t1, n_splits=n_folds,
                test_size=len(t0) // (n_folds + 1), purge_horizon=pd.Timedelta(embargo, "ns"),
            )  # fmt: skip
            try:
                folds = purged_walk_forward(t0, t1, n_folds=n_folds, embargo_ns=embargo)
            except TooFewRowsError:
                in_reach = [train[t1[train] + embargo <= t0[test[0]]] for train, test in theirs]
                assert min(map(len, in_reach)) == 0
                continue
            for fold, (train, test) in zip(folds, theirs, strict=True):
                assert fold.test_idx.tolist() == test.tolist()
                before = np.arange(test[0])
                in_embargo = t1[before] + embargo > t0[test[0]]
                explained = before[in_embargo & is_empty[before]]
                assert np.setdiff1d(train, fold.train_idx).tolist() == explained.tolist()
                assert np.setdiff1d(fold.train_idx, train).tolist() == []


@large_only_with_jit
def test_purged_k_folds_train_the_same_rows_before_the_test(test_data, path):
    for stream in streams(test_data, path):
        t0, t1 = label_times(stream, "sweeps")
        n = len(t0) // 5 * 5  # else the blocks of both do not have one length
        t0, t1 = t0[-n:], t1[-n:]
        folds = purged_walk_forward(t0, t1, n_folds=4, embargo_ns=0)
        _, *theirs = their_folds(
            purgedcv.PurgedKFold, t0, t1, n_splits=5, embargo=pd.Timedelta("1s")
        )
        begins, ends = (pd.Series(pd.to_datetime(t, unit="ns")) for t in (t0, t1))
        for fold, (train, test) in zip(folds, theirs, strict=True):
            assert fold.test_idx.tolist() == test.tolist()
            assert fold.train_idx.tolist() == train[train < test[0]].tolist()
            purgedcv.diagnostics.assert_no_temporal_leakage(fold.train_idx, test, begins, ends)


@large_only_with_jit
@pytest.mark.parametrize("horizon", HORIZONS)
def test_combinations_equal_purgedcv_but_for_empty_labels_and_the_embargos_last_instant(
    test_data, path, horizon
):
    embargo = SECOND // 10
    for stream in streams(test_data, path):
        t0, t1 = label_times(stream, horizon)
        theirs = their_folds(
            purgedcv.CombinatorialPurgedCV, t0, t1, n_splits=6, n_test_groups=2,
            embargo=pd.Timedelta(embargo, "ns"),
        )  # fmt: skip
        try:
            split = combinatorial_purged(t0, t1, n_groups=6, n_test_groups=2, embargo_ns=embargo)
        except TooFewRowsError:
            assert min(len(train) for train, _ in theirs) < 20
            continue
        start = split.group_start_idx
        for fold, (train, test) in zip(split.folds, theirs, strict=True):
            assert fold.test_idx.tolist() == test.tolist()
            more, fewer = np.setdiff1d(train, fold.train_idx), np.setdiff1d(fold.train_idx, train)
            first = [start[g] for g in fold.test_groups]
            ends = [t1[start[g] : start[g + 1]].max() for g in fold.test_groups]
            # Theirs trains on labels without time, and on rows that only such a first test row meets.
            is_explained = (t0 == t1)[more] | (t0 == t1)[first].any()
            assert is_explained.all()
            assert np.isin(t0[fewer], np.array(ends) + embargo).all()


def test_the_recorded_labels_hold_what_the_two_judge_differently(test_data):
    # Counted once; the walk-forward tests above would be weaker if these were gone.
    gold = streams(test_data, GOLD)[0]
    t0, t1 = label_times(gold, "sweeps")
    assert (len(t0), int((np.diff(t0) == 0).sum()), int((t0 == t1).sum())) == (39_590, 11_884, 207)
    t0, t1 = label_times(gold, "move")
    assert (np.diff(t1) < 0).sum() > 1_000
