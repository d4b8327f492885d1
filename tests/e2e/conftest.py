"""One home that went the whole way with an instrument of the user's own, for tests that only look."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.captures import capture_lines, write_lines
from tests.e2e.command import Finished, inspect, orderflow
from tests.e2e.instrument import SYMBOL, add_instrument

DAYS = ("2024-08-08", "2024-08-09")
N_TRADES = 900


@dataclass(frozen=True, kw_only=True)
class WholeWay:
    """A home, what each command said, and what the store held after each run."""

    home: Path
    ingest: Finished
    run: Finished
    again: Finished
    first: dict
    second: dict


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a market that we made."""
    lines = []
    for day in range(len(DAYS)):
        lines += capture_lines(n_trades=N_TRADES, day=day, seed=day, symbol=SYMBOL)
    return write_lines(tmp_path_factory.mktemp("capture") / "two_days.gz", lines)


@pytest.fixture(scope="session")
def whole_way(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> WholeWay:
    """Ingest, run everything, run the first day and the training again."""
    home = add_instrument(tmp_path_factory.mktemp("whole"))
    take = ("ingest", "capture", "--path", str(capture), "--symbol", SYMBOL, "--json")
    ingest = orderflow(home, *take)
    run = orderflow(home, "run", "--symbol", SYMBOL, "--json")
    first = inspect(home)
    jobs = ("--job", "day", "--job", "training")
    again = orderflow(home, "run", "--symbol", SYMBOL, "--to", DAYS[0], *jobs, "--json")
    return WholeWay(
        home=home, ingest=ingest, run=run, again=again, first=first, second=inspect(home)
    )


@pytest.fixture(scope="session")
def ask(whole_way: WholeWay) -> Callable[..., Finished]:
    """Run a command in the home that went the whole way."""
    return lambda *arguments, **more: orderflow(whole_way.home, *arguments, **more)
