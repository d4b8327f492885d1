"""Columns turned to a side: every feature has a place in the mirror, and the features obey it."""

from dataclasses import replace

import numpy as np
import pytest

from models.levels import touch_columns
from models.sides import PAIRS, SIGNED, SIGNED_PAIRS, turned, turned_names
from orchestration.defs.features.tables import feature_settings
from orderflow_core.features import ALL_NAMES, decision_features
from orderflow_core.level_features import LEVEL_NAMES
from orderflow_core.simulator import SimulatorSettings, simulate
from orderflow_core.sweeps import assign_sweeps

# Feature names that a mirrored market leaves as they are.
UNTURNED = {
    "volatility_60s_ticks", "sweep_lots", "sweep_n_fills", "sweeps_10s", "spread_ticks",
    "tape_pace_15s", "tape_is_fast", "effective_half_spread_60s_ticks",
    "realised_half_spread_60s_ticks", "kyle_lambda_60s", "roll_spread_60s_ticks", "amihud_60s",
    "absorption_z", "vpin", "vpin_bulk",
}  # fmt: skip


def test_every_feature_has_a_place_in_the_mirror():
    of_pairs = {name for pairs in (PAIRS, SIGNED_PAIRS) for pair in pairs for name in pair}
    assert UNTURNED | SIGNED | of_pairs == set(ALL_NAMES)
    assert len(UNTURNED) + len(SIGNED) + len(of_pairs) == len(ALL_NAMES)


def test_columns_are_turned_and_change_places():
    sign = np.array([1.0, -1.0])
    columns = {
        "sweep_sign": np.array([1.0, 1.0]),
        "buy_lots_60s": np.array([3.0, 3.0]),
        "sell_lots_60s": np.array([5.0, 5.0]),
        "vpin": np.array([0.5, 0.5]),
        "ib_high_dev_ticks": np.array([-2.0, -2.0]),
        "ib_low_dev_ticks": np.array([9.0, 9.0]),
    }
    found = turned(columns, sign, "own_{}")
    assert {name: values.tolist() for name, values in found.items()} == {
        "own_sweep_sign": [1, -1], "vpin": [0.5, 0.5],
        "own_same_lots_60s": [3, 5], "own_other_lots_60s": [5, 3],
        "own_ib_same_dev_ticks": [9, 2], "own_ib_other_dev_ticks": [-2, -9],
    }  # fmt: skip
    assert turned_names(tuple(columns), "own_{}") == tuple(found)


def values_of(trades, sweep):
    return decision_features(
        trades, sweep, None, session_start_idx=[0], gap_idx=[], session_ended=True,
        settings=feature_settings(row_ticks=1, min_lots=3, bar_seconds=60, bucket_lots=500),
    ).values  # fmt: skip


def test_a_level_above_and_its_mirror_image_below_are_the_same_row():
    if is_interpreted():
        pytest.skip("a whole market needs compiled kernels")
    trades = simulate(SimulatorSettings(duration_s=1200.0), seed=3).trades
    mirrored = replace(trades, price_ticks=40_000 - trades.price_ticks, sign=-trades.sign)
    sweep = assign_sweeps(trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign)
    rows = []
    for market, side in ((trades, 1.0), (mirrored, -1.0)):
        values = values_of(market, sweep)
        level = np.zeros((len(values), len(LEVEL_NAMES)))
        level[:, LEVEL_NAMES.index("level_side")] = side
        names, columns = touch_columns(level, values, ALL_NAMES)
        rows.append(columns[:, len(LEVEL_NAMES) :])
    for name, one, other in zip(names[len(LEVEL_NAMES) :], rows[0].T, rows[1].T, strict=True):
        # Relative moves of the mirrored price are those of another price level.
        near = 0.01 if name.startswith("amihud") else 1e-6
        np.testing.assert_allclose(one, other, rtol=near, atol=1e-9, err_msg=name)


def is_interpreted():
    import numba

    return bool(numba.config.DISABLE_JIT)
