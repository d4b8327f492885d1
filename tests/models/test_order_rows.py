"""Rows of orders: turned to the order's side, past signs by lag, thinned by hash."""

import numpy as np
import pytest

from models.order_rows import (
    N_PAST,
    PAST_COLUMNS,
    hashed,
    kept_rows,
    order_dataset,
)

NAMES = ("imbalance_60s", "volatility_60s_ticks", "buy_lots_60s", "sell_lots_60s",
         "val_dev_ticks", "vah_dev_ticks", "sweep_sign", "sweep_sign_lag1")  # fmt: skip


def tables(n=6, *, sign=None, mirrored=False, seed=0):
    rng = np.random.default_rng(seed)
    s = -1.0 if mirrored else 1.0
    buy, sell = rng.uniform(1, 9, (2, n))
    low, high = rng.uniform(-5, 5, (2, n))
    flow = s * np.array([1.0, -1.0, 1.0, 1.0, 1.0, -1.0])[:n]
    lag1 = np.append(np.nan, flow[:-1])
    lag1[3:4] = np.nan  # a gap before the fourth decision
    ids = np.arange(n) * 10
    features = {
        "t0_ns": ids * 1000, "decision_id": ids, "trading_day": np.zeros(n, np.int64),
        "imbalance_60s": s * rng.uniform(-1, 1, n), "volatility_60s_ticks": rng.uniform(1, 2, n),
        "buy_lots_60s": sell if mirrored else buy, "sell_lots_60s": buy if mirrored else sell,
        "val_dev_ticks": -high if mirrored else low, "vah_dev_ticks": -low if mirrored else high,
        "sweep_sign": flow, "sweep_sign_lag1": lag1,
    }  # fmt: skip
    order_sign = np.array([1, 1, -1, 1, -1, 1])[:n] if sign is None else sign
    labels = {
        "t0_ns": ids * 1000, "t1_ns": ids * 1000 + 5, "decision_id": ids,
        "label": np.arange(n, dtype=float), "order_sign": order_sign * int(s),
        "order_lots": np.arange(1, n + 1),
    }  # fmt: skip
    return features, labels


def test_a_mirrored_market_gives_the_same_rows_but_for_the_side():
    one, other = (order_dataset(*tables(mirrored=m), names=NAMES) for m in (False, True))
    at = one.names.index("order_sign")
    assert one.names == other.names
    np.testing.assert_array_equal(one.features[:, at], -other.features[:, at])
    rest = [i for i in range(len(one.names)) if i != at]
    np.testing.assert_allclose(one.features[:, rest], other.features[:, rest])


def test_columns_are_turned_to_the_order():
    features, labels = tables()
    made = order_dataset(features, labels, names=NAMES)
    sign = labels["order_sign"]
    columns = dict(zip(made.names, made.features.T, strict=True))
    np.testing.assert_array_equal(columns["order_imbalance_60s"], features["imbalance_60s"] * sign)
    np.testing.assert_array_equal(columns["volatility_60s_ticks"], features["volatility_60s_ticks"])
    same = np.where(sign > 0, features["buy_lots_60s"], features["sell_lots_60s"])
    np.testing.assert_array_equal(columns["order_same_lots_60s"], same)
    # A seller's own low is the high, seen upside down.
    own = np.where(sign > 0, features["val_dev_ticks"], -features["vah_dev_ticks"])
    np.testing.assert_array_equal(columns["order_same_dev_ticks"], own)
    np.testing.assert_allclose(np.exp(columns["order_log_lots"]), labels["order_lots"])


def test_past_signs_stop_at_a_gap_and_know_nothing_later():
    features, labels = tables()
    made = order_dataset(features, labels, names=NAMES)
    past = made.features[:, [made.names.index(name) for name in PAST_COLUMNS]]
    # Signs at decisions: 1 -1 1 | 1 1 -1, orders + + - + - +.
    assert past[2, :4].tolist() == [-1, 1, -1, 0]
    assert past[5, :4].tolist() == [-1, 1, 1, 0]
    assert past.shape[1] == N_PAST
    early = {name: values[:4] for name, values in features.items()}
    part = order_dataset(early, {name: v[:4] for name, v in labels.items()}, names=NAMES)
    np.testing.assert_array_equal(part.features, made.features[:4])


def test_order_of_rows_does_not_matter_and_unknown_outcomes_are_left_out():
    features, labels = tables()
    whole = order_dataset(features, labels, names=NAMES)
    turned = [
        {name: values[::-1] for name, values in table.items()} for table in (features, labels)
    ]
    np.testing.assert_array_equal(order_dataset(*turned, names=NAMES).features, whole.features)
    labels["label"][2] = np.nan
    labels["order_sign"][2] = 0
    part = order_dataset(features, labels, names=NAMES)
    np.testing.assert_array_equal(part.features, np.delete(whole.features, 2, axis=0))
    assert part.n_null_labels == 1


def test_an_order_without_a_side_is_refused():
    features, labels = tables()
    labels["order_sign"][2] = 0
    with pytest.raises(ValueError, match="order_sign must be -1 or"):
        order_dataset(features, labels, names=NAMES)


def test_thinning_keeps_about_so_many_rows_and_the_same_ones():
    ids = np.arange(50_000) * 3
    kept = kept_rows(ids, 10_000)
    assert abs(kept.sum() - 10_000) < 400
    assert abs(np.diff(np.flatnonzero(kept)).mean() - 5) < 0.2  # spread over all of them
    np.testing.assert_array_equal(kept_rows(ids, 10_000), kept)
    assert (kept <= kept_rows(ids, 20_000)).all()
    assert kept_rows(ids[:5], 10).all()
    features, labels = tables()
    thin = order_dataset(features, labels, names=NAMES, max_rows=3)
    every = order_dataset(features, labels, names=NAMES)
    assert len(thin) < len(every)
    assert (len(thin) + thin.n_thinned, every.n_thinned) == (len(every), 0)


def test_hash_is_splitmix64():
    # The generator's first output from the state 0.
    assert int(hashed(np.array([0]))[0]) == 0xE220A8397B1DCDAF
