"""The live path under load: messages per second, lag from socket to stored row, memory over time.

``python -m benchmarks.live_path --seconds 300 --rate 2000`` starts a bridge on the loopback that sends trades and
quotes at a rate, stamped with the time of sending, and ``orderflow live`` beside it, embedded store and all,
each one process. It prints one JSON object: what was sent and stored, quantiles of the lag of every stored row (receipt of
the message to the publication of its segment), and the resident memory of the live process over time.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

INST, SYMBOL = "ES 06-25", "ES"
_PIECE_S = 0.02


def iso(ts_ns: int) -> str:
    """Return a time as the bridge writes it."""
    seconds, ns = divmod(ts_ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ns // 100:07d}Z"


class Sender(threading.Thread):
    """A bridge that serves one client at a rate, and stops after some seconds."""

    def __init__(self, rate: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.rate, self.seconds = rate, seconds
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.n_sent, self.began, self.ended = 0, 0.0, threading.Event()
        self.late_s = 0.0
        self._rng = random.Random(1)
        self._seq, self._bid = int(time.time() * 1e6), 24_000

    def run(self) -> None:
        client, _ = self.server.accept()
        with client:
            client.makefile("rb").readline()
            head = {"v": 1, "type": "H", "inst": INST, "after": 0, "after_ts": "",
                    "first": self._seq + 1, "restart": False}  # fmt: skip
            client.sendall(json.dumps(head).encode() + b"\n")
            self.began = time.monotonic()
            while (age := time.monotonic() - self.began) < self.seconds:
                due = int(age * self.rate) - self.n_sent
                client.sendall(b"".join(self._message() for _ in range(due)))
                self.n_sent += due
                # How far the client's side lets the sender fall behind its own clock.
                self.late_s = max(self.late_s, time.monotonic() - self.began - age)
                time.sleep(_PIECE_S)
            self.ended.set()
            while True:
                beat = {
                    "v": 1,
                    "type": "P",
                    "inst": INST,
                    "seq": self._seq,
                    "ts": iso(time.time_ns()),
                }
                try:
                    client.sendall(json.dumps(beat).encode() + b"\n")
                except OSError:
                    return
                time.sleep(1)

    def _message(self) -> bytes:
        rng = self._rng
        self._seq += 1
        self._bid += rng.choice((0, 0, 0, 0, 0, 1, -1))
        bid, ask = f"{self._bid * 0.25:.2f}", f"{self._bid * 0.25 + 0.25:.2f}"
        head = f'{{"v":1,"inst":"{INST}","seq":{self._seq},"ts":"{iso(time.time_ns())}",'
        if rng.random() < 0.3:
            body = f'"type":"L","px":"{rng.choice((bid, ask))}","vol":"{rng.randint(1, 9)}",' \
                   f'"bid":"{bid}","ask":"{ask}"}}\n'  # fmt: skip
        else:
            body = f'"type":"B","bid":"{bid}","bidvol":"{rng.randint(1, 99)}","ask":"{ask}",' \
                   f'"askvol":"{rng.randint(1, 99)}"}}\n'  # fmt: skip
        return (head + body).encode()


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def measure(rate: int, seconds: float, home: Path) -> dict[str, object]:
    """Run both sides and return what was found."""
    sender = Sender(rate, seconds)
    sender.start()
    command = [
        str(Path(sys.executable).with_name("orderflow")), "live", "kinetick", SYMBOL, "--json",
        "--status-s", "1", "-o", f"port={sender.port}", "-o", f"contract={INST}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=os.environ | {"ORDERFLOW_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )
    memory: list[tuple[float, float]] = []
    last: dict[str, object] = {}
    # The first day is made anew once, and the kernels are loaded: not what is sustained.
    warm_s, lags, behind = min(30.0, seconds / 3), [], 0
    for line in process.stdout:
        last = json.loads(line)["symbols"][0]
        age = time.monotonic() - sender.began if sender.began else 0.0
        if process.poll() is None:
            memory.append((age, resident_mb(process.pid)))
        if age > warm_s and not sender.ended.is_set():
            behind = max(behind, last["segments_behind"])
            lags.append((last["lag_p50_s"], last["lag_p99_s"]))
        if sender.ended.is_set() and last["trades"] + last["quotes"] >= sender.n_sent:
            process.send_signal(signal.SIGTERM)
            break
    drained = time.monotonic()
    out, _ = process.communicate(timeout=120)
    last = json.loads(out.splitlines()[-1])["symbols"][0] if out.strip() else last
    late = [mb for age, mb in memory if age > warm_s]
    return {
        "rate_asked": rate,
        "seconds": seconds,
        "sent": sender.n_sent,
        "stored": last["trades"] + last["quotes"],
        "sent_per_s": sender.n_sent / seconds,
        "exit": process.returncode,
        "lag_p50_s_median": float(np.median([p50 for p50, _ in lags])) if lags else None,
        "lag_p99_s_worst_minute": max((p99 for _, p99 in lags), default=None),
        "most_segments_behind": behind,
        "sender_late_s": sender.late_s,
        "drain_s": time.monotonic() - drained,
        "memory_mb_after_warm_up": late[0] if late else None,
        "memory_mb_end": late[-1] if late else None,
        "memory_mb_most": max(late, default=None),
        "memory_mb_by_minute": [
            round(
                float(np.median([mb for age, mb in memory if minute <= age / 60 < minute + 1])), 1
            )
            for minute in range(int(seconds // 60))
        ],
    }


def main() -> None:
    """Parse arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2000, help="messages a second")
    parser.add_argument("--seconds", type=float, default=300.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        found = measure(arguments.rate, arguments.seconds, Path(home))
    found["load_average"] = os.getloadavg()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
