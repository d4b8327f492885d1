"""A day of EURUSD on the local server, and how the tests ask for it."""

from datetime import UTC, date, datetime

from orchestration.sources import dukascopy
from orchestration.sources.dukascopy import DukascopySettings
from tests.sources.cases import require_whole
from tests.sources.dukascopy_cases import EURUSD, ticks
from tests.sources.dukascopy_server import DukascopyServer, answer, bi5, hours

DAY = date(2024, 3, 4)
HOURS = hours(datetime(2024, 3, 4, tzinfo=UTC))
LONG_AFTER = datetime(2024, 4, 1, tzinfo=UTC)


def clock(at: datetime):
    return lambda: int(at.timestamp()) * 1_000_000_000


def settings_for(server: DukascopyServer) -> DukascopySettings:
    """Everything long past, waits five hundred times shorter."""
    return DukascopySettings(
        api_url=server.api_url, files_url=server.files_url, requests_per_s=1000.0,
        timeout_s=2.0, clock_ns=clock(LONG_AFTER), sleep_scale=0.002,
    )  # fmt: skip


def publish(server) -> list[list]:
    """A day on both services, and the same hours under the month before and after."""
    rows = [ticks(20 + h, seed=h) for h in range(24)]
    for start, hour in zip(HOURS, rows, strict=True):
        server.publish_api("EUR-USD", start, answer(hour, int(start.timestamp()) * 1000))
        server.publish_file("EURUSD", start, bi5(hour))
    for month in (2, 4):
        for h in range(24):
            start = datetime(2024, month, 4, h, tzinfo=UTC)
            trap = ticks(3, seed=99)
            server.publish_api("EUR-USD", start, answer(trap, int(start.timestamp()) * 1000))
            server.publish_file("EURUSD", start, bi5(trap))
    return rows


def stored(paths):
    batches = dukascopy.read(paths, EURUSD)
    for batch in batches:
        require_whole(batch)
        assert batch.quarantined == 0
    return sum(batch.stored for batch in batches)


def api_path(hour: int) -> str:
    return f"/v1/ticks/EUR-USD/2024/3/4/{hour}"


def file_path(hour: int) -> str:
    return f"/datafeed/EURUSD/2024/02/04/{hour:02d}h_ticks.bi5"
