"""Small made-up ticks and messages in the feed's layouts."""

from decimal import Decimal

from orchestration.sources.iqfeed.history import parse_history
from orchestration.sources.iqfeed.logs import parse_log
from orchestration.sources.records import SourceBatch
from orderflow_core.instrument import Instrument
from tests.sources.cases import require_whole, source_file

EQUITY = Instrument(
    symbol="XYZ", venue="us_equity", venue_symbol="XYZ", kind="spot",
    price_step=Decimal("0.0001"), tick_size=Decimal("0.01"), lot_step=Decimal(1),
    contract_value=Decimal(1), quote_currency="USD", day_rule="local",
    timezone="America/New_York", max_id_step=0,
)  # fmt: skip

DAY = "2021-03-30"
# 2021-03-30 13:30:00 UTC is 09:30 in New York: summer time began on March 14.
T0_NS = 1_617_111_000_000_000_000


def tick(
    i: int, *, time: str = "", p: str = "10.01", q: int = 100, total: int = 0, bid: str = "10.00",
    ask: str = "10.01", basis: str = "C", center: int = 11, tick_id: int = 0,
    conditions: str = "01", aggressor: str = "1", day: str = DAY,
) -> str:  # fmt: skip
    """The i-th tick (from 1) of a day in protocol 6.1, without the last comma."""
    when = time or f"09:30:{i:02d}.000{i:03d}"
    return (
        f"{day} {when},{p},{q},{total or 100 * i},{bid},{ask},{tick_id or i},{basis},{center},"
        f"{conditions},{aggressor},{int(day[8:])}"
    )


def update(i: int, contents: str, *, time: str = "", tick_id: int = 0, center: int = 11,
           p: str = "10.01", q: int = 100, total: int = 0, bid: str = "10.00", ask: str = "10.01",
           aggressor: str = "2", date: str = "03/30/2021", symbol: str = "XYZ") -> str:  # fmt: skip
    """The i-th update with the fields that the client selects."""
    when = time or f"09:30:{i:02d}.000{i:03d}"
    return (
        f"Q,{symbol},{date},{when},{p},{q},{center},{aggressor},01,{tick_id or i},{bid},300,{when},"
        f"{ask},400,{when},{total or 100 * i},{contents},"
    )


def logged(messages: list[str], *, first_ns: int = T0_NS, step_ns: int = 1_000_000_000) -> str:
    """A log of messages, one received each second from 09:30:00.5 on."""
    return "".join(
        f"{first_ns + 500_000_000 + i * step_ns} {text}\n" for i, text in enumerate(messages)
    )


def parse(rows: list[str] | bytes | str) -> list[SourceBatch]:
    batches = parse_history(source_file(rows), EQUITY)
    for batch in batches:
        require_whole(batch)
    return batches


def parse_stream(data: list[str] | bytes | str, instrument: Instrument = EQUITY):
    batches = parse_log(source_file(logged(data) if isinstance(data, list) else data), instrument)
    for batch in batches:
        require_whole(batch)
    return batches
