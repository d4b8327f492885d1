"""Pictures of research on a day: features, labels, splits, the ladder, a backtest, the hash of rows."""

from typing import TYPE_CHECKING

import numpy as np

from models.datasets import Dataset
from models.metrics import midranks
from models.tasks import Task
from models.train import walk_forward
from orchestration.charts import theme
from orchestration.charts.glossary.axes import clock, forest, panels, plain, seconds, side_colours
from orchestration.charts.glossary.market import EMINI_DAY, Picture
from orchestration.charts.png import new_figure
from orchestration.storage.conform import conform, with_store_columns
from orchestration.storage.content_hash import content_hash
from orchestration.storage.tables import RAW_TRADES
from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import Rules, run_signal
from orderflow_core.backtest.fills import market_from_trades
from orderflow_core.backtest.nulls import buy_and_hold, shuffled_signal_null
from orderflow_core.features import FeatureMatrix, decision_features
from orderflow_core.labels import LabelArrays, direction_labels, return_labels
from orderflow_core.splits import purged_walk_forward
from orderflow_core.sweeps import sweep_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NS_PER_S = 1_000_000_000
_N_SWEEPS = 200


def feature_matrix(picture: Picture) -> "Figure":
    """Each feature of the core at each minute, as its rank in the day."""
    from matplotlib.colors import ListedColormap

    matrix = _features(picture, 60)
    values = matrix.values.T
    is_known = ~np.isnan(values).all(axis=1)
    rank = np.full(values.shape, np.nan)
    for row, column in zip(rank, values, strict=True):
        is_warm = ~np.isnan(column)
        row[is_warm] = midranks(column[is_warm]) / max(is_warm.sum(), 1)
    shades = [theme.blend(theme.SELL, s) for s in (1, 0.7, 0.4, 0.15)]
    shades += [theme.blend(theme.BUY, s) for s in (0.15, 0.4, 0.7, 1)]
    colours = ListedColormap(shades).with_extremes(bad=theme.LINE)
    figure = new_figure(7.6, 0.9 + 0.16 * is_known.sum())
    axes = figure.add_subplot()
    plain(axes)
    axes.grid(visible=False)
    first, last = int(matrix.t0_ns[0]), int(matrix.t0_ns[-1])
    axes.imshow(
        rank[is_known], aspect="auto", cmap=colours, interpolation="nearest", vmin=0, vmax=1,
        extent=(0, (last - first) / _NS_PER_S, is_known.sum() - 0.5, -0.5),
    )  # fmt: skip
    names = [name for name, known in zip(matrix.names, is_known, strict=True) if known]
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set_title(
        "Features by minute: rank in the day, low vermilion to high blue, grey not warm",
        fontsize=9, loc="left",
    )  # fmt: skip
    clock(axes, picture, first, last)
    return figure


def labels(picture: Picture) -> "Figure":
    """From decisions to the time at which their outcome is known, 200 sweeps later."""
    trades = picture.trades
    found = _directions(picture)
    busiest = int(np.argmax(picture.flow.bars.volume_lots))
    first = int(picture.bars.t0_ns[busiest]) - 60 * _NS_PER_S
    last = first + 360 * _NS_PER_S
    figure, (axes,) = panels(
        3.2, title=f"Direction over the next {_N_SWEEPS} sweeps: up blue, down vermilion"
    )
    inside = np.flatnonzero((trades.ts_event_ns >= first) & (trades.ts_event_ns < last))[::5]
    axes.plot(
        seconds(trades.ts_event_ns[inside], first), picture.price(trades.price_ticks[inside]),
        color=theme.LINE, lw=0.8,
    )  # fmt: skip
    rows = np.flatnonzero((found.t0_ns >= first) & (found.t1_ns < last))[::150]
    times = np.array([found.t0_ns[rows], found.t1_ns[rows]])
    ticks = trades.price_ticks[np.searchsorted(trades.ts_event_ns, times, side="right") - 1]
    colours = side_colours(found.label[rows])
    for x, y, colour in zip(seconds(times, first).T, picture.price(ticks).T, colours, strict=True):
        axes.plot(x, y, color=colour, lw=1.2, marker="o", markevery=[0], ms=4)
        axes.plot(x[1], y[1], color=colour, marker="|", ms=9)
    axes.set_xlabel("dot: decision t0; stroke: t1, the outcome is known", fontsize=8)
    clock(axes, picture, first, last)
    return figure


