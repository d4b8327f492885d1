"""The columns of ``flow.events``, and rows of them."""

import numpy as np
import pyarrow as pa

NO_BAR = -1
SCHEMA = pa.schema(
    [
        ("ts_event_ns", pa.int64()),
        ("kind", pa.string()),
        ("bar_id", pa.int64()),
        ("price_tick", pa.int64()),
        ("sign", pa.int8()),
        ("qty_lots", pa.int64()),
        ("value", pa.float64()),
    ]
)


def event_rows(kind: str | np.ndarray, **columns: object) -> pa.Table:
    """Return events of one kind, or of the kinds given one a row.

    Columns left out stand for: no bar, no side, no lots, no value.
    """
    ts = np.asarray(columns["ts_event_ns"], np.int64)
    n = len(ts)
    absent = {
        "bar_id": np.full(n, NO_BAR),
        "sign": np.zeros(n, np.int8),
        "qty_lots": np.zeros(n, np.int64),
        "value": np.full(n, np.nan),
    }
    given = absent | columns | {"kind": np.full(n, kind) if isinstance(kind, str) else kind}
    arrays = {name: np.asarray(given[name]) for name in SCHEMA.names}
    arrays["sign"] = arrays["sign"].astype(np.int8)
    return pa.table(
        {name: arrays[name].tolist() if name == "kind" else arrays[name] for name in SCHEMA.names},
        schema=SCHEMA,
    )
