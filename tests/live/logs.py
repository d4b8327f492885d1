"""A log of each vendor with what may go wrong in one, and the log cut into segments."""

import json
import random
from pathlib import Path

from orchestration.live.capture_log import Segment
from orchestration.live.feeds import FEEDS, Feed, message_of
from orchestration.live.segment_reader import ReaderState, read_segment
from orchestration.sources.records import SourceBatch
from orderflow_core.instrument import Instrument
from tests.live.market import FIRST, T0_NS, bridge_log, bridge_ticks, hello
from tests.sources import binance_ws_cases as binance
from tests.sources import iqfeed_cases as iqfeed
from tests.sources.cases import ES, SPOT
from tests.sources.dukascopy_cases import EURUSD, START_MS
from tests.sources.dukascopy_server import answer
from tests.sources.kinetick_server import encode


def kinetick_log(seed: int) -> bytes:
    """A bridge that skips numbers without a word, breaks off, restarts and sends damage."""
    ticks = bridge_ticks(120, seed=seed)
    lines = bridge_log(ticks[:40]).splitlines()
    lines += [b"%d %s" % (T0_NS + 10**8, encode(t, end=b"")) for t in ticks[43:70]]
    again = hello(FIRST + 80) | {"after": FIRST + 69, "after_ts": ticks[69]["ts"]}
    beat = {"v": 1, "type": "P", "inst": "ES 06-25", "seq": FIRST + 99, "ts": ticks[99]["ts"]}
    rest = [again, *ticks[80:100], beat, beat, *ticks[105:]]
    lines += [b"%d %s" % (T0_NS + 2 * 10**8, encode(m, end=b"")) for m in rest]
    lines.insert(30, b"%d {damaged" % (T0_NS + 10**7))
    return b"".join(line + b"\n" for line in lines)


def iqfeed_log(seed: int) -> bytes:
    """Two connections, updates of trades, quotes and both; volume that jumps."""
    rng = random.Random(seed)
    fields = "S,CURRENT UPDATE FIELDNAMES," + ",".join(iqfeed_fields())
    messages = ["S,CURRENT PROTOCOL,6.2", fields]
    for i in range(1, 40):
        total = 100 * i + (500 if i > 25 else 0)
        messages.append(iqfeed.update(i, rng.choice(("C", "ba", "Cba", "b", "O")), total=total))
        if i == 20:
            messages += ["S,SERVER DISCONNECTED", "S,CURRENT PROTOCOL,6.2", fields]
        if i % 7 == 0:
            messages.append(f"T,20210330 09:30:{i:02d}")
    return iqfeed.logged(messages).encode()


def iqfeed_fields() -> tuple[str, ...]:
    from orchestration.sources.iqfeed.level1 import SELECTED

    return SELECTED


def binance_log(seed: int) -> bytes:
    """Two connections; ids that are missing between them."""
    rng = random.Random(seed)
    marker = "wss://x/stream?streams=btcusdt@trade/btcusdt@bookTicker after-quote-ns="
    lines, recv_us, quote_us = [f"{binance.T0_US} {marker}0"], binance.T0_US, 0
    for i in range(1, 80):
        recv_us += rng.randint(1, 3000)
        if i == 40:
            lines.append(f"{recv_us}000 {marker}{quote_us}000")
            continue
        stream, data = binance.trade(i) if rng.random() < 0.5 else binance.quote(i)
        quote_us = recv_us if "bookTicker" in stream else quote_us
        lines.append(f"{recv_us}000 {json.dumps({'stream': stream, 'data': data})}")
    return "".join(f"{line}\n" for line in lines).encode()


def dukascopy_log(seed: int) -> bytes:
    """Answers of which each begins with the last quote of the one before."""
    rng = random.Random(seed)
    ms, found = 0, []
    for _ in range(200):
        ms += rng.choice((0, 40, 700))
        bid = 108_000 + rng.randint(-9, 9)
        found.append((ms, bid + 2, bid, 1e6 * rng.randint(1, 9), 1e6))
    lines, first = [], 0
    while True:
        n_same = sum(tick[0] == found[first][0] for tick in found)
        end = min(first + n_same + rng.randint(1, 7), len(found))
        # The vendor's answer holds all quotes of its last millisecond.
        while end < len(found) and found[end][0] == found[end - 1][0]:
            end += 1
        part = found[first:end]
        start = part[0][0]
        body = answer([(t[0] - start, *t[1:]) for t in part], START_MS + start)
        lines.append(b"%d %s\n" % ((START_MS + part[-1][0]) * 10**6 + 5, body))
        if end == len(found):
            break
        first = end - 1
        while first and found[first - 1][0] == found[first][0]:
            first -= 1
    return b"".join(lines)


LOGS = {
    "kinetick": (kinetick_log, ES),
    "iqfeed": (iqfeed_log, iqfeed.EQUITY),
    "binance": (binance_log, SPOT),
    "dukascopy": (dukascopy_log, EURUSD),
}


def segments(feed: Feed, data: bytes, folder: Path, rng: random.Random) -> list[Segment]:
    """Cut a log at places where a session may cut it."""
    lines = data.splitlines(keepends=True)
    cuts = [
        i
        for i in range(1, len(lines))
        if rng.random() < 0.25 and feed.may_end(message_of(lines[i - 1].rstrip(b"\n")))
    ]
    found = []
    for first, end in zip([0, *cuts], [*cuts, len(lines)], strict=True):
        path = folder / f"{first + 1:020d}.log"
        path.write_bytes(b"".join(lines[first:end]))
        found.append(Segment(path=path, first_line=first + 1))
    return found


def read_all(name: str, instrument: Instrument, parts: list[Segment]) -> list[SourceBatch]:
    """Read segments one after the other, the state through its file."""
    batches: list[SourceBatch] = []
    folder = parts[0].path.parent
    for part in parts:
        read = read_segment(FEEDS[name], instrument, part, ReaderState.load(folder))
        read.state.save(folder)
        batches += read.batches
    return batches
