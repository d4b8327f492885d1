import gzip
import hashlib
import re
import zipfile
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.instruments import load_instruments
from orchestration.sources import binance
from orchestration.sources.binance import kernel
from orchestration.sources.binance.archive import read_archive
from orchestration.sources.binance.layouts import LAYOUTS
from orchestration.sources.binance.packed import ChecksumMismatchError, unpack
from orchestration.sources.binance.rows import Lines, RowRefusedError, read_row
from orchestration.sources.gate import epoch_ns
from orchestration.sources.records import SourceError
from tests.sources.binance_http_server import zipped
from tests.sources.cases import PERP, reasons, require_whole
from tests.sources.test_binance_archive import COIN, aggregate, parse

KNOWN = load_instruments()

# -- archives -------------------------------------------------------------------------------------

NAME = "BTCUSDT-aggTrades-2023-11-14"
ROWS = "".join(aggregate(i, t=i) + "\n" for i in range(100)).encode()


def write(tmp_path: Path, members: dict[str, bytes], checksum: str | None = None) -> Path:
    path = tmp_path / f"{NAME}.zip"
    path.write_bytes(zipped(members))
    if checksum is not None:
        path.with_name(path.name + ".CHECKSUM").write_text(checksum)
    return path


def test_a_zip_is_its_csv(tmp_path):
    path = write(tmp_path, {f"{NAME}.csv": ROWS})
    batch = read_archive(path, PERP)
    assert batch.unit == hashlib.sha256(path.read_bytes()).hexdigest()
    assert batch.trades.drop_columns("unit").equals(parse(ROWS).trades.drop_columns("unit"))
    packed = tmp_path / f"{NAME}.csv.gz"
    packed.write_bytes(gzip.compress(ROWS))
    assert len(read_archive(packed, PERP).trades) == 100


def test_the_same_csv_twice_in_one_zip(tmp_path):
    path = write(tmp_path, {f"{NAME}.csv": ROWS, f"fsx-data/x/{NAME}.csv": ROWS})
    batch = read_archive(path, PERP)
    require_whole(batch)
    assert (len(batch.trades), batch.n_lines) == (100, 200)
    assert batch.other == {"repeated_member": 100}


def test_two_different_csvs_in_one_zip(tmp_path):
    half = ROWS.splitlines(keepends=True)
    # The first ends without a line end, and they overlap by ten rows.
    members = {"a.csv": b"".join(half[:55])[:-1], "b.csv": b"".join(half[45:])}
    batch = read_archive(write(tmp_path, members), PERP)
    require_whole(batch)
    assert len(batch.trades) == 100
    assert set(reasons(batch).values()) == {"duplicate"}
    assert batch.quarantined == 10


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "must hold CSV files only, holds nothing"),
        ({"a.csv": ROWS, "b.exe": b""}, "holds 'b.exe'"),
        ({"ETHUSDT-aggTrades-2023-11-14.csv": ROWS}, "is of ETHUSDT"),
        ({f"{NAME}.csv": b""}, "no layout"),
    ],
)
def test_a_zip_of_something_else(tmp_path, members, said):
    with pytest.raises(SourceError, match=said):
        read_archive(write(tmp_path, members), PERP)


def test_a_damaged_zip_is_refused(tmp_path):
    path = write(tmp_path, {f"{NAME}.csv": ROWS})
    whole = path.read_bytes()
    for damaged in (whole[:-30], whole[:200] + b"\xff\xff\xff" + whole[203:], b"PK", b"1,2,3"):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=r"ZIP"):
            read_archive(path, PERP)
    with pytest.raises(SourceError, match="cannot be read"):
        read_archive(tmp_path / "absent.zip", PERP)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_every_method_of_a_zip_gives_the_same_bytes(tmp_path, method):
    # More than one piece, and a last line without its end.
    text = b"".join(b"%d," % i + b"x" * (i % 97) + b"\n" for i in range(90_000))[:-1]
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        info = zipfile.ZipInfo("a.csv")
        info.extra, info.compress_type = b"\x99\x99\x04\x00abcd", method
        archive.writestr(info, text)
    unpacked = unpack(path)
    pieces = [unpacked.file.data, *unpacked.rest]
    assert (b"".join(pieces), unpacked.size) == (text, len(text))
    assert len(pieces) > 1
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert list(unpacked.again()) == pieces[1:]


def test_a_line_refused_in_a_later_piece_is_shown_as_it_stands(tmp_path):
    n = 60_000
    lines = [aggregate(i, t=i) for i in range(1, n)]
    lines[-2] = lines[-2].replace(",", ";", 1)  # told by the kernel
    lines[-1] = lines[-3]  # told by the gate
    path = write(tmp_path, {f"{NAME}.csv": "\n".join(lines) + "\n"})
    assert unpack(path).size > 2 * len(unpack(path).file.data)
    batch = read_archive(path, PERP)
    assert len(batch.trades) == n - 3
    found = {row["reason"]: row["record"] for row in batch.quarantine.to_pylist()}
    assert found == {"malformed": lines[-2], "duplicate": lines[-1]}


