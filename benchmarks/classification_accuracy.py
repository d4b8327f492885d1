"""Print how often each rule finds the true aggressor on recorded Binance trades.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.classification_accuracy

Shares are per cent with their 95 % interval: per fill clustered by sweep, per sweep (the rule's sign
of its first fill against the true one) Wilson's. Truth is the venue's maker flag; only prints that a
market order made count. Spot quotes carry no exchange time, so no strict join exists for them.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.instruments import load_instruments
from orchestration.sources.capture import read_capture
from orchestration.sources.records import SourceBatch
from orderflow_core.alignment import quote_at_trade
from orderflow_core.classify import lee_ready, tick_rule
from orderflow_core.scoring import Score, score_signs
from orderflow_core.sweeps import assign_sweeps, sweep_bounds
from orderflow_core.types import Int8, Int64, QuoteArrays

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


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    instruments = load_instruments()
    rows = []
    for prefix, symbol in SYMBOLS.items():
        for path in sorted((Path(data) / FOLDER).glob(f"{prefix}_*.gz")):
            instrument = instruments[symbol]
            scores = rule_scores(read_capture(path, instrument), instrument.max_id_step)
            rows.append((f"{path.parent.name}/{path.name.split('.')[0]}", *scores))
    for row in (HEADER, ("---",) * len(HEADER), *rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def rule_scores(batch: SourceBatch, max_id_step: int) -> tuple[str | int, ...]:
    trades = batch.trades.filter(pc.field("is_market") == 1)
    ts, trade_id, price = (column(trades, k) for k in ("ts_event_ns", "trade_id", "price_ticks"))
    truth = column(trades, "native_sign").astype(np.int8)
    sweep = assign_sweeps(ts, trade_id, price, truth, max_id_step=max_id_step)
    signs = [tick_rule(price)[0]]
    quotes = timed_quotes(batch.quotes)
    if quotes is not None:
        signs += [
            lee_ready(price, quote_at_trade(ts, quotes, inclusive=inclusive))[0]
            for inclusive in (False, True)
        ]
    cells = [cell for sign in signs for cell in fill_and_sweep(sign, truth, sweep)]
    cells += ["no exchange time"] * (6 - len(cells))
    n_back = pc.sum(
        pc.equal(batch.quarantine["reason"].cast(pa.string()), "time_inversion")
    ).as_py()
    return len(ts), len(np.unique(sweep)), n_back or 0, *cells


def fill_and_sweep(sign: Int8, truth: Int8, sweep: Int64) -> tuple[str, str]:
    first, _ = sweep_bounds(sweep)
    return (
        shown(score_signs(sign, truth, cluster=sweep)),
        shown(score_signs(sign[first], truth[first])),
    )


def timed_quotes(table: pa.Table) -> QuoteArrays | None:
    if len(table) == 0 or column(table, "ts_source").any():
        return None
    names = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    return QuoteArrays(**{name: column(table, name) for name in names})


def column(table: pa.Table, name: str) -> Int64:
    return table[name].to_numpy()


def shown(score: Score) -> str:
    return f"{100 * score.accuracy:.2f} [{100 * score.low:.2f}, {100 * score.high:.2f}]"


if __name__ == "__main__":
    main()
