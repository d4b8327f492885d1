"""How long small questions to a large store take, and what the time is made of.

    python -m benchmarks.stored_answers grow FOLDER --days N [--feature-days K]
    python -m benchmarks.stored_answers measure FOLDER [--rounds R]
    python -m benchmarks.stored_answers profile FOLDER

``grow`` makes the store of `benchmarks.stored_days`, or brings it to N days of 2,000,000 trades (5 are
10 M, 500 are 1 B); features, whose rows take far more room, on the last K days of each call only. ``measure`` asks
each question at random times of random days, in a tight loop and in turn with the others, and prints
a table of p50 and p99 with the ratio to ``SELECT 1`` on the same engine by the same way. The answers
are compared with those of the tables, without pages, before any is timed.
"""

# ruff: noqa: S608  the profile's queries are of its own numbers

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import stored_days
from benchmarks.data import DAY_NS
from orchestration.instruments import load_instruments
from orchestration.storage.answers import Answers
from orchestration.storage.pages import PAGE_BARS, connection_of, page_key
from orchestration.storage.store import Store

SMALL = ("flow.classified_trades", "flow.bars", "flow.footprint", "flow.volume_profile")
FEATURES = "research.features"
MINUTE_NS = 60_000_000_000
EPOCH_ORDINAL = 719_163  # of 1970-01-01
N_FOOTPRINT_BARS = 100
SLOW_S, SLOW_ROUNDS = 0.03, 20
Questions = dict[str, Callable[[], object]]


def grow(store: Store, n_days: int, feature_days: int) -> dict[str, object]:
    """Bring the store to a number of days; return what was done and how long it took."""
    started = time.perf_counter()
    days = store.days(SMALL[0], stored_days.SYMBOL)
    if not days:
        stored_days.publish_first_day(store)
        days = [stored_days.FIRST_DAY]
    first_s = time.perf_counter() - started
    have = (days[-1] - stored_days.FIRST_DAY).days + 1
    replicate_s = stored_days.replicate(store, range(have, n_days), SMALL)
    recent = range(max(have, n_days - feature_days), n_days)
    features_s = stored_days.replicate(store, recent, [FEATURES])
    started = time.perf_counter()
    n_pages = asking(store).fill()
    pages_s = time.perf_counter() - started
    started = time.perf_counter()
    stored_days.settle(store)
    return {
        "days": n_days,
        "trades": n_days * stored_days.DAY_TRADES,
        "first_day_s": round(first_s, 1),
        "replicate_s": round(replicate_s, 1),
        "features_s": round(features_s, 1),
        "pages": n_pages,
        "pages_s": round(pages_s, 1),
        "merges_s": round(time.perf_counter() - started, 1),
        "tables": tables(store),
    }


def tables(store: Store) -> dict[str, object]:
    """Return rows, parts and bytes of what is stored."""
    found = store.query(
        "SELECT concat(database, '.', `table`) AS t, sum(rows) AS n, count() AS parts, "
        "sum(bytes_on_disk) AS b FROM system.parts WHERE active AND database != 'system' "
        "GROUP BY t ORDER BY t"
    )
    return {
        r["t"]: {"rows": r["n"], "parts": r["parts"], "bytes": r["b"]} for r in found.to_pylist()
    }


def asking(store: Store, *, by_pages: bool = True) -> Answers:
    """Return the answers of the store's instrument; without pages they come from the tables."""
    instrument = replace(load_instruments()["BTCUSDT"], symbol=stored_days.SYMBOL)
    answers = Answers(store, instrument, clock=stored_days.CLOCK)
    if not by_pages:
        answers._have_pages = lambda _: False  # type: ignore[method-assign]
    return answers


def questions(store: Store, answers: Answers, seed: int) -> Questions:
    """Return the questions by name; each call asks about another time."""
    rng = np.random.default_rng(seed)
    days = store.days("flow.bars", stored_days.SYMBOL)
    opened = stored_days.FIRST_DAY.toordinal() - EPOCH_ORDINAL

    def minute(n_bars: int) -> int:
        return (opened + int(rng.integers(len(days)))) * DAY_NS + int(
            rng.integers(1440 - n_bars)
        ) * MINUTE_NS

    def cvd() -> object:
        start = minute(1)
        return answers.bars(start, start + MINUTE_NS)

    def ragged() -> object:
        start = minute(1) + int(rng.integers(MINUTE_NS))
        return answers.flow(start, start + MINUTE_NS)

    def footprint() -> object:
        start = minute(N_FOOTPRINT_BARS)
        return answers.footprint(start, start + N_FOOTPRINT_BARS * MINUTE_NS)

    return {
        "CVD of a minute": cvd,
        "delta of 60 s from any ns": ragged,
        "footprint of 100 bars": footprint,
        "profile of a day": lambda: answers.profile(days[int(rng.integers(len(days)))]),
        "newest features": answers.newest_features,
    }


def require_equal(store: Store) -> None:
    """Ask both ways about the same times; RuntimeError where the answers differ."""
    both = [questions(store, asking(store, by_pages=p), 7) for p in (True, False)]
    for name in both[0]:
        for _ in range(5):
            paged, plain = both[0][name](), both[1][name]()
            same = paged.equals(plain) if hasattr(paged, "equals") else paged == plain
            if not same and str(paged) != str(plain):  # NaN equals nothing
                raise RuntimeError(f"{name}: pages give {paged}, the tables {plain}")


