"""The words and tables of the page: headline facts, days, backtest, provenance."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from orchestration.charts.data import DayLevels, ReportData, day_key
from orchestration.charts.formatting import (
    MISSING,
    decimals_of,
    escape,
    local_times,
    price_text,
    quantity_text,
    signed_text,
)


def tiles(data: ReportData) -> str:
    """Return the headline figures: last price, range, VWAP, volume, delta, CVD, last day's levels."""
    facts = [*_market_facts(data), *_level_facts(data)]
    boxes = "".join(
        f'<div class="tile"><div class="k">{escape(name)}</div>'
        f'<div class="v {kind}">{escape(value)}</div><div class="d">{escape(detail)}</div></div>'
        for name, value, detail, kind in facts
    )
    return f'<section class="tiles" aria-label="Headline figures">{boxes}</section>'


def _market_facts(data: ReportData) -> list[tuple[str, str, str, str]]:
    if data.bars.empty:
        return [("Bars", "0", "no trade in this period", "")]
    bars, decimals = data.bars.sort_values("t0", kind="stable"), decimals_of(data.tick_size)
    first, last = float(bars["open"].iloc[0]), float(bars["close"].iloc[-1])
    change, delta = last - first, float(bars["delta"].sum())
    volume, unsigned = float(bars["volume"].sum()), float(bars["unsigned"].sum())
    low, high = float(bars["low"].min()), float(bars["high"].max())
    share = f"{unsigned / volume:.2%} unsigned" if volume else ""
    cvd, vwap = float(bars["cvd_close"].iloc[-1]), float(bars["vwap"].iloc[-1])
    percent = f"{change / first:+.2%}".replace("-", "−") if first else MISSING
    return [
        ("Last price", price_text(last, decimals), f"{_signed_price(change, decimals)}, {percent}", ""),
        ("Low to high", f"{price_text(low, decimals)}", f"to {price_text(high, decimals)}", ""),
        (f"Volume, {data.size_unit}", quantity_text(volume), share, ""),
        ("Delta of the period", signed_text(delta), _share(delta, volume), _kind(delta)),
        ("CVD, last session", signed_text(cvd), "since session start", _kind(cvd)),
        ("Session VWAP", price_text(vwap, decimals), _deviation(bars, decimals), ""),
    ]  # fmt: skip


def _signed_price(value: float, decimals: int) -> str:
    text = price_text(value, decimals)
    return f"+{text}" if value > 0 else text


def _share(delta: float, volume: float) -> str:
    return f"{delta / volume:+.2%} of volume".replace("-", "−") if volume else ""


def _kind(value: float) -> str:
    return "buy" if value > 0 else "sell" if value < 0 else ""


def _deviation(bars: pd.DataFrame, decimals: int) -> str:
    last = bars.iloc[-1]
    if not last["vwap_sd"] > 0:
        return f"sd {price_text(float(last['vwap_sd']), decimals + 1)}"
    distance = (last["close"] - last["vwap"]) / last["vwap_sd"]
    return f"last price {distance:+.1f} sd".replace("-", "−")


def _level_facts(data: ReportData) -> list[tuple[str, str, str, str]]:
    levels, decimals = data.day_levels(), decimals_of(data.tick_size)
    if not levels:
        return []
    day, level = list(levels.items())[-1]
    low, high = price_text(level.val, decimals), price_text(level.vah, decimals)
    return [
        ("Point of control", price_text(level.poc, decimals), day, ""),
        ("Value area low to high", low, f"to {high}", ""),
    ]


def day_table(data: ReportData) -> str:
    """Return one row a trading day: prices, volume, delta and the day's POC, VAL and VAH."""
    levels = data.day_levels()
    if data.bars.empty and not levels:
        return '<p class="empty">No trading day is published for this period.</p>'
    bars = data.bars.sort_values("t0", kind="stable") if not data.bars.empty else data.bars
    groups = {}
    if not bars.empty:
        bars = bars.assign(t0=local_times(bars["t0"], data.timezone).to_numpy())
        groups = dict(list(bars.groupby(bars["trading_day"].map(day_key))))
    rows = "".join(
        _day_row(day, groups.get(day), levels.get(day), decimals_of(data.tick_size))
        for day in sorted({*groups, *levels}, reverse=True)
    )
    return (
        '<div class="scroll tall"><table><thead><tr><th class="l">Trading day</th>'
        f'<th class="l wide">Bars ({escape(data.timezone)})</th><th>POC</th><th>VAL</th><th>VAH</th>'
        '<th class="wide">Open</th><th>High</th><th>Low</th><th>Close</th><th class="wide">VWAP</th>'
        "<th>Volume</th>"
        f"<th>Delta</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _day_row(day: str, bars: pd.DataFrame | None, level: DayLevels | None, decimals: int) -> str:
    marks = [price_text(value, decimals) for value in level or (math.nan,) * 3]
    if bars is None:
        span, prices, flow = "no bars", [MISSING] * 5, f"<td>{MISSING}</td><td>{MISSING}</td>"
    else:
        start, end = pd.Timestamp(bars["t0"].iloc[0]), pd.Timestamp(bars["t0"].iloc[-1])
        span = f"{start:%d %b %H:%M} to {end:%d %b %H:%M}"
        values = [
            bars["open"].iloc[0], bars["high"].max(), bars["low"].min(), bars["close"].iloc[-1],
        ]  # fmt: skip
        prices = [price_text(float(value), decimals) for value in values]
        prices.append(price_text(float(bars["vwap"].iloc[-1]), decimals))
        delta = float(bars["delta"].sum())
        flow = (
            f"<td>{quantity_text(float(bars['volume'].sum()))}</td>"
            f'<td class="{_kind(delta)}">{signed_text(delta)}</td>'
        )
    cells = "".join(f"<td><b>{text}</b></td>" for text in marks)
    kinds = (' class="wide"', "", "", "", ' class="wide"')
    cells += "".join(f"<td{kind}>{text}</td>" for kind, text in zip(kinds, prices, strict=True))
    return f'<tr><td class="l">{escape(day)}</td><td class="l wide">{span}</td>{cells}{flow}</tr>'


def bullet_list(items: Sequence[str], empty: str) -> str:
    """Return plain texts as a list, or ``empty`` in a paragraph."""
    if not items:
        return f'<p class="muted">{escape(empty)}</p>'
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def fact_table(facts: Mapping[str, str], empty: str, *, is_hash: bool = False) -> str:
    """Return label and text pairs, or ``empty``: hashes one a line, other facts in two columns."""
    if not facts:
        return f'<p class="empty">{escape(empty)}</p>'
    kind = ' class="hash"' if is_hash else ""
    rows = [
        f'<tr><th class="l" scope="row">{escape(name)}</th><td{kind}>{escape(value)}</td></tr>'
        for name, value in facts.items()
    ]
    half = len(rows) if is_hash else -(-len(rows) // 2)
    columns = [rows[:half], rows[half:]]
    tables = "".join(
        f'<table class="facts">{"".join(column)}</table>' for column in columns if column
    )
    return f'<div class="twocol">{tables}</div>'
