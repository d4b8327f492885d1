"""What makes the charts answer: one chart description, and the script that draws it.

The script shows the finest level of detail that fits, picks time labels for the zoom, fits the
value axes to what is in view, and prints the bar under the pointer above the chart. It knows
nothing of markets: every text and number comes from the description.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from orchestration.charts.axis import TickLevel
from orchestration.charts.zoom import MAX_CANDLES


class TraceRole(NamedTuple):
    """When a trace is shown: at one level of detail, in a group, for one day; None = always."""

    level: int | None = None
    group: str | None = None
    day: int | None = None


class ViewButton(NamedTuple):
    """A button that shows ``[start, end]`` of the axis."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class LevelSpec:
    """One level of detail: positions, times, texts, and what each value axis must contain."""

    factor: int
    x: list[float]
    time: list[str]
    readout: list[list[str]]
    fit: dict[str, tuple[list[float | None], list[float | None]]]


@dataclass(frozen=True, kw_only=True)
class ChartSpec:
    """A chart and its behaviour, as the page's script reads it."""

    element_id: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    roles: list[TraceRole]
    levels: list[LevelSpec]
    tick_levels: list[TickLevel]
    full_range: tuple[float, float]
    price_decimals: int
    price_step: float = 0.0  # the pointer's price is rounded to it; 0 = not
    readout_names: list[str]
    buttons: list[ViewButton] = field(default_factory=list)
    days: list[dict[str, Any]] = field(default_factory=list)
    joined_label: str = ""
    scale_px: int = 0  # room for the price tags between the candles and the profile
    max_candles: int = MAX_CANDLES


def chart_json(charts: list[ChartSpec]) -> str:
    """Return the charts as JSON that may stand inside a ``<script>`` element.

    Traces and layout go through plotly's own validation, which raises ValueError on a property
    that plotly does not know.
    """
    import plotly.graph_objects as go

    records = []
    for chart in charts:
        record = asdict(chart)
        figure = go.Figure(data=chart.data, layout={**chart.layout, "template": "none"})
        record |= json.loads(figure.to_json())
        record["roles"] = [list(role) for role in chart.roles]
        record["buttons"] = [button._asdict() for button in chart.buttons]
        records.append(record)
    text = json.dumps(records, separators=(",", ":"), allow_nan=False)
    # "</script>" and "<!--" inside a text would end the element or change how it is read.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


