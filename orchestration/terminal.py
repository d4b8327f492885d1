"""Results as tables for a terminal; nothing is computed here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from orderflow_core.instrument import Instrument

_STORE_COUNTS = ("symbol_days", "rows", "replaced_rows", "unpublished_rows", "parts")


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
    notes = Table(title="Notes", show_header=False, title_justify="left")
    for note in summary["notes"]:
        notes.add_row(escape(note))
    shown = [stages, days, *([notes] if summary["notes"] else [])]
    if summary["models"] is None:
        return shown
    return [*shown, *model_tables(summary["models"]), backtest_table(summary["backtest"])]


def backtest_table(found: Mapping[str, str]) -> Table:
    """Return a backtest's summary as a table."""
    if not found:
        return _notice("no backtest is published")
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
    depth = result.get("depth", {})
    for name in depth if depth.get("offered") else ():
        table.add_row(f"updates of the book {name}", f"{depth[name]:,}")
    for kind, n in result["other"].items():
        table.add_row(f"other: {kind}", f"{n:,}")
    for finding, n in result["counts"].items():
        table.add_row(f"stored: {finding.replace('_', ' ')}", f"{n:,}")
    if missing := result["missing_ids"]:
        worst = max(missing, key=missing.__getitem__)
        table.add_row(
            "missing ids",
            f"{sum(missing.values()):,} in {len(missing)} hours, most in {worst}: {missing[worst]:,}",
        )
    return table


def repair_table(symbol: str, found: Sequence[Any]) -> Table:
    """Return what became of each gap as a table."""
    if not found:
        return _notice(f"{symbol} has no recorded gap")
    table = _table(
        f"Gaps of {symbol}", "day", "kind", "first id", "missing", "REST", "archive", "left", "why"
    )
    for gap in found:
        numbers = (gap.n_missing, gap.n_from_rest, gap.n_from_archive, gap.n_left)
        table.add_row(
            str(gap.day), gap.kind, str(gap.first_missing_id), *[f"{n:,}" for n in numbers],
            escape(gap.why),
        )  # fmt: skip
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


def lag_table(result: Mapping[str, Any]) -> Table:
    """Return Lee-Ready's accuracy by the lag of the quotes as a table."""
    best = result["best_lag_ms"]
    table = _table(
        f"{result['symbol']} {result['day']}: Lee-Ready by lag, best {best} ms",
        "lag, ms", "n", "accuracy", "95 % interval",
    )  # fmt: skip
    for s in result["lags"]:
        interval = f"[{s['low']:.4f}, {s['high']:.4f}]"
        table.add_row(str(s["lag_ms"]), f"{result['n']:,}", f"{s['accuracy']:.4f}", interval)
    return table


# The metric that decides, and what a person asks next; `orderflow models --json` has them all.
_SHOWN_METRICS = (
    "log_loss", "hit_rate", "auc_up_down", "auc", "mse", "r2_zero", "rank_ic", "pinball",
    "pinball_skill", "coverage_90",
)  # fmt: skip


