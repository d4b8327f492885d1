"""What every command shares: options, printing for people and for scripts, progress, failing."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A pipe has no width: wide enough that a table keeps its columns.
_PIPE_WIDTH = 160
INTERRUPTED = 130  # as a shell says it: 128 + SIGINT
# A record's own text may hold ":x:": it is shown as it is, never as a picture.
out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, emoji=False)
err = Console(stderr=True, soft_wrap=True, emoji=False)

Symbol = Annotated[str, typer.Option("--symbol", "-s", help="A name from instruments.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Day = Annotated[
    datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Trading day, YYYY-MM-DD.")
]


def time_ns(text: str) -> int:
    """Return a time in UTC as nanoseconds since 1970: the parser of every ``--at``.

    Raises
    ------
    typer.BadParameter
        It is no time, or none that nanoseconds in int64 hold.

    Examples
    --------
    >>> time_ns("1970-01-02"), time_ns("1969-12-31T23:59:59.999999")
    (86400000000000, -1000)
    """
    # Whole microseconds: a float of nanoseconds would lose them.
    ns = (_time(text) - _EPOCH) // timedelta(microseconds=1) * 1000
    if abs(ns) >= 2**63:
        raise typer.BadParameter(f"{text} is too far from 1970: the years 1678 to 2261 are held")
    return ns


def _time(text: str) -> datetime:
    for form in _TIMES:
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    raise typer.BadParameter(f"{text!r} is no time such as 2024-08-09T00:10:00")


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


@contextmanager
def progress(text: str, *, quiet: bool) -> Iterator[Any]:
    """Show a spinner on standard error; the yielded function changes its text."""
    if quiet or not err.is_terminal:
        yield (lambda _: None) if quiet else (lambda said: err.print(f"  {said}"))
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda said: bar.update(task, description=said)


def fail(reason: str) -> None:
    """Say why on standard error and leave with exit code 1."""
    err.print(f"[bold red]error:[/] {reason}", highlight=False, markup=True)
    raise typer.Exit(1)
