"""The report page: one HTML file that opens anywhere, offline, and asks no server for anything."""

from orchestration.charts import theme
from orchestration.charts.data import DayLevels, ReportData
from orchestration.charts.equity import equity_chart, has_null_band
from orchestration.charts.footprint import footprint_panel
from orchestration.charts.formatting import escape
from orchestration.charts.interaction import SCRIPT, ChartSpec, chart_json
from orchestration.charts.marks import MOST_A_DAY, mark_switches
from orchestration.charts.price import flow_chart
from orchestration.charts.scores import reliability_panels, score_table
from orchestration.charts.summary import bullet_list, day_table, fact_table, tiles
from orchestration.charts.zoom import prepare_bars

__all__ = ["DayLevels", "ReportData", "render_report"]

# The browser itself refuses every request of this page, whatever a library would like to fetch.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def render_report(data: ReportData) -> str:
    """Return a self-contained HTML page with plotly.js inlined once.

    Parameters
    ----------
    data : ReportData
        Empty frames and lists are fine: their panels say that there is nothing to show.

    Returns
    -------
    str
        The page, to be written as UTF-8. Equal data and plotly versions give an equal page.

    Notes
    -----
    All text of ``data`` is escaped. A content security policy in the page forbids every request.
    """
    charts: list[ChartSpec] = []
    if not data.bars.empty:
        charts.append(flow_chart(data, prepare_bars(data.bars, data.timezone)))
    if not data.equity.empty:
        charts.append(equity_chart(data))
    sections = [
        _header(data), _statements(data), tiles(data), _days(data), _flow(data),
        _footprint(data), _events(data), _scores(data), _backtest(data), _provenance(data),
    ]  # fmt: skip
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n{_head(data)}\n<body>\n<main>\n'
        + "\n".join(sections)
        + f"\n</main>\n{_scripts(charts)}\n</body>\n</html>\n"
    )


def _head(data: ReportData) -> str:
    return (
        f'<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
        f'content="{POLICY}">\n<meta name="viewport" content="width=device-width, '
        f'initial-scale=1">\n<title>{escape(data.symbol)}: {escape(data.title)}</title>\n'
        f'<link rel="icon" href="data:,">\n<style>{theme.style_sheet()}</style>\n</head>'
    )


def _scripts(charts: list[ChartSpec]) -> str:
    if not charts:
        return ""
    from plotly.offline import get_plotlyjs

    return (
        f"<script>{get_plotlyjs()}</script>\n"
        f'<script type="application/json" id="chart-data">{chart_json(charts)}</script>\n'
        f"<script>{SCRIPT}</script>"
    )


def _header(data: ReportData) -> str:
    title = escape(data.title)
    if data.symbol not in data.title:
        title = f"{escape(data.symbol)} <span class='muted'>·</span> {title}"
    return (
        f'<header><h1>{title}</h1><p class="period">{escape(data.period)}. Times are {escape(data.timezone)}.</p>'
        "</header>"
    )


def _statements(data: ReportData) -> str:
    champion = bullet_list(data.champion, "No model is registered for this symbol.")
    notes = bullet_list(data.notes, "Nothing to note.")
    return (
        f'<div class="pair"><section class="card champion"><h2>Champion models</h2>{champion}'
        '</section><section class="card notes"><h2>Before you believe a number</h2>'
        f"{notes}</section></div>"
    )


def _days(data: ReportData) -> str:
    return f'<section class="card"><h2>Trading days</h2>{day_table(data)}</section>'


def _flow(data: ReportData) -> str:
    title = "Price, volume profile, delta and CVD"
    if data.bars.empty:
        empty = '<p class="empty">No bars: no trade in this period.</p>'
        return f'<section class="card"><h2>{title}</h2>{empty}</section>'
    toggles = "".join(
        f'<label><input type="checkbox" checked data-group="{group}">'
        f'<span class="swatch{kind}" style="{style}"></span>{text}</label>'
        for group, kind, style, text in (
            ("vwap", " line", f"border-color:{theme.VWAP}", "session VWAP"),
            ("bands", "", f"background:{theme.rgba(theme.VWAP, 0.2)}", "±1, ±2 sd"),
            ("levels", " dash", f"border-color:{theme.INK}", "POC, value area"),
        )
    )
    keys = _key(theme.BUY, "up, bought") + _key(theme.SELL, "down, sold")
    if data.bars["unsigned"].any():
        keys += _key(theme.UNSIGNED, "unsigned")
    events = mark_switches(data.marks, "data-group")
    if events:
        events = f'<div class="bar"><span class="muted">Events</span>{events}{_drawn()}</div>'
    days = '<span class="set days">Profile of</span>'
    if data.profile.empty:
        days = '<span class="muted">No volume profile is published.</span>'
    return (
        f'<section class="card"><h2>{title}</h2><p class="lede"><span class="joined"></span>. '
        "Drag to zoom, double-click to reset; value axes follow what is in view. Closed hours are "
        f'left out; each day\'s levels span that day.</p><div class="bar"><span class="set views">'
        f"</span>{days}{toggles}{keys}</div>{events}{_plot('flow-chart')}</section>"
    )