@pytest.mark.parametrize("field", ["CRC", "file_size"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_member_of_another_length_or_checksum_is_refused(tmp_path, field, by):
    path = write(tmp_path, {f"{NAME}.csv": ROWS})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + {"CRC": 16, "file_size": 24}[field]
    data[at] = (data[at] + by) % 256
    path.write_bytes(data)
    with pytest.raises(SourceError, match="is a damaged ZIP file"):
        read_archive(path, PERP)


def test_the_checksum_beside_a_file_counts(tmp_path):
    path = write(tmp_path, {f"{NAME}.csv": ROWS})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for text in (f"{digest}  {NAME}.zip\n", f"{digest.upper()} *{NAME}.zip"):
        write(tmp_path, {f"{NAME}.csv": ROWS}, text)
        assert len(read_archive(path, PERP).trades) == 100
    for text, said in (
        (f"{'0' * 64}  {NAME}.zip\n", f"its SHA-256 is {digest}"),
        (f"{digest}  other.zip\n", "is the checksum of b'other.zip'"),
        ("", "is no line of sha256sum"),
    ):
        write(tmp_path, {f"{NAME}.csv": ROWS}, text)
        error = ChecksumMismatchError if "SHA" in said else SourceError
        with pytest.raises(error, match=re.escape(said)):
            read_archive(path, PERP)


# -- the fast pass against the plain reading ------------------------------------------------------

GRIDS = [("0.01", "0.001"), ("0.25", "1"), ("0.00000001", "0.1"), ("1E+1", "5"), ("0.5", "0.02")]
numbers = st.from_regex(r"\A[0-9]{0,4}\.?[0-9]{0,4}0{0,3}\Z") | st.sampled_from(
    ["9" * 17 + ".9", "9" * 18, "9" * 19, "922337203685477580.7", "0.00000001", "1e2", "-1", "+1",
     "1.2.3", ".", " 1", "1\r", "0" * 70, "0." + "0" * 70, "1_0", "\xb2"]
)  # fmt: skip
times = st.integers(0, 10**20) | st.sampled_from(
    [946684800000, 946684799999, 4102444799999, 4102444800000, 10**11, 10**14, 10**17]
)
flags = st.sampled_from(["true", "FALSE", "False", "tru", "1", "t\x52ue", "trUe", "false\r", ""])


@given(st.sampled_from(GRIDS), numbers, numbers, times, flags, st.integers(0, 10**19))
def test_the_fast_pass_never_says_something_else(steps, price, qty, time, flag, number):
    known = replace(
        PERP, price_step=Decimal(steps[0]), tick_size=Decimal(steps[0]), lot_step=Decimal(steps[1])
    )
    line = f"{number},{price},{qty},q,{time},{flag}".encode("latin-1")
    layout = LAYOUTS[3]
    kinds = np.array([kernel.WHOLE, 2, 3, kernel.SKIP, kernel.TIME, kernel.FLAG])
    grid = []
    for step in (known.price_step, known.lot_step):
        _, digits, exponent = step.as_tuple()
        mantissa = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
        grid += [max(-exponent, 0), mantissa]
    data = line + b"\n1,1\n"
    columns, starts, is_good, _ = kernel.read_rows([data], kinds, np.array(grid))
    assert starts.tolist() == [0, len(line) + 1, len(data)]
    assert not is_good[1]
    try:
        plain = read_row(line.removesuffix(b"\r"), layout, known)
    except RowRefusedError:
        assert not is_good[0]
        return
    if is_good[0]:
        assert columns[:, 0].tolist() == plain
        assert plain[4] == epoch_ns(time)


def test_the_fast_pass_takes_plain_rows():
    # Otherwise the property above would hold for a pass that takes nothing.
    batch = [aggregate(i, t=i, p=f"{100 + i / 100:.8f}") for i in range(50)]
    data = "".join(row + "\n" for row in batch).encode()
    kinds = np.array([1, 2, 3, 1, 1, 4, 5])
    _, _, is_good, _ = kernel.read_rows([data], kinds, np.array([2, 1, 3, 1]))
    assert is_good.all()
    _, starts, is_good, _ = kernel.read_rows([b""], kinds, np.array([2, 1, 3, 1]))
    assert (len(starts), len(is_good)) == (1, 0)


@given(st.data())
def test_pieces_give_what_the_whole_gives(draw):
    # The first piece tells the room that the others get: too little of it must do, too.
    plain = aggregate(1, t=1, p="100.5")
    text = draw.draw(st.lists(st.sampled_from([plain, "", "x,1", plain + "\r", "1" * 300])))
    data = "\n".join(text).encode() + draw.draw(st.sampled_from([b"", b"\n"]))
    ends = [0, *(i + 1 for i, byte in enumerate(data) if byte == 10), len(data)]
    cuts = sorted({0, len(data), *draw.draw(st.lists(st.sampled_from(ends)))})
    pieces = [data[a:b] for a, b in pairwise(cuts)] or [b""]
    kinds, grid = np.array([1, 2, 3, 1, 1, 4, 5]), np.array([2, 1, 3, 1])
    whole = kernel.read_rows([data], kinds, grid)
    parts = kernel.read_rows(pieces, kinds, grid, n_bytes=len(data))
    assert parts[1].tolist() == whole[1].tolist()
    assert parts[2].tolist() == whole[2].tolist()
    assert (parts[0][:, parts[2]] == whole[0][:, whole[2]]).all()
    n_lines = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")[:n_lines]]
    assert parts[3] is whole[3] is (data[-1:] not in (b"", b"\n"))
    assert list(Lines(pieces, parts[1])) == expected
    assert Lines(pieces, parts[1])[-1:] == expected[-1:]


# -- recorded files -------------------------------------------------------------------------------


def checksum(rows, names) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(rows[name].to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


TRADE_COLUMNS = ("ts_event_ns", "trade_id", "price_ticks", "qty_lots", "native_sign")
QUOTE_COLUMNS = ("ts_event_ns", "ts_recv_ns", "quote_id", "bid_ticks", "bid_lots", "ask_ticks",
                 "ask_lots")  # fmt: skip
RECORDED = {
    "cm/BTCUSD_260327-aggTrades-2025-09.csv": (
        COIN, 32_959, {"header": 1}, 1758874297571_000000, 1759276436656_000000, "227ed29046a4370868431b4c623a1c674b0c400d5a442c613d22cea49502e7c7",
    ),
    "spot/BTCUSDT-aggTrades-2026-01-01.csv": (
        KNOWN["BTCUSDT.SPOT"], 5_000, {}, 1767225600039409_000, 1767226339347397_000, "fd13be709934c896bcbf4b93f4fb28f914672aba6ce009f3e2cb73342f04e122",
    ),
    "um/BTCUSDT-bookTicker-2023-10-02-short.csv": (
        KNOWN["BTCUSDT"], 9_999, {"header": 1}, 1696204800012_000000, 1696204827849_000000, "08506c5f03b36b41dfb57bc8038f8887797fd1a8a61f66ea0429affcea14b2ed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_files_in_full(test_data, name):
    instrument, n, other, first, last, sha = RECORDED[name]
    path = test_data / "binance_vision" / name
    (batch,) = binance.read([path], instrument)
    require_whole(batch)
    rows, names = (batch.trades, TRADE_COLUMNS) if n != 9_999 else (batch.quotes, QUOTE_COLUMNS)
    assert (len(rows), batch.quarantined, batch.other) == (n, 0, other)
    assert (batch.first_ns, batch.last_ns, len(batch.gaps)) == (first, last, 0)
    assert checksum(rows, names) == sha
    require_equal_to_plain_reading(path, rows, instrument)


def require_equal_to_plain_reading(path, rows, instrument):
    # Independent of the reader: split, Decimal, and the file's order.
    lines = [text.split(",") for text in path.read_text().splitlines() if text[0].isdigit()]
    lines.sort(key=lambda fields: int(fields[0]))
    for row, fields in zip(rows.to_pylist(), lines, strict=True):
        time = int(fields[5])
        assert row["ts_event_ns"] == time * (1000 if time > 10**15 else 10**6)
        if "trade_id" in row:
            assert row["price_ticks"] * instrument.price_step == Decimal(fields[1])
            assert row["qty_lots"] * instrument.lot_step == Decimal(fields[2])
            assert row["native_sign"] == (-1 if fields[6].lower() == "true" else 1)
            assert row["venue_id"] == f"{fields[3]}-{fields[4]}"
        else:
            for key, i in (("bid", 1), ("ask", 3)):
                assert row[f"{key}_ticks"] * instrument.price_step == Decimal(fields[i])
                assert row[f"{key}_lots"] * instrument.lot_step == Decimal(fields[i + 1])


def test_mutants_of_an_archive_are_refused_or_read_whole(tmp_path):
    packed = zipped({f"{NAME}.csv": ROWS})
    whole = parse(ROWS).trades.drop_columns(["unit"])
    path = tmp_path / f"{NAME}.zip"
    rng = np.random.default_rng(3)
    n_refused = 0
    for _ in range(300):
        at = int(rng.integers(len(packed)))
        path.write_bytes(packed[:at] + bytes([int(rng.integers(256))]) + packed[at + 1 :])
        try:
            batch = read_archive(path, PERP)
        except SourceError:
            n_refused += 1
            continue
        # What still unpacks had its damage in a name or a date: the content is the same.
        assert batch.trades.drop_columns(["unit"]).equals(whole)
    assert n_refused > 100
