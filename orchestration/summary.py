"""What a run, an ingest or a scoring came to: one plain object, and tables for a terminal."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc
from rich.table import Table

from orchestration.arrays import column
from orchestration.backtest_summary import pooled_backtest
from orchestration.pipeline import Materialized
from orchestration.runtime import instrument, open_tracking, settings
from orchestration.storage.store import Store


def run_summary(
    store: Store, symbol: str, days: Sequence[date], made: Sequence[Materialized]
) -> dict[str, Any]:
    """Return rows and time per stage, the days' key levels, models, champion and backtest."""
    return {
        "symbol": symbol,
        "days": [day.isoformat() for day in days],
        "stages": stage_rows(made),
        "classification": [_classification(store, symbol, day) for day in days],
        "levels": [session_levels(store, symbol, day) for day in days],
        "models": [m for m in open_tracking().models() if m["symbol"] == symbol and m["is_newest"]],
        "backtest": pooled_backtest(store, instrument(symbol), days, settings()),
    }


def stage_rows(made: Sequence[Materialized]) -> list[dict[str, Any]]:
    """Return rows and seconds per table, summed over the partitions, in the order of the graph."""
    stages: dict[str, dict[str, Any]] = {}
    for one in made:
        entry = stages.setdefault(
            one.table, {"table": one.table, "partitions": 0, "rows": 0, "seconds": 0.0}
        )
        entry["partitions"] += 1
        entry["rows"] += one.rows or 0
        entry["seconds"] = round(entry["seconds"] + one.elapsed_s, 3)
    return list(stages.values())


def _classification(store: Store, symbol: str, day: date) -> dict[str, Any]:
    trades = store.read("flow.classified_trades", symbol, day, columns=["sign", "qty_lots", "sweep"])
    sign, qty = column(trades, "sign"), column(trades, "qty_lots")
    return {
        "day": day.isoformat(),
        "trades": len(sign),
        "sweeps": int(pc.max(trades["sweep"]).as_py()) + 1 if len(sign) else 0,
        "unsigned_share": float(np.mean(sign == 0)) if len(sign) else 0.0,
        "unsigned_volume_share": float(qty[sign == 0].sum() / qty.sum()) if len(sign) else 0.0,
    }


def session_levels(store: Store, symbol: str, day: date) -> dict[str, Any]:
    """Return POC and value area of one day, in quote currency."""
    kinds = ["session_poc", "session_val", "session_vah"]
    rows = store.read("flow.events", symbol, day, where={"kind": kinds})
    known = instrument(symbol)
    prices = known.ticks_to_price(column(rows, "price_tick"))
    named = dict(zip(rows["kind"].to_pylist(), prices.tolist(), strict=True))
    return {"day": day.isoformat()} | {k.removeprefix("session_"): named.get(k) for k in kinds}


def summary_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return a run's summary as tables for a terminal."""
    stages = _table("Stages", "table", "days", "rows", "seconds")
    for s in summary["stages"]:
        stages.add_row(s["table"], str(s["partitions"]), f"{s['rows']:,}", f"{s['seconds']:.2f}")
    total = sum(s["seconds"] for s in summary["stages"])
    stages.add_row("total", "", "", f"{total:.2f}", style="bold")
    days = _table("Days", "day", "trades", "sweeps", "unsigned", "POC", "VAL", "VAH")
    for found, level in zip(summary["classification"], summary["levels"], strict=True):
        shown = ["-" if level[k] is None else f"{level[k]:,.10g}" for k in ("poc", "val", "vah")]
        days.add_row(
            found["day"],
            f"{found['trades']:,}",
            f"{found['sweeps']:,}",
            f"{found['unsigned_share']:.3%}",
            *shown,
        )
    return [stages, days, model_table(summary["models"]), backtest_table(summary["backtest"])]


def backtest_table(found: Mapping[str, str]) -> Table:
    """Return a backtest's summary as a table."""
    table = Table(title="Backtest of the direction signal", show_header=False, title_justify="left")
    for name, value in found.items():
        table.add_row(name, value)
    return table


def ingest_table(symbol: str, result: Mapping[str, Any]) -> Table:
    """Return an ingest's summary as a table."""
    table = Table(title=f"Ingested {symbol}", show_header=False, title_justify="left")
    for name in ("offered", "stored", "quarantined"):
        table.add_row(name, f"{result[name]:,}")
    for name in ("first", "last", "hash"):
        table.add_row(name, str(result[name]))
    table.add_row("trading days", ", ".join(result["days"]))
    for kind, n in result["other"].items():
        table.add_row(f"other: {kind}", f"{n:,}")
    return table


def score_table(result: Mapping[str, Any]) -> Table:
    """Return the scores of classification rules as a table."""
    title = f"{result['symbol']} {result['day']}: accuracy, {result['join']} quote join"
    table = _table(title, "rule", "per", "n", "decided", "accuracy", "95 % interval")
    for name, scores in result["rules"].items():
        for per, s in scores.items():
            interval = f"[{s['low']:.4f}, {s['high']:.4f}]"
            table.add_row(
                name, per, f"{s['n']:,}", f"{s['n_decided']:,}", f"{s['accuracy']:.4f}", interval
            )
    return table


def model_table(models: Sequence[Mapping[str, Any]]) -> Table:
    """Return registered models with the scores of every rung as a table."""
    table = _table("Models", "model", "rung", "metric", "value", "95 % interval", "base", "")
    for model in models:
        name = f"{model['name']} v{model['version']}"
        for s in model["scores"]:
            mark = "registered" if s["rung"] == model["rung"] else ""
            table.add_row(
                name,
                s["rung"],
                s["metric"],
                _number(s["value"]),
                f"[{_number(s['low'])}, {_number(s['high'])}]",
                _number(s.get("base")),
                mark,
            )
        aliases = ", ".join(model["aliases"]) or "none"
        table.add_row(name, f"aliases: {aliases}", model["reason"], "", "", "", "", style="bold")
    return table


def quarantine_rows(store: Store, symbol: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first rejected records of a symbol, and how many there are."""
    rows = store.read("raw.quarantine", symbol)
    shown = rows.slice(0, limit).select(
        ["trading_day", "kind", "reason", "detail", "source", "unit", "line", "record"]
    )
    return shown.to_pylist(), rows.num_rows


def quarantine_table(rows: Sequence[Mapping[str, Any]], total: int) -> Table:
    """Return rejected records as a table."""
    table = _table(
        f"Quarantine: {len(rows)} of {total:,} records", "day", "line", "kind", "reason", "detail",
        "unit",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            str(row["trading_day"]), str(row["line"]), row["kind"], row["reason"], row["detail"],
            row["unit"][:12],
        )  # fmt: skip
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        is_number = name in {"rows", "seconds", "n", "decided", "accuracy", "value", "trades", "sweeps"}
        table.add_column(name, justify="right" if is_number else "left")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