def _drawn() -> str:
    return (
        f'<span class="muted">drawn: at most {MOST_A_DAY} of a group a day, the largest trades, the '
        "zones and levels that stood longest</span>"
    )


def _key(colour: str, text: str) -> str:
    return (
        f'<span class="key"><span class="swatch" style="background:{colour}"></span>{text}</span>'
    )


def _plot(element_id: str) -> str:
    lines = " two" if element_id == "flow-chart" else ""
    return (
        f'<div class="readout{lines}" aria-live="off"></div><div class="plotbox">'
        f'<div id="{element_id}"></div></div>'
    )


def _footprint(data: ReportData) -> str:
    caption, drawing, switches = footprint_panel(data)
    key = (
        _key(theme.blend(theme.BUY, 0.45), "more lifted than hit")
        + _key(theme.blend(theme.SELL, 0.45), "more hit than lifted")
        + f'<span class="key"><span class="swatch" style="outline:2px solid {theme.INK}">'
        "</span>POC of the bar</span>"
        + _key(theme.BUY, "<b>buy imbalance</b>")
        + _key(theme.SELL, "<b>sell imbalance</b>")
    )
    if data.footprint.empty:
        key = ""
    if switches:
        switches = f'<div class="bar"><span class="muted">Events</span>{switches}</div>'
    return (
        '<section class="card"><h2>Footprint</h2><p class="lede">'
        f'{caption}</p><div class="bar">{key}</div>{switches}'
        f'<div class="footprint">{drawing}</div></section>'
    )


def _events(data: ReportData) -> str:
    facts = fact_table(data.events, "No event is published.")
    return (
        '<section class="card"><h2>Events</h2><p class="lede">What stood out, each counted when it '
        f"was known; docs/events.md says what the kinds are.</p>{facts}</section>"
    )


def _scores(data: ReportData) -> str:
    calibration = ""
    if data.calibration is not None:
        calibration = (
            '<section class="card"><h2>Calibration</h2><p class="lede">On the dashed line, a '
            "predicted probability comes true as often as it says.</p>"
            f"{reliability_panels(data.calibration)}</section>"
        )
    return (
        '<section class="card"><h2>Model scores</h2><p class="lede">Out of fold, purged '
        "walk-forward. Point and 95 % interval; the dashed mark is the base without a model.</p>"
        f"{score_table(data.scores)}</section>{calibration}"
    )


def _backtest(data: ReportData) -> str:
    facts = fact_table(data.backtest, "No backtest was run.")
    if data.equity.empty:
        body = '<p class="empty">No equity curve: no backtest is published for this period.</p>'
        return f'<section class="card"><h2>Backtest</h2>{body}{facts}</section>'
    keys = _key(theme.STRATEGY, "strategy") + (
        f'<span class="key"><span class="swatch dash" style="border-color:{theme.BENCHMARK}">'
        "</span>buy and hold</span>"
    )
    if has_null_band(data.equity):
        keys += _key(theme.rgba(theme.UNSIGNED, 0.45), "band of shuffled signals")
    return (
        '<section class="card"><h2>Backtest</h2><p class="lede">Equity after costs, against '
        "buying at the start and holding.</p><div><div class='bar'>"
        f"{keys}</div>{_plot('equity-chart')}</div>{facts}</section>"
    )


def _provenance(data: ReportData) -> str:
    facts = fact_table(data.provenance, "No provenance was recorded.", is_hash=True)
    return (
        '<section class="card"><h2>Provenance</h2><p class="lede">The same hashes and versions '
        f"give the same page.</p>{facts}</section>"
    )
