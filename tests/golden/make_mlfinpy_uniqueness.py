"""Make the golden file of mlfinpy's average uniqueness.

mlfinpy 0.1.2 has an environment of its own::

    python3.11 -m venv /tmp/mlfinpy && /tmp/mlfinpy/bin/pip install "mlfinpy==0.1.2"
    /tmp/mlfinpy/bin/python -m tests.golden.make_mlfinpy_uniqueness

run from the root of the repository. It writes ``mlfinpy_uniqueness.json`` beside itself: first and
last bar of labels on bars 0, 1, 2, ..., and what mlfinpy says of them.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from mlfinpy.sampling.concurrent import (
    get_av_uniqueness_from_triple_barrier,
)

N_BARS, N_LABELS = 400, 250


def main() -> None:
    """Write the golden file."""
    rng = np.random.default_rng(7)
    first = np.sort(rng.choice(N_BARS - 40, N_LABELS, replace=False))
    last = first + rng.integers(0, 40, N_LABELS)
    bars = pd.date_range("2024-01-01", periods=N_BARS, freq="min")
    events = pd.DataFrame({"t1": bars[last]}, index=bars[first])
    close = pd.DataFrame({"close": np.ones(N_BARS)}, index=bars)
    found = get_av_uniqueness_from_triple_barrier(events, close, num_threads=1, verbose=False)
    golden = {
        "first_bar": first.tolist(),
        "last_bar": last.tolist(),
        "average_uniqueness": found["tW"].astype(float).tolist(),
    }
    path = Path(__file__).with_name("mlfinpy_uniqueness.json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
