import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from orchestration.charts.report import ReportData, render_report
from tests.charts import market

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """Tags, attributes and text of a page; script and style bodies apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        inside = self.tags and self.tags[-1][0] in ("script", "style") and self.cdata_elem
        (self.raw if inside else self.texts).append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(market.report())


def chart_data(page: str) -> list[dict]:
    found = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', page, re.S)
    return json.loads(found.group(1))


def test_page_asks_no_server_for_anything(page):
    parsed = Page(page)
    for tag, attrs in parsed.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attrs.get(name) or "data:").startswith("data:"), (tag, attrs)
    ours = [text for text in parsed.raw if "plotly.js v" not in text[:40]]
    assert len(ours) == len(parsed.raw) - 1  # plotly.js, once
    for text in ours:
        assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest|WebSocket", text)
    policy = next(a["content"] for t, a in parsed.tags if t == "meta" and "content" in a)
    assert policy.startswith("default-src 'none'")


def test_headline_facts_come_first(page):
    order = ["TEST", "Champion models", "No quotes: no claim", "Last price", "Point of control",
             "Trading days", 'id="flow-chart"', "<h2>Footprint", "<h2>Model scores",
             "<h2>Calibration", 'id="equity-chart"', "Net result", "<h2>Provenance", "ab" * 32]  # fmt: skip
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    for text in ("100.75", "99.50", "2024-03-04", "2024-03-05"):
        assert text in page


def test_hostile_text_stays_text():
    data = market.report(
        symbol=HOSTILE, title=HOSTILE, period=HOSTILE, champion=[HOSTILE], notes=[HOSTILE],
        backtest={HOSTILE: HOSTILE}, provenance={HOSTILE: HOSTILE}, bar_label=HOSTILE,
        size_unit=HOSTILE, quote_currency=HOSTILE, levels={HOSTILE: (1.0, 0.5, 2.0)},
        scores=[market.score(HOSTILE, task=HOSTILE, metric=HOSTILE, beats_below=HOSTILE)],
        calibration=market.report().calibration.assign(task=HOSTILE, rung=HOSTILE),
    )  # fmt: skip
    parsed = Page(render_report(data))
    assert [tag for tag, _ in parsed.tags if tag == "script"] == ["script"] * 3
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert not any(name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    assert any(HOSTILE in text for text in parsed.texts)
    flow, equity = chart_data(render_report(data))
    labels = [note["text"] for chart in (flow, equity) for note in chart["layout"]["annotations"]]
    assert not any("<img" in label or "<script" in label for label in labels)


def test_empty_panels_are_statements_and_load_no_library():
    page = render_report(market.empty_report())
    for text in (
        "No bars", "No footprint", "No model was scored", "No model is registered",
        "No equity curve", "No backtest was run", "No provenance", "No trading day",
    ):  # fmt: skip
        assert text in page
    assert len(page) < 30_000
    assert not re.search(r"\bnan\b", page, re.I)


@pytest.mark.parametrize("missing", ["footprint", "profile", "equity", "bars"])
def test_each_panel_may_be_missing_alone(missing):
    page = render_report(market.report(**{missing: pd.DataFrame()}))
    assert "<h2>Provenance" in page
    if missing != "bars":
        assert chart_data(page)[0]["element_id"] == "flow-chart"


def test_levels_may_be_missing_and_one_bar_is_enough():
    frame = market.bars(n_days=1, n_bars=1)
    page = render_report(market.report(bars=frame, levels={}, footprint=market.footprint(frame)))
    assert chart_data(page)[0]["levels"][0]["x"] == [0.0]


def test_page_is_the_same_each_time(page):
    assert render_report(market.report()) == page


def test_the_profile_shares_the_price_axis_and_the_panes_share_time(page):
    flow = chart_data(page)[0]
    kinds = {(t["type"], t.get("xaxis"), t.get("yaxis")) for t in flow["data"]}
    assert ("bar", "x2", "y") in kinds  # profile beside the price
    assert ("candlestick", "x", "y") in kinds
    assert ("bar", "x", "y3") in kinds  # delta
    assert ("candlestick", "x", "y4") in kinds  # CVD
    assert len(flow["roles"]) == len(flow["data"])
    assert [day["day"] for day in flow["days"]] == ["2024-03-04", "2024-03-05"]
    delta = next(t for t in flow["data"] if t.get("yaxis") == "y3")
    frame = market.bars().sort_values("t0")
    assert delta["y"] == frame["delta"].tolist()
    assert delta["error_y"]["array"] == (frame["max_delta"] - frame["delta"]).tolist()
    assert delta["error_y"]["arrayminus"] == (frame["delta"] - frame["min_delta"]).tolist()


def test_session_vwap_breaks_between_sessions(page):
    line = next(
        trace for trace, role in zip(*(chart_data(page)[0][k] for k in ("data", "roles")), strict=True)
        if role[1] == "vwap"
    )  # fmt: skip
    assert line["y"].count(None) == 1


def test_readout_is_human(page):
    level = chart_data(page)[0]["levels"][0]
    assert level["time"][0] == "Mon 04 Mar 2024 14:30"
    assert len(level["readout"][0]) == len(chart_data(page)[0]["readout_names"])
    assert re.fullmatch(r"\d+\.\d\d", level["readout"][0][0])


def test_many_bars_get_coarser_levels_and_null_vwap_is_no_number():
    frame = market.bars(n_bars=900)
    frame.loc[:10, ["vwap", "vwap_sd"]] = np.nan
    page = render_report(market.report(bars=frame))
    flow = chart_data(page)[0]
    assert [level["factor"] for level in flow["levels"]] == [1, 5, 15]
    assert len(flow["levels"][-1]["x"]) <= 300
    first = {role[0] for role, t in zip(flow["roles"], flow["data"], strict=True) if t["visible"]}
    assert first == {None, 2}  # only the coarsest is drawn before the script chooses


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"bars": market.bars().drop(columns=["vwap"])}, r"bars lacks the columns \['vwap'\]"),
        ({"equity": market.equity().assign(equity=np.nan)}, "equity.equity must be finite, row 0"),
        ({"tick_size": 0.0}, "tick_size must be positive, got 0.0"),
        ({"scores": [{"task": "x"}]}, r"scores\[0\] lacks"),
        ({"bars": market.bars().assign(t0=lambda f: f["t0"].dt.tz_localize(None))},
         "bars.t0 must be timezone-aware"),
    ],
)  # fmt: skip
def test_bad_data_is_refused_by_name(changed, text):
    with pytest.raises(ValueError, match=text):
        market.report(**changed)


def test_report_data_is_importable_where_the_page_is_made():
    assert ReportData.__module__ == "orchestration.charts.data"


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PROBE = """<script>setTimeout(function () {
  var gd = document.getElementById("flow-chart"), says = {errors: window.failed || 0};
  says.shown = gd.data.filter(function (t) { return t.visible !== false; }).length;
  says.readout = document.querySelector(".readout").textContent;
  Plotly.relayout(gd, {"xaxis.range": [3, 9]}).then(function () { setTimeout(function () {
    says.y = gd.layout.yaxis.range;
    document.body.dataset.says = JSON.stringify(says);
  }, 300); });
}, 1500);</script>"""


@pytest.mark.skipif(BROWSER is None, reason="needs chromium to run the page's script")
def test_the_script_draws_and_follows_the_zoom(tmp_path):
    watch = "<script>window.onerror = function () { window.failed = 1; };</script>"
    page = render_report(market.report()).replace("<main>", watch + "<main>")
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,2000",
        "--virtual-time-budget=8000", "--dump-dom", file.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    body = next(attrs for tag, attrs in Page(dom).tags if tag == "body")
    says = json.loads(body["data-says"])
    first = market.bars().iloc[3:9]
    assert says["errors"] == 0
    assert says["shown"] > 10
    assert "CVD" in says["readout"]
    assert says["y"][0] < first["low"].min() < first["high"].max() < says["y"][1]
    assert says["y"][1] - says["y"][0] < 1.2 * (first["high"].max() - first["low"].min())
