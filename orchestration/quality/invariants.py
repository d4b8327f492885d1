"""What must hold for every row and between tables; plain numpy, exact, over all rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.quality.outcome import CheckOutcome, rule
from orchestration.sources.jumps import jumps
from orderflow_core.instrument import Instrument


def _total(table: pa.Table, *columns: str) -> int:
    return sum(int(table[column].to_numpy().sum()) for column in columns)


def check_order(table: pa.Table) -> CheckOutcome:
    """Trades must come in the order ``(ts_event_ns, trade_id)``, which is that of the venue's ids.

    A venue counts trades and aggregates (whose ``venue_id`` names their fills) separately.
    """
    ts = table["ts_event_ns"].to_numpy()
    ids = table["trade_id"].to_numpy()
    ts_step, id_step = np.diff(ts), np.diff(ids)
    backward = int(np.count_nonzero(ts_step < 0))
    is_rising = bool((id_step > 0).all())  # the usual case: no id is repeated, tied or runs back
    tied = 0 if is_rising else int(np.count_nonzero((ts_step == 0) & (id_step <= 0)))
    repeated = 0 if is_rising else len(ids) - len(np.unique(ids))
    counted = [] if is_rising else _counts_of_ids(table)
    inverted = sum(int(np.count_nonzero(np.diff(ids[own]) < 0)) for own in counted)
    rows = (
        rule("time never runs back", backward == 0, backward),
        rule("ids increase within one time", tied == 0, tied),
        rule("ids never run back along the day", inverted == 0, inverted),
        rule("no id twice", repeated == 0, repeated),
    )
    passed = not (backward or tied or inverted or repeated)
    return CheckOutcome(name="order", passed=passed, rows=rows)


def check_jumps(table: pa.Table, tick_steps: int) -> CheckOutcome:
    """No trade should leap from the one before it (:func:`~orchestration.sources.jumps.jumps`).

    Not blocking: whether a leap is a wrong print or a true move only what comes later can tell.
    """
    found = jumps(table["price_ticks"].to_numpy(), tick_steps)
    at = [table[name].to_numpy()[found[:1]].tolist() for name in ("ts_event_ns", "line")]
    where = f", the first at {at[0][0]} ns, line {at[1][0]}" if len(found) else ""
    said = rule("no price leaps by 5 % and ten ticks", not len(found), f"{len(found)}{where}")
    return CheckOutcome(name="jumps", passed=not len(found), blocking=False, rows=(said,))


def check_sessions(table: pa.Table, instrument: Instrument) -> CheckOutcome:
    """Where nothing trades between two sessions (``roll``), no trade should lie there.

    Not blocking: such trades are stored with a mark. Equities trade before and after theirs.
    """
    n = int(np.count_nonzero(table["is_outside_session"].to_numpy()))
    passed = not n or instrument.day_rule != "roll"
    said = rule("no trade while the calendar is shut", passed, f"{n} of {len(table)}")
    return CheckOutcome(name="sessions", passed=passed, blocking=False, rows=(said,))


def _counts_of_ids(table: pa.Table) -> list[np.ndarray]:
    if "venue_id" not in table.column_names:  # raw.trades, which has it, was judged before
        return []
    is_trade = pc.equal(table["venue_id"], "").to_numpy()
    return [is_trade, ~is_trade]


def check_conservation(name: str, whole: pa.Table, parts: pa.Table, *volume: str) -> CheckOutcome:
    """The volume of ``parts`` must equal the volume of the trades in ``whole``, to the lot.

    Parameters
    ----------
    name : str
        Name of the check.
    whole : pyarrow.Table
        Trades with ``qty_lots``.
    parts : pyarrow.Table
        What was made of them.
    *volume : str
        Columns of ``parts`` that add up to volume.
    """
    expected, found = _total(whole, "qty_lots"), _total(parts, *volume)
    same = expected == found
    return CheckOutcome(
        name=name,
        passed=same,
        rows=(rule(f"{' + '.join(volume)} = traded volume {expected}", same, found),),
    )


def check_out_of_fold(predictions: pa.Table) -> CheckOutcome:
    """Each prediction must come from a model whose training had ended before the decision."""
    known = predictions["train_end_ns"].to_numpy()
    decided = predictions["t0_ns"].to_numpy()
    early = int(np.count_nonzero(known >= decided))
    return CheckOutcome(
        name="out_of_fold",
        passed=early == 0,
        rows=(rule("train_end_ns < t0_ns", early == 0, f"{early} of {len(known)} too early"),),
    )
