"""Print how often each rule finds the true aggressor on recorded Binance trades.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.classification_accuracy

Shares are per cent with their 95 % interval: per fill clustered by sweep, per sweep (the rule's sign
of its first fill against the true one) Wilson's. Truth is the venue's maker flag; only prints that a
market order made count. Spot quotes carry no exchange time: they are joined by our receive times, as
they came and less the lag that does best. The further tables hold all files together: each rule, each
place in the spread, each confidence; and bulk volume by the length of the bar.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.arrays import column, quote_arrays
from orchestration.instruments import load_instruments
from orchestration.sources.capture import read_capture
from orderflow_core.alignment import quote_at_trade
from orderflow_core.bulk_volume import bulk_volume
from orderflow_core.classify import RESEARCH_RULES, RULES, Classified, classify
from orderflow_core.instrument import Instrument
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.quote_rules import lee_ready
from orderflow_core.scoring import (
    Score,
    ScoreReport,
    score_report,
    score_signs,
    score_volume,
    spread_position,
)
from orderflow_core.sweeps import assign_sweeps, sweep_bounds
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import Int8, Int64, QuoteAtTrade

MS_NS = 1_000_000
FOLDER = Path("binance_ws/hftbacktest")
SYMBOLS = {
    "usdm/btcusdt": "BTCUSDT",
    "usdm/ethusdt": "ETHUSDT",
    "cm/btcusd_perp": "BTCUSD_PERP",
    "cm/ethusd_perp": "ETHUSD_PERP",
    "spot/btcusdt": "BTCUSDT.SPOT",
    "spot/ethusdt": "ETHUSDT.SPOT",
}
HEADER = (
    "file", "fills", "sweeps", "run back", "tick, fill", "tick, sweep", "LR strict, fill",
    "LR strict, sweep", "LR inclusive, fill", "LR inclusive, sweep",
)  # fmt: skip
LAGS_MS = (0, 1, 5, 10, 25, 50, 100, 250, 500)
SINGLE_RULES = tuple(rule for rule in (*RULES, *RESEARCH_RULES) if rule != "native")
BAR_S, BULK_WINDOW = (1, 5, 15), 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The market orders' prints of one file, with the quote strictly before each."""

    name: str
    trades: pa.Table
    quotes: pa.Table
    sweep: Int64
    n_back: int

    def of_trades(self, column_name: str) -> Int64:
        """Return a column of the trades."""
        return column(self.trades, column_name)

    @property
    def truth(self) -> Int8:
        """True sign of each trade."""
        return self.of_trades("native_sign").astype(np.int8)

    @property
    def is_stamped(self) -> bool:
        """Whether the quotes carry the exchange's time."""
        return len(self.quotes) > 0 and not column(self.quotes, "ts_source").any()


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    found = recordings(Path(data) / FOLDER)
    stamped = [recording for recording in found if recording.is_stamped]
    show(HEADER, [rule_scores(recording) for recording in found])
    show(("spot file", "best lag, ms", *(f"{lag} ms" for lag in LAGS_MS)),
         [lag_scores(recording) for recording in found if not recording.is_stamped])  # fmt: skip
    show(("rule", "decided", "per fill", "per sweep", "by volume"), all_rules(stamped))
    show(("place in the spread", "share of fills", "tick", "lee_ready"), by_position(stamped))
    show(("rule", "confidence", "share of fills", "per fill"), by_confidence(stamped))
    show(("file", "bar", "bars", "bulk volume", "t, 0.25 df", "halves"),
         [row for recording in found for row in bulk_scores(recording)])  # fmt: skip


def recordings(folder: Path) -> list[Recording]:
    instruments = load_instruments()
    return [
        read_recording(path, instruments[symbol])
        for prefix, symbol in SYMBOLS.items()
        for path in sorted(folder.glob(f"{prefix}_*.gz"))
    ]


def read_recording(path: Path, instrument: Instrument) -> Recording:
    batch = read_capture(path, instrument)
    trades = batch.trades.filter(pc.field("is_market") == 1)
    names = ("ts_event_ns", "trade_id", "price_ticks", "native_sign")
    sweep = assign_sweeps(
        *(column(trades, name) for name in names), max_id_step=instrument.max_id_step
    )
    reasons = batch.quarantine["reason"].cast(pa.string())
    return Recording(
        name=f"{path.parent.name}/{path.name.split('.')[0]}",
        trades=trades,
        quotes=batch.quotes,
        sweep=sweep,
        n_back=pc.sum(pc.equal(reasons, "time_inversion")).as_py() or 0,
    )


def rule_scores(recording: Recording) -> tuple[str | int, ...]:
    price, ts = recording.of_trades("price_ticks"), recording.of_trades("ts_event_ns")
    signs = [tick_rule(price)[0]]
    if recording.is_stamped:
        quotes = quote_arrays(recording.quotes)
        signs += [
            lee_ready(price, quote_at_trade(ts, quotes, inclusive=inclusive))[0]
            for inclusive in (False, True)
        ]
    cells = [
        cell for sign in signs for cell in fill_and_sweep(sign, recording.truth, recording.sweep)
    ]
    cells += ["no exchange time"] * (6 - len(cells))
    n_sweeps = len(np.unique(recording.sweep))
    return recording.name, len(ts), n_sweeps, recording.n_back, *cells


