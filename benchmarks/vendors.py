"""Rows a CPU second of each vendor's reader on recorded files, beside what only reads the file into a frame.

python -m benchmarks.vendors FOLDER [--vendors NAME ...] [--output FILE]

FOLDER as ORDERFLOW_TEST_DATA; the table is Markdown. Ours decodes, checks every record and gives
integers; the peers check nothing and leave prices as floats or texts. Before the timing all must
agree on the number of records and the sum of their sizes (benchmarks/vendor_cases.py). The time is the
process's CPU time, of all its threads, which other processes of a shared machine lengthen least; the
best of the runs counts, and all take part in turn. A ZIP is unpacked within it.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from benchmarks.vendor_cases import Case, cases, make_files

MAX_RUNS, MAX_SECONDS = 5, 8.0  # of each file; two runs of each contestant at least
MAX_SHARE_REFUSED = 0.5
REFUSALS = (ValueError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.Error)
HEADER = (
    "| vendor | file | records | ours, records a CPU second | only read, records a CPU second | ours / best |\n"
    "|---|---|---|---|---|---|"
)
TEXT = """# Readers of vendors' files

{date}, `python -m benchmarks.vendors FOLDER`: what one CPU second decodes and gates, beside what only
reads the file into a frame and checks nothing. All agree on the number of records and the sum of their
sizes. CPU time of all threads, best of at most {runs} runs in turn. Of a few thousand records the start of a
reader counts as much as its reading. "Ours" of IQFeed and Sierra also makes a quote of each
trade, LOBSTER's and Databento's make quotes of the book.

"""


class DisagreementError(ValueError):
    """Ours and a peer read different records out of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one case takes.

    Attributes
    ----------
    n_records : int
    seconds : dict of str to float
        CPU seconds of ours and of each peer.
    refused : dict of str to str
        Peers that do not read the file, and the kind of their error.
    """

    vendor: str
    file: str
    n_records: int
    seconds: dict[str, float]
    refused: dict[str, str]

    def row(self) -> str:
        """Return the row of the table."""
        rates = {name: self.n_records / s for name, s in self.seconds.items()}
        ours = rates.pop("ours")
        peers = ", ".join(f"{name} {_short(rate)}" for name, rate in rates.items())
        peers += "".join(f", {name} refuses it ({why})" for name, why in self.refused.items())
        ratio = f"{ours / max(rates.values()):.2f}x" if rates else "-"
        return f"| {self.vendor} | {self.file} | {self.n_records:,} | {_short(ours)} | {peers} | {ratio} |"


def measure(case: Case, paths: list[Path]) -> Result:
    """Return what a case takes, once all contestants have read the same out of it.

    Raises
    ------
    DisagreementError
        Naming the vendor, the peer and what both found.
    """
    batches = case.read(paths)
    ours, n_records = case.our_facts(batches), case.n_records(batches)
    if sum(b.quarantined for b in batches) > MAX_SHARE_REFUSED * sum(b.offered for b in batches):
        raise DisagreementError(
            f"{case.vendor}: most records were refused, so the time says nothing"
        )
    del batches
    contestants, refused = {"ours": case.read, **case.peers}, {}
    for name, read in case.peers.items():
        try:
            found = read(paths)
        except REFUSALS as error:
            refused[name] = type(error).__name__
            del contestants[name]
            continue
        if (theirs := case.their_facts(found)) != ours:
            raise DisagreementError(
                f"{case.vendor}: (records, lots) are {ours}, but {theirs} by {name}"
            )
    best = dict.fromkeys(contestants, float("inf"))
    until = time.perf_counter() + MAX_SECONDS
    for run in range(MAX_RUNS):
        for name, read in contestants.items():
            start = time.process_time()
            read(paths)
            best[name] = min(best[name], time.process_time() - start)
        if run and time.perf_counter() > until:
            break
    return Result(
        vendor=case.vendor, file=Path(case.path).name, n_records=n_records, seconds=best,
        refused=refused,
    )  # fmt: skip


def _short(rate: float) -> str:
    return f"{rate / 1e6:.2f} M" if rate >= 1e6 else f"{rate / 1e3:.0f} k"


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="as ORDERFLOW_TEST_DATA")
    parser.add_argument("--vendors", nargs="+", help="all by default")
    parser.add_argument("--output", type=Path, help="a Markdown file")
    asked = parser.parse_args()
    rows = [HEADER]
    print(HEADER)
    with tempfile.TemporaryDirectory() as made:
        make_files(asked.folder, Path(made))
        for case in cases():
            if asked.vendors is None or case.vendor in asked.vendors:
                paths = sorted(asked.folder.glob(case.path)) or sorted(Path(made).glob(case.path))
                rows.append(measure(case, paths).row())
                print(rows[-1], flush=True)
    if asked.output:
        text = TEXT.format(date=time.strftime("%Y-%m-%d"), runs=MAX_RUNS)
        asked.output.write_text(text + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
