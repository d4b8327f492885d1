"""Holes in the venue's ids: what is missing between stored trades."""

import numpy as np

from orchestration.sources.records import Gap

# Two files merged by mistake show as ids that leap: a busy symbol makes a few million a day.
ID_LEAP = 1_000_000
_BLOCK = 1 << 16


def trade_gaps(rows: dict[str, np.ndarray], id_step: int, fill_step: int = 0) -> list[Gap]:
    """Return the holes in the ids of stored trades, and in the fills of aggregated ones.

    Parameters
    ----------
    rows : dict of ndarray of int64
        ``trade_id``, ``ts_event_ns``, ``first_id``, ``last_id`` in id order.
    id_step : int
        Largest step that is no gap; 0: ids carry no meaning, so there are none. Ids missing between
        aggregates whose fills follow each other are no gap either: what stood there had no fills.
    fill_step : int
        The same between one aggregate's last fill and the next one's first; 0: holes are usual.
    """
    if not id_step:
        return []
    ids, ts = rows["trade_id"], rows["ts_event_ns"]
    first, last = rows["first_id"], rows["last_id"]
    # Few steps are wide: what else is asked of them is asked of those alone.
    wide = _wide(ids, ids, id_step)
    step = ids[wide + 1] - ids[wide]
    is_hole = ~((last[wide] >= 0) & (first[wide + 1] == last[wide] + 1))
    gaps = [
        Gap(
            kind="trade", start_ns=int(ts[i]), end_ns=int(ts[i + 1]),
            first_missing_id=int(ids[i]) + 1, n_missing=int(n) - 1,
            reason="id_leap" if n > ID_LEAP else "missing_ids",
        )
        for i, n in zip(wide[is_hole], step[is_hole], strict=True)
    ]  # fmt: skip
    if fill_step:
        holes = _wide(last, first, fill_step)
        follows = ids[holes + 1] - ids[holes] == 1
        holes = holes[follows & (first[holes + 1] >= 0) & (last[holes] >= 0)]
        gaps += [
            Gap(
                kind="trade", start_ns=int(ts[i]), end_ns=int(ts[i + 1]),
                first_missing_id=int(last[i]) + 1, n_missing=int(first[i + 1] - last[i]) - 1,
                reason="missing_fills",
            )
            for i in holes
        ]  # fmt: skip
    return gaps


def _wide(before: np.ndarray, after: np.ndarray, most: int) -> np.ndarray:
    # Where the next one's `after` lies more than `most` above one's `before`. Block by block, as the
    # differences of millions of ids would fill memory only to be looked at once.
    before, after = before[:-1], after[1:]
    found = [
        np.flatnonzero(after[at : at + _BLOCK] - before[at : at + _BLOCK] > most) + at
        for at in range(0, len(before), _BLOCK)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)
