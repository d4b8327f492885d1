"""Colours, fonts and the style sheet: one palette for the page, the plots and the images.

Buyers are blue and sellers are vermilion (Okabe and Ito, 2008): the pair that readers with any
common colour vision deficiency tell apart. Nothing depends on red against green.
"""

BUY = "#0B63A8"
BUY_DARK = "#06406F"
SELL = "#C8500A"
UNSIGNED = "#8A93A0"
INK = "#16202C"
MUTED = "#5B6675"
GRID = "#E6EAF0"
LINE = "#CBD3DE"
PAPER = "#FFFFFF"
PAGE = "#F3F5F8"
VWAP = "#6B3FA0"
STRATEGY = "#0F6B5C"
BENCHMARK = "#5B6675"
NOTE = "#B7791F"

FONT = (
    'Inter, "Segoe UI", system-ui, -apple-system, Roboto, "Helvetica Neue", "Noto Sans", '
    '"DejaVu Sans", sans-serif'
)


def rgba(colour: str, alpha: float) -> str:
    """Return a ``#RRGGBB`` colour as ``rgba(r,g,b,alpha)``."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:.3g})"


def blend(colour: str, alpha: float) -> str:
    """Return the opaque ``#RRGGBB`` that ``colour`` at ``alpha`` gives on white paper."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - alpha * (255 - part)):02X}" for part in parts)


def style_sheet() -> str:
    """Return the page's CSS: no import, no url(), system fonts only."""
    colours = {
        "BUY": BUY, "SELL": SELL, "INK": INK, "MUTED": MUTED, "GRID": GRID, "LINE": LINE,
        "PAPER": PAPER, "PAGE": PAGE, "NOTE": NOTE, "FONT": FONT, "UNSIGNED": UNSIGNED,
    }  # fmt: skip
    css = _CSS
    for name, value in colours.items():
        css = css.replace(f"%{name}%", value)
    return css


_CSS = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:%PAGE%;color:%INK%;font:14px/1.45 %FONT%;
  font-variant-numeric:tabular-nums}
main{max-width:1400px;margin:0 auto;padding:20px 24px 48px}
header h1{margin:0;font-size:25px;line-height:1.2;letter-spacing:-.01em}
header .period{color:%MUTED%;margin:3px 0 16px;font-size:14px}
.card{background:%PAPER%;border:1px solid %LINE%;border-radius:8px;padding:14px 16px;
  margin:0 0 16px}
.card>h2{margin:0 0 2px;font-size:16px}
.card>.lede{margin:0 0 10px;color:%MUTED%;font-size:13px}
.tiles{display:grid;grid-template-columns:repeat(8,1fr);gap:10px;
  margin:0 0 16px}
.tile{background:%PAPER%;border:1px solid %LINE%;border-radius:8px;padding:9px 12px}
.tile .k{color:%MUTED%;font-size:12px}
.tile .v{font-size:19px;font-weight:650;line-height:1.25;white-space:nowrap}
.tile .d{color:%MUTED%;font-size:12px}
.buy{color:%BUY%}.sell{color:%SELL%}.muted{color:%MUTED%}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:16px}
.pair .card{margin-bottom:16px}
.card ul{margin:4px 0 0;padding-left:18px}
.card li{margin:3px 0}
.notes{border-left:5px solid %NOTE%}
.champion{border-left:5px solid %BUY%}
.scroll{overflow-x:auto}
.tall{max-height:400px;overflow-y:auto}
.tall thead th{position:sticky;top:0;background:%PAPER%}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid %GRID%;white-space:nowrap}
.facts td,.facts th{white-space:normal;overflow-wrap:anywhere}
.facts th{white-space:nowrap;vertical-align:top}

th{color:%MUTED%;font-weight:600;font-size:12.5px;border-bottom:1px solid %LINE%}
th.l,td.l{text-align:left}
td.wrap{white-space:normal;min-width:150px;max-width:420px}
tr.group td{background:%PAGE%;font-weight:650;text-align:left;padding-top:8px}
tr.group .muted{font-weight:400}
tr.group td.plot,td.plot{padding-top:0;padding-bottom:0;text-align:left;width:250px}
td.plot svg{display:block;font-weight:400}
.yes{font-weight:650;color:%BUY%}
.no{color:%MUTED%}
.empty{border:1px dashed %LINE%;border-radius:6px;padding:18px;color:%MUTED%;
  text-align:center;background:%PAGE%}
.bar{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center;margin:0 0 6px;font-size:13px}
.bar .set{display:flex;gap:4px;align-items:center;flex-wrap:wrap}
.bar button,.bar select{font:inherit;font-size:12.5px;color:%INK%;background:%PAGE%;
  border:1px solid %LINE%;border-radius:5px;padding:2px 9px;cursor:pointer}
.bar button:hover,.bar button:focus-visible{border-color:%BUY%}
.bar button.on{background:%BUY%;border-color:%BUY%;color:#fff}
.bar label{display:inline-flex;align-items:center;gap:5px;cursor:pointer}
.bar input{margin:0;accent-color:%MUTED%}
.key{display:inline-flex;align-items:center;gap:5px;color:%INK%}
.swatch{display:inline-block;width:14px;height:10px;border-radius:2px;flex:none}
.swatch.line{height:0;border-top:3px solid;border-radius:0;background:none}
.swatch.dash{height:0;border-top:2px dashed;border-radius:0;background:none}
.readout{min-height:27px;padding:4px 10px;background:%PAGE%;border-radius:5px;font-size:13px;
  margin:0 0 2px;white-space:normal}
.readout.two{min-height:47px}
.readout b{margin-right:10px}
.readout span{margin-right:12px;white-space:nowrap;display:inline-block}
.readout i{font-style:normal;color:%MUTED%;margin-right:4px}
.plotbox{position:relative;width:100%}
.cross{position:absolute;display:none;pointer-events:none;z-index:5}
.cross.v{width:0;border-left:1px dashed %MUTED%}
.cross.h{height:0;border-top:1px dashed %MUTED%}
.cross.tag{background:%INK%;color:#fff;font-size:12px;line-height:18px;padding:0 5px;
  border-radius:3px;white-space:nowrap}
.footprint{overflow-x:auto}
.footprint svg{display:block;margin:0 auto}
.hash{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
  font-size:12.5px;overflow-wrap:anywhere;white-space:normal;text-align:left}
.twocol{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:0 28px;
  align-items:start}
.facts{margin-top:6px}
.facts th{border-bottom:1px solid %GRID%}
.twocol tr{break-inside:avoid}
.reliability{display:flex;flex-wrap:wrap;gap:20px}
footer{color:%MUTED%;font-size:12.5px;text-align:center}
@media (max-width:1000px){main{padding:14px 12px 32px}.pair{grid-template-columns:1fr;gap:0}
  .card{padding:12px}.tiles{grid-template-columns:repeat(4,1fr)}.wide{display:none}
  th,td{padding:5px 7px}}
@media print{.tall{max-height:none}body{background:#fff}.bar{display:none}.card{break-inside:avoid}}
"""