def lag_scores(recording: Recording) -> tuple[str | int, ...]:
    found = lag_sweep(
        np.maximum.accumulate(recording.of_trades("ts_recv_ns")),
        recording.of_trades("price_ticks"),
        quote_arrays(recording.quotes),
        recording.truth,
        [lag * MS_NS for lag in LAGS_MS],
        cluster=recording.sweep,
    )
    best = -1 if found.best_lag_ns is None else found.best_lag_ns // MS_NS
    return recording.name, best, *(f"{100 * share:.1f}" for share in found.accuracy)


def all_rules(stamped: list[Recording]) -> list[tuple[str, ...]]:
    rows = []
    for rule in SINGLE_RULES:
        sign = np.concatenate([classified(recording, rule).sign for recording in stamped])
        report = pooled_report(stamped, sign)
        decided = f"{100 * report.per_fill.n_decided / report.per_fill.n:.1f} %"
        scores = (report.per_fill, report.per_sweep, report.by_volume)
        rows.append((rule, decided, *map(shown, scores)))
    return rows


def by_position(stamped: list[Recording]) -> list[tuple[str, ...]]:
    places = [spread_position(r.of_trades("price_ticks"), met_quotes(r)) for r in stamped]
    by_rule = [
        pooled_report(
            stamped, np.concatenate([classified(r, rule).sign for r in stamped]),
            np.concatenate(places),
        ).by_position
        for rule in ("tick", "lee_ready")
    ]  # fmt: skip
    n = sum(score.n for score in by_rule[0].values())
    return [
        (place, f"{100 * by_rule[0][place].n / n:.2f} %", *(shown(s[place]) for s in by_rule))
        for place in by_rule[0]
    ]


def by_confidence(stamped: list[Recording]) -> list[tuple[str, ...]]:
    truth, sweep = pooled(stamped)
    rows = []
    for rule in SINGLE_RULES:
        found = [classified(recording, rule) for recording in stamped]
        sign = np.concatenate([one.sign for one in found])
        confidence = np.concatenate([one.confidence for one in found])
        for level in (1.0, 0.5, 0.0):
            where = confidence == level
            if where.any():
                score = score_signs(sign[where], truth[where], cluster=sweep[where])
                rows.append((rule, str(level), f"{100 * where.mean():.2f} %", shown(score)))
    return rows


def bulk_scores(recording: Recording) -> list[tuple[str | int, ...]]:
    ts, qty = recording.of_trades("ts_event_ns"), recording.of_trades("qty_lots")
    rows = []
    for seconds in BAR_S:
        bar = np.unique(ts // (seconds * 1000 * MS_NS), return_inverse=True)[1]
        close = recording.of_trades("price_ticks")[np.flatnonzero(np.diff(bar, append=-1))]
        sides = [np.zeros(len(close), np.int64) for _ in range(2)]
        for lots, sign in zip(sides, (1, -1), strict=True):
            np.add.at(lots, bar, np.where(recording.truth == sign, qty, 0))
        scores = [
            score_volume(
                bulk_volume(close, sides[0] + sides[1], window=BULK_WINDOW, student_df=df).buy_lots,
                *sides,
            )
            for df in (None, 0.25)
        ]
        cells = [f"{100 * s.accuracy:.1f} [{100 * s.low:.1f}, {100 * s.high:.1f}]" for s in scores]
        even = f"{100 * scores[0].even_split:.1f}"
        rows.append((recording.name, f"{seconds} s", scores[0].n, *cells, even))
    return rows


def classified(recording: Recording, rule: str) -> Classified:
    return classify(
        recording.of_trades("price_ticks"),
        rules=(rule,),
        at_trade=met_quotes(recording),
        qty_lots=recording.of_trades("qty_lots"),
        allow_look_ahead=True,
    )


def met_quotes(recording: Recording) -> QuoteAtTrade:
    return quote_at_trade(recording.of_trades("ts_event_ns"), quote_arrays(recording.quotes))


def pooled(stamped: list[Recording]) -> tuple[Int8, Int64]:
    # True signs and sweeps of all files, the sweeps counted on from file to file.
    counts = np.cumsum([0] + [int(recording.sweep[-1]) + 1 for recording in stamped])
    sweeps = [r.sweep + first for r, first in zip(stamped, counts[:-1], strict=True)]
    return np.concatenate([r.truth for r in stamped]), np.concatenate(sweeps)


def pooled_report(
    stamped: list[Recording], sign: Int8, position: Int8 | None = None
) -> ScoreReport:
    truth, sweep = pooled(stamped)
    qty = np.concatenate([recording.of_trades("qty_lots") for recording in stamped])
    return score_report(sign, truth, qty_lots=qty, sweep=sweep, position=position)


def fill_and_sweep(sign: Int8, truth: Int8, sweep: Int64) -> tuple[str, str]:
    first, _ = sweep_bounds(sweep)
    return (
        shown(score_signs(sign, truth, cluster=sweep)),
        shown(score_signs(sign[first], truth[first])),
    )


def show(header: tuple[str, ...], rows: list[tuple[str | int, ...]]) -> None:
    for row in (header, ("---",) * len(header), *rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def shown(score: Score) -> str:
    return f"{100 * score.accuracy:.2f} [{100 * score.low:.2f}, {100 * score.high:.2f}]"


if __name__ == "__main__":
    main()
