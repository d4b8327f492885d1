import gzip
import hashlib
import zlib

import pytest

from orchestration.sources import files
from orchestration.sources.capture import read_capture
from orchestration.sources.files import read_file, split_lines
from orchestration.sources.records import SourceError
from tests.sources.cases import PERP, trade

TEXT = "".join(trade(i, ms=i) + "\n" for i in range(1, 200)).encode()


def write(path, data):
    path.write_bytes(data)
    return path


def test_the_unit_is_the_hash_of_the_file_as_it_lies_there(tmp_path):
    packed = gzip.compress(TEXT)
    plain, gz = write(tmp_path / "a", TEXT), write(tmp_path / "a.gz", packed)
    assert read_file(plain).unit == hashlib.sha256(TEXT).hexdigest()
    assert read_file(gz).unit == hashlib.sha256(packed).hexdigest()
    assert read_file(gz).data == read_file(plain).data == TEXT
    assert read_file(write(tmp_path / "packed", packed)).data == TEXT  # whatever it is called


def test_members_and_padding(tmp_path):
    two = gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])
    assert read_file(write(tmp_path / "two.gz", two)).data == TEXT
    assert read_file(write(tmp_path / "pad.gz", two + bytes(512))).data == TEXT


def damaged(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_damaged_gzip_names_file_and_byte_and_gives_nothing(tmp_path):
    packed = gzip.compress(TEXT)
    cases = {
        "cut.gz": (packed[:-20], "ends inside its gzip stream, at byte"),
        "middle.gz": (damaged(packed, len(packed) // 2), "is a damaged gzip file between byte"),
        "sum.gz": (damaged(packed, len(packed) - 6), "incorrect data check"),
        "length.gz": (damaged(packed, len(packed) - 1), "incorrect length check"),
        "tail.gz": (
            packed + b"tail",
            f"something else after the gzip stream, at byte {len(packed)}",
        ),
        "name.gz": (TEXT, "does not start like a gzip file"),
        "empty.gz": (b"", "does not start like a gzip file"),
    }
    for name, (data, message) in cases.items():
        with pytest.raises(SourceError, match=message) as caught:
            read_capture(write(tmp_path / name, data), PERP)
        assert name in str(caught.value)


def test_every_cut_of_a_gzip_file_is_refused(tmp_path):
    packed = gzip.compress(TEXT[:2000])
    for n in range(2, len(packed)):
        with pytest.raises(SourceError):
            read_file(write(tmp_path / "cut.gz", packed[:n]))


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 10_000)
    path = write(tmp_path / "bomb.gz", gzip.compress(bytes(5_000_000)))
    with pytest.raises(SourceError, match="unpacks to more than"):
        read_file(path)


def test_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere: cannot be read: No such file"):
        read_file(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="cannot be read"):
        read_file(tmp_path)


def test_recorded_corrupt_gzip(test_data):
    path = test_data / "tardis" / "CORRUPT_tardis_trades.csv.gz"
    with pytest.raises(SourceError, match="invalid distance too far back"):
        read_file(path)


def test_only_newlines_end_lines():
    assert split_lines(b"a\nb\r\n\x0cc\x85d\n") == ([b"a", b"b", b"\x0cc\x85d"], False)
    assert split_lines(b"a\nb") == ([b"a", b"b"], True)
    assert split_lines(b"") == ([], False)
    assert zlib.crc32(b"\n".join(split_lines(TEXT)[0]) + b"\n") == zlib.crc32(TEXT)
