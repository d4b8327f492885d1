"""The glossary's pictures are drawn from the samples, are small, and are all shown."""

import io
import re
from pathlib import Path

import pytest

from orchestration.charts.glossary.__main__ import PICTURES, draw, markets

DOCS = Path(__file__).resolve().parents[2] / "docs"
MAX_BYTES = 60_000


def test_every_picture_is_drawn_from_the_samples(test_data):
    from PIL import Image

    drawn = dict(draw(markets(test_data)))
    assert set(drawn) == set(PICTURES)
    for name, png in drawn.items():
        assert len(png) < MAX_BYTES, name
        with Image.open(io.BytesIO(png)) as image:
            colours = image.convert("RGB").getcolors(1 << 24)
            # More than paper and text: something was drawn.
            assert len(colours) > 8, name
            assert min(image.size) > 150, name


def sections():
    _, *found = re.split(r"(?m)^## ", (DOCS / "glossary.md").read_text())
    return dict(section.split("\n", 1) for section in found)


def test_each_section_of_the_glossary_names_its_source_and_where_it_lives():
    source, place = (
        r"Sources?:|[Oo]wn\s+definition|\| source \|",
        r"orderflow_core|models/|orchestration/",
    )
    for name, text in sections().items():
        assert re.search(source, text), name
        assert re.search(place, text), name


def test_each_section_of_the_glossary_shows_a_picture_and_each_picture_is_shown():
    shown = {
        name: re.findall(r"\]\(pictures/(\w+)\.png\)", text) for name, text in sections().items()
    }
    assert [name for name, pictures in shown.items() if not pictures] == []
    assert {picture for pictures in shown.values() for picture in pictures} == set(PICTURES)
    files = {path.stem: path.stat().st_size for path in (DOCS / "pictures").glob("*.png")}
    assert set(files) == set(PICTURES)
    assert max(files.values()) < MAX_BYTES


@pytest.mark.parametrize(
    "name",
    [
        "glossary.md",
        "events.md",
        "features.md",
        "tour.md",
        "architecture.md",
        "detectors.md",
        "simulator.md",
    ],
)
def test_links_between_pages_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (DOCS / name).read_text()):
        if "://" not in target:
            assert (DOCS / target).exists(), target