def measure(store: Store, rounds: int) -> None:
    """Print the latencies of all questions, by pages and by tables, in a loop and in turn."""
    require_equal(store)
    fetch = connection_of(store._engine).fetch
    n_trades = store.query("SELECT count() AS n FROM flow.classified_trades")["n"][0].as_py()
    asked: Questions = {"SELECT 1": lambda: fetch("SELECT 1", {})}
    for kind, by_pages in (("", True), (", from tables", False)):
        found = questions(store, asking(store, by_pages=by_pages), 11)
        asked |= {
            name + kind: ask
            for name, ask in found.items()
            if by_pages or not name.startswith("delta")  # has no page
        }
    for ask in asked.values():
        for _ in range(10):
            ask()
    print(f"\n{n_trades:,} trades, {rounds} of each\n")
    print("| question | loop p50 ms | p99 | x SELECT 1 | in turn p50 ms | p99 | x SELECT 1 |")
    print("|---|---|---|---|---|---|---|")
    # What takes long is asked less often, and last of a turn, so that it takes no time from the others.
    few = {name for name, ask in asked.items() if timed(ask) > SLOW_S}
    loop = {
        name: [timed(ask) for _ in range(min(rounds, SLOW_ROUNDS) if name in few else rounds)]
        for name, ask in asked.items()
    }
    turn: dict[str, list[float]] = {name: [] for name in asked}
    for k in range(rounds):
        for name, ask in asked.items():
            if name not in few or k >= rounds - SLOW_ROUNDS:
                turn[name].append(timed(ask))
    for name in asked:
        cells = []
        for taken in (loop, turn):
            p50, p99 = np.percentile(taken[name], (50, 99)) * 1e3
            ratio = p50 / (np.median(taken["SELECT 1"]) * 1e3)
            cells += [f"{p50:.2f}", f"{p99:.2f}", f"{ratio:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def profile(store: Store, rounds: int) -> None:
    """Print what the fixed cost of a point query is made of."""
    fetch = connection_of(store._engine).fetch
    (row,) = store.published("flow.bars", stored_days.SYMBOL, stored_days.FIRST_DAY)
    bar = (stored_days.FIRST_DAY.toordinal() - EPOCH_ORDINAL) * 1440 + 600
    conditions = [
        f"generation = {row.generation}",
        f"bar_id = {bar}",
        f"trading_day = '{row.trading_day}'",
        f"symbol = '{row.symbol}'",
        f"clock = '{stored_days.CLOCK}'",
    ]
    columns = ["cvd_close_lots", "cvd_open_lots", "delta_lots", "n_trades", "high_ticks"]
    whole = f"SELECT {columns[0]} FROM flow.bars PREWHERE {' AND '.join(conditions)}"
    key = page_key(row.generation, stored_days.CLOCK, bar // PAGE_BARS)
    page = f"SELECT body FROM meta.answer_pages PREWHERE key = '{key}'"
    asked = {"SELECT 1": "SELECT 1"}
    for step in ("EXPLAIN AST", "EXPLAIN QUERY TREE", "EXPLAIN", "EXPLAIN PIPELINE"):
        asked[f"{step} of the bar's query"] = f"{step} {whole}"
    asked["the bar's query: 5 conditions, 1 column"] = whole
    asked["the same by WHERE"] = whole.replace("PREWHERE", "WHERE")
    for n in (4, 3, 2, 1):
        asked[f"{n} conditions (the first: generation)"] = (
            f"SELECT {columns[0]} FROM flow.bars PREWHERE {' AND '.join(conditions[:n])}"
        )
    for n in (2, 3, 5):
        asked[f"5 conditions, {n} columns"] = whole.replace(columns[0], ", ".join(columns[:n]), 1)
    asked["a page: 1 condition, 1 column"] = page
    asked["EXPLAIN of the page's query"] = f"EXPLAIN {page}"
    taken: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, sql in asked.items():
            for _ in range(2):  # the second of each counts: not what the one before left behind
                seconds = timed(lambda: fetch(sql, {}))  # noqa: B023
            taken[name].append(seconds)
    answers = asking(store)
    taken["Answers.bars: page, unpacked"] = [
        timed(lambda: answers.bars(bar * MINUTE_NS, (bar + 1) * MINUTE_NS)) for _ in range(rounds)
    ]
    print("| query | p50 ms | p99 ms |\n|---|---|---|")
    for name, seconds in taken.items():
        p50, p99 = np.percentile(seconds, (50, 99)) * 1e3
        print(f"| {name} | {p50:.2f} | {p99:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("grow", "measure", "profile"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--feature-days", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args()
    with Store.open(path=given.folder, memory_gb=8) as store:
        if given.what == "grow":
            print(json.dumps(grow(store, given.days, given.feature_days), indent=1), flush=True)
        elif given.what == "measure":
            measure(store, given.rounds)
        else:
            profile(store, given.rounds)


if __name__ == "__main__":
    main()
