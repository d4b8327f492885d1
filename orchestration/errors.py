"""Errors whose message is all that a user needs; anything else is a defect and shows itself whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from orchestration.config import SettingsFileError
from orchestration.instruments import InstrumentError, UnknownSymbol
from orchestration.sources.records import SourceError
from orchestration.storage.errors import StoreError
from orchestration.tracking.errors import TrackingError


class IngestRefused(ValueError):  # noqa: N818  says what happened
    """The rows of a day broke their table's contract; nothing of that day was published."""


class NothingToAsk(ValueError):  # noqa: N818  says what it is
    """No registered model, or no published state that one could be asked about."""


class NothingToScore(ValueError):  # noqa: N818  says what it is
    """The day has no trades, no true side, or no quotes that a rule needs."""


class NothingToShow(ValueError):  # noqa: N818  says what it is
    """Nothing was published that could be drawn."""


class NotWritable(RuntimeError):  # noqa: N818  says what it is
    """A file or folder that a setting or an option names cannot be made."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the path when the system refuses to write it."""
    try:
        yield
    except OSError as error:
        raise NotWritable(f"{path} cannot be written: {error.strerror or error}") from error


def told(error: Exception) -> str:
    """Return what an expected error says; of settings out of their domain each by its name, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [
        (".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in found
    ]
    return "; ".join(f"{name}: {message}" if name else message for name, message in said)


class RunFailed(RuntimeError):  # noqa: N818  says what happened
    """A step of a run failed; the message is the step's own."""


EXPECTED: tuple[type[Exception], ...] = (
    IngestRefused,
    InstrumentError,
    NothingToAsk,
    NothingToScore,
    NothingToShow,
    NotWritable,
    RunFailed,
    SettingsFileError,
    SourceError,
    StoreError,
    TrackingError,
    UnknownSymbol,
    ValidationError,
)
