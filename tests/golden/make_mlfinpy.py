"""Make the golden file of mlfinpy, an independent maker of tick, volume and dollar bars.

mlfinpy 0.1.2 has an environment of its own::

    python3.11 -m venv /tmp/mlfinpy && /tmp/mlfinpy/bin/pip install "mlfinpy==0.1.2"
    ORDERFLOW_TEST_DATA=<folder> /tmp/mlfinpy/bin/python -m tests.golden.make_mlfinpy

run from the root of the repository. It writes ``mlfinpy_bars.json`` beside itself: for each kind of
bar the number of bars, the sum of the end positions weighted by the bar's number, and the columns of
the first bars, prices in quarter points. The recording stays where it is.
"""

import json
import os
from pathlib import Path

import pandas as pd
from mlfinpy.data_structure import get_dollar_bars, get_tick_bars, get_volume_bars

HERE = Path(__file__).parent
N_TRADES, N_SHOWN = 20_000, 5
# Thresholds in our units: trades, contracts, quarter points x contracts.
SIZES = {"count": 100, "volume": 500, "notional": 4_000_000}


def main():
    folder = Path(os.environ["ORDERFLOW_TEST_DATA"])
    trades = pd.read_csv(folder / "emini_mlfinpy" / "tick_data.csv.gz", nrows=N_TRADES)
    made = {
        "count": get_tick_bars(trades, threshold=SIZES["count"], verbose=False),
        "volume": get_volume_bars(trades, threshold=SIZES["volume"], verbose=False),
        "notional": get_dollar_bars(trades, threshold=SIZES["notional"] / 4, verbose=False),
    }
    golden = {"n_trades": N_TRADES} | {kind: summary(kind, bars) for kind, bars in made.items()}
    (HERE / "mlfinpy_bars.json").write_text(json.dumps(golden, indent=1) + "\n")


def summary(kind, bars):
    quarters = bars[["open", "high", "low", "close"]] * 4
    shown = {
        f"{name}_ticks": quarters[name].head(N_SHOWN).astype(int).tolist() for name in quarters
    }
    number = pd.Series(range(1, len(bars) + 1))
    return {
        "size": SIZES[kind],
        "n_bars": len(bars),
        "end_checksum": int((bars["tick_num"] * number).sum()),
        **shown,
        "volume_lots": bars["volume"].head(N_SHOWN).astype(int).tolist(),
    }


if __name__ == "__main__":
    main()
