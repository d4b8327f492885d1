"""Pictures and the report, from a day that was run; where there is nothing, that is said."""

from datetime import date

import pytest

from orchestration.errors import NothingToShow, NotWritable, writing
from orchestration.report import CHARTS, draw_chart, write_report
from orchestration.runtime import instrument
from tests.orchestration.conftest import SYMBOL


@pytest.mark.parametrize("kind", sorted(CHARTS))
def test_charts_of_a_day_are_small_pictures(ran, store, kind):
    png = draw_chart(store, instrument(SYMBOL), ran.day, kind, 8)
    assert png.startswith(b"\x89PNG")
    assert len(png) <= 30_000


def test_a_chart_of_a_day_that_was_not_run_names_those_that_were(ran, store):
    with pytest.raises(NothingToShow, match=f"{ran.day}.*, not for 2013-03-03"):
        draw_chart(store, instrument(SYMBOL), date(2013, 3, 3), "footprint", 8)


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "report.html"
    said = r"report\.html cannot be written: Not a directory"
    with pytest.raises(NotWritable, match=said), writing(target):
        target.write_text("")


def test_a_report_of_nothing_says_what_comes_first(home, store, tmp_path):
    from orchestration.runtime import open_tracking

    with pytest.raises(NothingToShow, match="orderflow run --symbol DENTUSDT"):
        write_report(store, open_tracking(), instrument("DENTUSDT"), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
