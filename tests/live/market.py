"""A market that the local servers send: ticks of a bridge, and the same as a log."""

import random

from orchestration.sources.kinetick.wire import iso_100ns
from tests.sources.kinetick_server import encode

INST, OTHER_INST = "ES 06-25", "MES 06-25"
FIRST = 1_742_360_000_000_001
T0_NS = 1_742_367_600_000_000_000  # 2025-03-19 07:00 UTC: inside one session of CME
SYMBOL = "ES"


def bridge_ticks(
    n: int,
    *,
    seed: int = 0,
    inst: str = INST,
    step_us: int = 20_000,
    first: int = FIRST,
    start_ns: int = T0_NS,
) -> list[dict]:
    """Trades and quotes with the numbers of a bridge; several trades share a time, as they do."""
    rng = random.Random(seed)
    bid, ts_ns = 23_988, start_ns
    ticks: list[dict] = []
    for i in range(n):
        ts_ns += rng.choice((0, 0, step_us, 3 * step_us)) * 1000
        bid += rng.choice((0, 0, 0, 0, 1, -1))
        common = {"v": 1, "inst": inst, "seq": first + i, "ts": iso_100ns(ts_ns)}
        best = {"bid": _price(bid), "ask": _price(bid + 1)}
        if rng.random() < 0.4:
            price = best[rng.choice(("bid", "ask"))]
            ticks.append(common | {"type": "L", "px": price, "vol": str(rng.randint(1, 9)), **best})
        else:
            sizes = {"bidvol": str(rng.randint(1, 99)), "askvol": str(rng.randint(1, 99))}
            ticks.append(common | {"type": rng.choice("BA"), **best, **sizes})
    return ticks


def _price(ticks: int) -> str:
    return f"{ticks * 0.25:.2f}"


def hello(first: int, inst: str = INST) -> dict:
    """Return the bridge's answer to a first subscription."""
    return {
        "v": 1, "type": "H", "inst": inst, "after": 0, "after_ts": "", "first": first,
        "restart": False,
    }  # fmt: skip


def bridge_log(ticks: list[dict], *, step_ns: int = 2_000_000) -> bytes:
    """Return the log of one connection; a message is received every ``step_ns``."""
    messages = [hello(ticks[0]["seq"], ticks[0]["inst"]), *ticks]
    return b"".join(
        b"%d %s" % (T0_NS + i * step_ns, encode(message)) for i, message in enumerate(messages)
    )