def model_tables(models: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return each registered model as a table: its rungs' scores, aliases and why."""
    return [_model_table(model) for model in models] or [_notice("no model is registered")]


def ladder_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the ladder of each task: `orchestration.ladder_rows.ladder_rows`."""
    if not rows:
        return _notice("no model is registered")
    table = _table(
        "Out-of-fold loss with its 95 % interval (smaller is better); * = the registered rung",
        "symbol", "task", "rung", "score", "beats the rung below", "difference", "rows",
    )  # fmt: skip
    for row in rows:
        mark = "*" if row["is_registered"] else ""
        champion = " champion" if row["is_registered"] and "champion" in row["aliases"] else ""
        table.add_row(
            row["symbol"], f"{row['task']} v{row['version']}", f"{row['rung']}{mark}{champion}",
            f"{row['metric']} {_number(row['value'])} {_bounds(row['low'], row['high'])}",
            row["beats_below"] + (f" ({row['below']})" if row["below"] else ""),
            "" if row["difference"] is None
            else f"{row['difference']:+.3g} {_rough(row['difference_low'], row['difference_high'])}",
            f"{row['n']:,}",
        )  # fmt: skip
    return table


def size_table(
    known: Instrument,
    rows: Sequence[Mapping[str, Any]],
    *,
    budget_bp: float,
    probability: float,
) -> Table:
    """Return the largest orders that models allow: `orchestration.sizes.largest_sizes`."""
    table = _table(
        f"{known.symbol}: largest order whose impact stays within {budget_bp:g} bp with "
        f"probability {probability:g}",
        "model", "state (UTC)", "side", "lots", "quantity", "note",
    )  # fmt: skip
    for row in rows:
        notes = [] if row["is_champion"] else ["no champion"]
        notes += [] if row["is_after_training"] else ["trained on this time"]
        notes += ["no larger order is known"] if row["lots"] == row["most_lots"] else []
        table.add_row(
            row["model_version"], str(np.datetime64(row["state_ns"], "ns")),
            "buy" if row["side"] > 0 else "sell", f"{row['lots']:,}",
            f"{row['lots'] * known.lot_step:,}", "; ".join(notes),
        )  # fmt: skip
    return table


def _rough(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.3g}, {high:.3g}]"


def _bounds(low: float | None, high: float | None) -> str:
    return f"[{_number(low)}, {_number(high)}]"


def _model_table(model: Mapping[str, Any]) -> Table:
    champion = "champion" if "champion" in model["aliases"] else "champion: none"
    table = _table(
        f"{model['name']} version {model['version']} ({model['rung']}), {champion}",
        "rung", "metric", "value", "95 % interval", "base", "beats the rung below",
    )  # fmt: skip
    table.caption = f"Why: {model['reason']}"
    table.caption_justify = "left"
    for s in model["scores"]:
        if s["metric"] in _SHOWN_METRICS and s["value"] is not None:
            interval = f"[{_number(s['low'])}, {_number(s['high'])}]"
            table.add_row(
                s["rung"], s["metric"], _number(s["value"]), interval, _number(s["base"]),
                s["beats_below"],
            )  # fmt: skip
    return table


def quarantine_table(rows: Sequence[Mapping[str, Any]], total: int) -> Table:
    """Return rejected records as a table."""
    table = _table(
        f"Quarantine: {len(rows)} of {total:,} records", "day", "line", "kind", "reason", "detail",
        "unit",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            str(row["trading_day"]), str(row["line"]), row["kind"], row["reason"],
            escape(row["detail"]), row["unit"][:12],
        )  # fmt: skip
    return table


def store_tables(found: Mapping[str, Any]) -> list[Table]:
    """Return what `orderflow db status` found as tables."""
    tables = _table(
        f"Tables at publication {found['publication']}", "table", "symbol-days", "rows",
        "replaced rows", "unpublished rows", "parts", "MB",
    )  # fmt: skip
    for row in found["tables"]:
        tables.add_row(
            row["table"],
            *(f"{row[name]:,}" for name in _STORE_COUNTS),
            f"{row['disk_bytes'] / 1e6:,.1f}",
        )
    migrations = _table("Migrations", "version", "name", "applied at")
    for row in found["migrations"]:
        migrations.add_row(f"{row['version']:04d}", row["name"], row["applied_at"])
    return [tables, migrations]


def history_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the publications of a table's day as a table."""
    if not rows:
        return _notice("never published")
    table = _table("Publications, oldest first", *rows[0])
    for row in rows:
        texts = {name: str(value) for name, value in row.items()}
        texts |= {name: texts[name][:12] for name in ("unit", "hash")}
        table.add_row(*(escape(text) for text in texts.values()))
    return table


def _notice(text: str) -> Table:
    # A table without a column shows not even its title.
    table = Table(show_header=False)
    table.add_row(text)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        is_number = name in {
            "rows",
            "seconds",
            "n",
            "decided",
            "accuracy",
            "value",
            "trades",
            "sweeps",
            "symbol-days",
            "replaced rows",
            "unpublished rows",
            "parts",
            "MB",
        }
        table.add_column(name, justify="right" if is_number else "left")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