def walk_forward_split(picture: Picture) -> "Figure":
    """What trains, what is purged and what is tested in each fold, by decision time."""
    found = _returns(picture, 60, horizon_s=1_200)
    folds = purged_walk_forward(found.t0_ns, found.t1_ns, n_folds=4, embargo_ns=600 * _NS_PER_S)
    first = int(found.t0_ns[0])
    x = seconds(found.t0_ns, first)
    figure, (axes,) = panels(2.4, title="Outcomes after 20 minutes, embargo of 10 minutes")
    for fold in folds:
        train, test = fold.train_idx, fold.test_idx
        purged = np.setdiff1d(np.arange(test[0]), train)
        for rows, colour, name in (
            (train, theme.BUY, "training"), (purged, theme.NOTE, "purged, embargo"),
            (test, theme.INK, "test"),
        ):  # fmt: skip
            axes.barh(
                fold.fold, x[rows[-1]] - x[rows[0]], 0.6, x[rows[0]], color=colour,
                label=name if fold.fold == 0 else None,
            )  # fmt: skip
    axes.set_yticks(range(len(folds)), [f"fold {fold.fold}" for fold in folds], fontsize=8)
    axes.invert_yaxis()
    axes.legend(fontsize=8, frameon=False, loc="upper right")
    clock(axes, picture, first, int(found.t0_ns[-1]))
    return figure


def ladder(picture: Picture) -> "Figure":
    """What each rung saves of the loss of the rung below, out of fold, with intervals."""
    matrix, found = _features(picture, 30), _returns(picture, 30, horizon_s=60)
    known = ~np.isnan(found.label)
    warm = ~np.isnan(matrix.values).all(axis=0)
    dataset = Dataset(
        features=np.ascontiguousarray(matrix.values[known][:, warm]),
        names=tuple(name for name, is_warm in zip(matrix.names, warm, strict=True) if is_warm),
        label=found.label[known],
        t0_ns=found.t0_ns[known],
        t1_ns=found.t1_ns[known],
        decision_id=matrix.decision_id[known],
        trading_day=found.t0_ns[known] // (86_400 * _NS_PER_S),
    )
    result = walk_forward(
        dataset, Task("return_60s"), n_folds=4, embargo_ns=60 * _NS_PER_S, n_boot=500
    )
    base = next(s for s in result.scores["base_rate"] if s.metric == result.task.loss).value
    rows = [
        (
            f"{c.upper} less {c.below}",
            [(100 * c.low / base, 100 * c.difference / base, 100 * c.high / base)],
        )
        for c in result.comparisons
    ]
    figure = new_figure(6.8, 2.4)
    axes = figure.add_subplot()
    forest(axes, rows, ("difference",))
    axes.axvline(0, color=theme.LINE, lw=1)
    axes.set_xlabel(
        "difference of the squared error, % of the base rate's; below 0 is better", fontsize=8
    )
    axes.set_title(
        f"Return over 60 s on {len(result.row_idx):,} out-of-fold rows: candidate {result.candidate}",
        fontsize=9, loc="left",
    )  # fmt: skip
    return figure