SCRIPT = r"""
(function () {
  "use strict";
  var CONFIG = {responsive: true, displaylogo: false, doubleClick: "reset", scrollZoom: false,
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]]};
  var charts = JSON.parse(document.getElementById("chart-data").textContent);

  function el(tag, cls, text) {
    var node = document.createElement(tag);
    if (cls) { node.className = cls; }
    if (text !== undefined) { node.textContent = text; }
    return node;
  }

  // First position in a sorted list that is not below the value.
  function lower(list, value) {
    var a = 0, b = list.length;
    while (a < b) { var m = (a + b) >> 1; if (list[m] < value) { a = m + 1; } else { b = m; } }
    return a;
  }

  function Chart(spec) {
    this.spec = spec;
    this.gd = document.getElementById(spec.element_id);
    this.hidden = {};
    this.day = spec.days.length - 1;
    this.level = -1;
    this.titles = spec.layout.annotations || [];
  }

  Chart.prototype.start = function () {
    var self = this;
    return Plotly.newPlot(this.gd, this.spec.data, this.spec.layout, CONFIG).then(function () {
      self.addCross();
      self.gd.on("plotly_relayout", function (event) {
        if (Object.keys(event).some(function (k) { return /^xaxis\.(range|autorange)/.test(k); })) {
          self.update();
        }
      });
      self.addControls();
      window.addEventListener("resize", function () { self.update(); });
      return self.update();
    });
  };

  Chart.prototype.range = function () {
    var range = this.gd.layout.xaxis.range;
    return range ? [Number(range[0]), Number(range[1])] : this.spec.full_range;
  };

  Chart.prototype.visible = function () {
    var self = this;
    return this.spec.roles.map(function (role) {
      return (role[0] === null || role[0] === self.level) &&
        (role[1] === null || !self.hidden[role[1]]) &&
        (role[2] === null || role[2] === self.day);
    });
  };

  // Finest level whose candles in view are few enough for the width.
  Chart.prototype.pickLevel = function (range) {
    var most = Math.min(this.spec.max_candles, this.plotWidth() / 3.2);
    for (var k = 0; k < this.spec.levels.length; k++) {
      var x = this.spec.levels[k].x;
      if (lower(x, range[1]) - lower(x, range[0]) <= most) { return k; }
    }
    return this.spec.levels.length - 1;
  };

  Chart.prototype.pickTicks = function (range) {
    var most = Math.max(3, Math.floor(this.plotWidth() / 78)), levels = this.spec.tick_levels;
    for (var k = 0; k < levels.length; k++) {
      if (lower(levels[k].x, range[1]) - lower(levels[k].x, range[0]) <= most) {
        return levels[k];
      }
    }
    return levels[levels.length - 1];
  };

  Chart.prototype.plotWidth = function () {
    var box = this.box();
    return box ? box.width : 1000;
  };

  Chart.prototype.box = function () {
    var node = this.gd.querySelector('.nsewdrag[data-subplot="xy"]');
    return node ? node.getBoundingClientRect() : null;
  };

  Chart.prototype.fit = function (layout, range) {
    var level = this.spec.levels[this.level];
    var a = lower(level.x, range[0]), b = lower(level.x, range[1]);
    if (a === b) { return; }
    Object.keys(level.fit).forEach(function (axis) {
      var low = Infinity, high = -Infinity, lists = level.fit[axis];
      for (var i = a; i < b; i++) {
        if (lists[0][i] !== null && lists[0][i] < low) { low = lists[0][i]; }
        if (lists[1][i] !== null && lists[1][i] > high) { high = lists[1][i]; }
      }
      if (low > high) { return; }
      var pad = 0.06 * (high - low) || Math.abs(high) * 0.001 || 1;
      layout[axis + ".range"] = [low === 0 ? 0 : low - pad, high === 0 ? 0 : high + pad];
    });
  };

  // The day's price tags, those of the value area pushed off that of the POC.
  Chart.prototype.tags = function (prices) {
    var notes = this.spec.days[this.day].annotations, box = this.box(), high = 20;
    var poc = notes.filter(function (note) { return note.name === "poc"; })[0];
    if (!poc || !box || !prices) { return notes; }
    var scale = box.height / (prices[1] - prices[0]);
    return notes.map(function (note) {
      var off = (note.y - poc.y) * scale, shift = 0;
      if (note.name === "vah") { shift = Math.max(0, high - off); }
      if (note.name === "val") { shift = -Math.max(0, high + off); }
      return Object.assign({}, note, {yshift: shift});
    });
  };

  Chart.prototype.update = function () {
    var range = this.range(), ticks = this.pickTicks(range);
    var layout = {"xaxis.tickvals": ticks.x, "xaxis.ticktext": ticks.text};
    this.level = this.pickLevel(range);
    this.fit(layout, range);
    if (this.day >= 0) {
      layout.annotations = this.tags(layout["yaxis.range"]).concat(this.titles);
      layout["xaxis2.range"] = [0, this.spec.days[this.day].max_volume];
      var width = this.gd.clientWidth - 28, side = Math.max(110, 0.15 * width);
      layout["xaxis2.domain"] = [1 - side / width, 1];
      layout["xaxis.domain"] = [0, 1 - (side + this.spec.scale_px) / width];
    }
    this.describe(range);
    this.show(this.spec.levels[this.level].x.length - 1);
    return Plotly.update(this.gd, {visible: this.visible()}, layout);
  };

  Chart.prototype.describe = function (range) {
    var factor = this.spec.levels[this.level].factor, node = this.note;
    if (node && this.spec.joined_label) {
      node.textContent = factor === 1 ? "1 candle = " + this.spec.joined_label :
        "1 candle = " + factor + " bars of " + this.spec.joined_label + " (zoom in for each bar)";
    }
    (this.buttons || []).forEach(function (pair) {
      var on = Math.abs(pair[1].start - range[0]) < 0.01 && Math.abs(pair[1].end - range[1]) < 0.01;
      pair[0].classList.toggle("on", on);
    });
  };

  Chart.prototype.show = function (row) {
    var level = this.spec.levels[this.level], line = this.readout;
    if (!line || row < 0) { return; }
    line.textContent = "";
    line.appendChild(el("b", "", level.time[row]));
    this.spec.readout_names.forEach(function (name, k) {
      var text = level.readout[row][k], item = el("span"), value = el("em", "", text);
      if (text === undefined) { return; }
      value.style.fontStyle = "normal";
      if (text.indexOf(" ") < 0 && text.charAt(0) === "+") { value.className = "buy"; }
      if (text.indexOf(" ") < 0 && text.charAt(0) === "\u2212") { value.className = "sell"; }
      item.appendChild(el("i", "", name));
      item.appendChild(value);
      line.appendChild(item);
    });
  };

  Chart.prototype.addControls = function () {
    var self = this, root = this.gd.closest(".card");
    this.readout = root.querySelector(".readout");
    this.note = root.querySelector(".joined");
    var views = root.querySelector(".views"), days = root.querySelector(".days");
    this.buttons = this.spec.buttons.map(function (view) {
      var button = el("button", "", view.label);
      button.type = "button";
      button.addEventListener("click", function () {
        Plotly.relayout(self.gd, {"xaxis.range": [view.start, view.end]});
      });
      views.appendChild(button);
      return [button, view];
    });
    if (days && this.spec.days.length) { this.addDays(days); }
    root.querySelectorAll("input[data-group]").forEach(function (box) {
      self.hidden[box.dataset.group] = !box.checked;
      box.addEventListener("change", function () {
        self.hidden[box.dataset.group] = !box.checked;
        self.update();
      });
    });
  };

  Chart.prototype.addDays = function (days) {
    var self = this, select = el("select");
    select.setAttribute("aria-label", "trading day of the profile");
    this.spec.days.forEach(function (day, k) {
      var option = el("option", "", day.day);
      option.value = k;
      option.selected = k === self.day;
      select.appendChild(option);
    });
    select.addEventListener("change", function () {
      self.day = Number(select.value);
      self.update();
    });
    days.appendChild(select);
    if (this.spec.days.length < 7) { return; }  // few days have a button each
    var go = el("button", "", "Show this day");
    go.type = "button";
    go.addEventListener("click", function () {
      var range = self.spec.days[self.day].range;
      if (range) { Plotly.relayout(self.gd, {"xaxis.range": range}); }
    });
    days.appendChild(go);
  };

  // The crosshair is ours: plotly's hover would put boxes over the candles.
  Chart.prototype.addCross = function () {
    var self = this, host = this.gd.parentNode;
    var v = el("div", "cross v"), h = el("div", "cross h"), tag = el("div", "cross tag");
    [v, h, tag].forEach(function (node) { host.appendChild(node); });
    function hide() { [v, h, tag].forEach(function (node) { node.style.display = "none"; }); }
    host.addEventListener("mouseleave", function () {
      hide();
      self.show(self.spec.levels[self.level].x.length - 1);
    });
    host.addEventListener("mousemove", function (event) {
      var box = self.box(), frame = host.getBoundingClientRect();
      if (!box || event.clientX < box.left || event.clientX > box.right) { hide(); return; }
      var range = self.range(), level = self.spec.levels[self.level];
      var at = range[0] + (event.clientX - box.left) / box.width * (range[1] - range[0]);
      var row = lower(level.x, at);
      if (row > 0 && (row === level.x.length || at - level.x[row - 1] < level.x[row] - at)) {
        row -= 1;
      }
      self.show(row);
      v.style.cssText = "display:block;top:" + (box.top - frame.top) + "px;bottom:40px;left:" +
        (event.clientX - frame.left) + "px";
      if (event.clientY < box.top || event.clientY > box.bottom) {
        h.style.display = tag.style.display = "none";
        return;
      }
      var prices = self.gd.layout.yaxis.range.map(Number);
      var price = prices[1] - (event.clientY - box.top) / box.height * (prices[1] - prices[0]);
      if (self.spec.price_step) {
        price = Math.round(price / self.spec.price_step) * self.spec.price_step;
      }
      h.style.cssText = "display:block;left:" + (box.left - frame.left) + "px;width:" +
        box.width + "px;top:" + (event.clientY - frame.top) + "px";
      tag.textContent = price.toLocaleString("en-US", {
        minimumFractionDigits: self.spec.price_decimals,
        maximumFractionDigits: self.spec.price_decimals});
      tag.style.cssText = "display:block;left:" + (box.right - frame.left + 2) + "px;top:" +
        (event.clientY - frame.top - 9) + "px";
    });
  };

  charts.forEach(function (spec) { new Chart(spec).start(); });
  document.querySelectorAll(".footprint").forEach(function (node) {
    node.scrollLeft = node.scrollWidth;
  });
  document.querySelectorAll("input[data-mark]").forEach(function (box) {
    box.addEventListener("change", function () {
      document.querySelectorAll(".footprint .mark-" + box.dataset.mark).forEach(function (node) {
        node.style.display = box.checked ? "" : "none";
      });
    });
  });
})();
"""
