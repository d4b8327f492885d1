"""Sweeps as orders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.sweeps import assign_sweeps, continue_sweep_table, sweep_table
from orderflow_core.types import TradeArrays
from tests.core import bar_cases, captures
from tests.core import trade_cases as cases
from tests.naive import sweeps as naive


def drawn_sweeps(drawn):
    return assign_sweeps(*(drawn[name] for name in ("ts", "trade_id", "price", "sign")))


@given(cases.trades())
def test_table_equals_the_obvious_loop(drawn):
    sweep = drawn_sweeps(drawn)
    table = sweep_table(sweep, bar_cases.bundle(drawn))
    lists = [drawn[name].tolist() for name in ("ts", "price", "qty", "sign")]
    assert bar_cases.rows(table) == naive.sweep_table(sweep.tolist(), *lists)
    assert table.qty_lots.sum() == drawn["qty"].sum()


@given(st.data(), cases.trades())
def test_chunks_equal_the_whole(data, drawn):
    sweep, trades = drawn_sweeps(drawn), bar_cases.bundle(drawn)

    def step(state, first, end, inside, is_last):
        return continue_sweep_table(
            state, sweep[first:end], trades.slice(first, end), ended=is_last
        )

    got = bar_cases.in_chunks(data, len(sweep), drawn["starts"], step)
    bar_cases.same_bits(got, bar_cases.columns(sweep_table(sweep, trades)))


@given(st.data(), cases.trades())
def test_a_sweep_that_ended_stays_as_it_is(data, drawn):
    sweep, trades = drawn_sweeps(drawn), bar_cases.bundle(drawn)
    cut = data.draw(st.integers(0, len(sweep)))
    ended, _ = continue_sweep_table(None, sweep[:cut], trades.slice(0, cut))
    whole = bar_cases.rows(sweep_table(sweep, trades))
    assert bar_cases.rows(ended) == whole[: len(ended)]


def fills(price=(10, 14, 9), qty=(3, 1, 5), sign=(1, 1, -1), ts=(7, 7, 7)):
    columns = {"ts_event_ns": ts, "trade_id": (1, 2, 3), "price_ticks": price, "qty_lots": qty}
    return TradeArrays(
        **{name: np.array(values) for name, values in columns.items()}, sign=np.array(sign, np.int8)
    )


def test_a_table_by_hand():
    # 10 + 1 * 4 / 4 = 11 for the two buys; the sell alone at 9.
    assert bar_cases.rows(sweep_table([4, 4, 5], fills())) == [
        (0, 2, 7, 1, 4, 2, 10, 14, 11.0),
        (2, 3, 7, -1, 5, 1, 9, 9, 9.0),
    ]
    open_one, state = continue_sweep_table(None, [4, 4, 5], fills())
    assert len(open_one) == 1
    assert (state.n_trades, state.sweep.tolist(), state.fills.qty_lots.tolist()) == (3, [5], [5])


def test_nothing_and_errors():
    assert len(sweep_table([], fills().slice(0, 0))) == 0
    with pytest.raises(ValueError, match="sweep must be non-decreasing"):
        sweep_table([1, 0, 0], fills())
    with pytest.raises(ValueError, match="one sign, got 1 and -1 in sweep 4"):
        sweep_table([4, 4, 4], fills())
    with pytest.raises(ValueError, match="one ts_event_ns, got 7 and 8"):
        sweep_table([4, 4, 5], fills(ts=(7, 8, 8)))
    with pytest.raises(ValueError, match="qty_lots"):
        sweep_table([4, 4, 5], fills(qty=(1, 0, 1)))
    with pytest.raises(ValueError, match="one length"):
        sweep_table([4], fills())
    with pytest.raises(TypeError, match="price_ticks"):
        sweep_table([4, 4, 5], fills(price=(1.0, 2.0, np.nan)))
    with pytest.raises(ValueError, match="overflow int64"):
        sweep_table([4, 4, 5], fills(price=(0, 2**40, 0), qty=(1, 2**30, 1)))
    with pytest.raises(ValueError, match="overflow int64"):  # a span of 2**64 - 1 is no step of -1
        sweep_table([4, 4, 5], fills(price=(-(2**63), 2**63 - 1, 0), qty=(1, 1, 1)))


@pytest.mark.parametrize("name", ["usdm/btcusdt_20240719.gz", "cm/btcusd_perp_20240808.gz"])
def test_orders_of_recorded_trades(test_data, name):
    (ids, ts, price, qty, sign), *_ = captures.read_capture(test_data / captures.FOLDER / name)
    trades = TradeArrays(
        ts_event_ns=ts, trade_id=ids, price_ticks=price, qty_lots=qty, sign=sign.astype(np.int8)
    )
    table = sweep_table(assign_sweeps(ts, ids, price, sign, max_id_step=2), trades)
    assert table.qty_lots.sum() == qty.sum()
    assert table.n_fills.sum() == len(qty)
    assert (table.sign * (table.last_ticks - table.first_ticks) >= 0).all()
    # Half of the fills and more belong to orders of several.
    assert table.n_fills[table.n_fills > 1].sum() > 0.5 * len(qty)