def backtest(picture: Picture) -> "Figure":
    """Equity of a signal, of holding, and where the same signal at wrong times ends."""
    index, bars = picture.bars, picture.flow.bars
    share = bars.delta_lots / np.maximum(bars.volume_lots, 1)
    target = np.where(np.abs(share) >= 0.3, np.sign(share), 0).astype(np.int64)
    market = market_from_trades(picture.trades, picture.instrument.tick_steps)
    instrument = picture.instrument
    rules = Rules(
        latency_ns=50_000_000,
        costs=Costs(
            taker_fee=0.0, fee_per_contract=float(instrument.fee_per_contract), slippage_ticks=0
        ),
        tick_value=float(instrument.price_step * instrument.contract_value), contracts_per_lot=1.0,
        session_start_ns=index.t0_ns[:1], session_end_ns=index.t1_ns[-1:],
        mark_interval_ns=60 * _NS_PER_S,
    )  # fmt: skip
    result, held = run_signal(market, index.t1_ns, target, rules), buy_and_hold(market, rules)
    null = shuffled_signal_null(market, index.t1_ns, target, rules, n_null=100)
    first = int(index.t0_ns[0])
    figure, (axes, position) = panels(
        2.6, 0.8, title="Follow the delta of each minute, every cost paid: equity in USD"
    )
    for run, colour, name in ((result, theme.STRATEGY, "signal"), (held, theme.BENCHMARK, "held")):
        axes.plot(seconds(run.mark_ts_ns, first), run.equity, color=colour, lw=1.1, label=name)
    low, middle, high = null.pnl_quantiles()
    end = seconds(index.t1_ns[-1], first)
    axes.errorbar(
        [0.985 * end], [middle], [[middle - low], [high - middle]], color=theme.NOTE, capsize=4,
        marker="o", ms=4, label="the same signal at wrong times, at the end",
    )  # fmt: skip
    axes.legend(fontsize=8, frameon=False)
    position.step(
        seconds(result.mark_ts_ns, first), result.mark_position_lots, color=theme.INK, lw=0.5
    )
    position.set_ylabel("lots", fontsize=8)
    clock(position, picture, first, int(index.t1_ns[-1]))
    return figure


def hashes(picture: Picture) -> "Figure":
    """The bits of the day's hash; of the same rows in another order; and with one lot more."""
    from matplotlib.colors import ListedColormap

    payload = conform(RAW_TRADES, picture.rows.drop_columns(["unit"]), unit="sample")
    rows = with_store_columns(RAW_TRADES, payload, picture.instrument.symbol, EMINI_DAY, 1)
    lots = np.asarray(rows["qty_lots"]).copy()
    lots[0] += 1
    column = rows.schema.get_field_index("qty_lots")
    more = rows.set_column(column, "qty_lots", [lots])
    backwards = rows.take(np.arange(len(rows))[::-1])
    shown = (("the day", rows), ("its rows backwards", backwards), ("one lot more", more))
    two_colours = ListedColormap([theme.GRID, theme.INK])
    figure = new_figure(6.4, 2.8)
    for axes, (name, table) in zip(figure.subplots(1, 3), shown, strict=True):
        digest = content_hash(RAW_TRADES, table)
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(digest), np.uint8)).reshape(16, 16)
        axes.pcolormesh(bits, cmap=two_colours, edgecolors=theme.PAPER, lw=0.8)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(f"{name}\n{digest[:12]}...", fontsize=8)
    return figure


def _features(picture: Picture, interval_s: int) -> FeatureMatrix:
    return decision_features(
        picture.trades, picture.sweep, None, session_start_idx=[0], gap_idx=np.empty(0, np.int64),
        session_ended=True, clock=f"time:{interval_s}s",
    )  # fmt: skip


def _outcome_rules(picture: Picture) -> dict[str, object]:
    none = np.empty(0, np.int64)
    last = int(picture.trades.ts_event_ns[-1])
    return {
        "session_end_ns": last + 1,
        "gap_start_ns": none,
        "gap_end_ns": none,
        "known_until_ns": last,
    }


def _directions(picture: Picture) -> LabelArrays:
    trades = picture.trades
    t0 = sweep_table(picture.sweep, trades).ts_ns
    return direction_labels(
        t0, trades.ts_event_ns, 2 * trades.price_ticks, horizon_sweeps=_N_SWEEPS,
        **_outcome_rules(picture),
    )  # fmt: skip


def _returns(picture: Picture, interval_s: int, *, horizon_s: int) -> LabelArrays:
    trades = picture.trades
    return return_labels(
        _features(picture, interval_s).t0_ns, trades.ts_event_ns, 2 * trades.price_ticks,
        horizon_ns=horizon_s * _NS_PER_S, **_outcome_rules(picture),
    )  # fmt: skip


PICTURES = {
    "features": ("ES", feature_matrix),
    "labels": ("ES", labels),
    "walk_forward": ("ES", walk_forward_split),
    "ladder": ("ES", ladder),
    "backtest": ("ES", backtest),
    "content_hash": ("ES", hashes),
}
