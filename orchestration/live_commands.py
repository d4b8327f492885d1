"""``orderflow live`` and ``orderflow replay``: capture as it comes, and the same way again."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from orchestration.console import INTERRUPTED, AsJson, Symbol, out, print_json

if TYPE_CHECKING:
    from orchestration.live.feeds import Feed
    from orchestration.live.session import Line

_TTY_STATUS_S, _PIPE_STATUS_S = 0.5, 5.0
Show = Callable[[list[dict[str, Any]]], None]


def live(
    source: Annotated[str, typer.Argument(help="Whose data: docs/live.md lists them.")],
    symbols: Annotated[list[str], typer.Argument(help="Names from instruments.toml.")],
    options: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="name=value of the client, as in port=6790; repeat."),
    ] = None,
    status_s: Annotated[
        float | None, typer.Option("--status-s", min=0.05, help="Seconds between two status lines.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a status line, and nothing else.")
    ] = False,
) -> None:
    """Capture live data: to a log first, then to the store, with features as they become known.

    SIGTERM drains and leaves with 0, Ctrl+C drains and leaves with 130; a second one leaves at once.
    """
    from orchestration.live.build import open_line
    from orchestration.live.session import live_records
    from orchestration.runtime import instrument, open_store, settings

    feed = _feed(source)
    if len(set(symbols)) != len(symbols):
        raise typer.BadParameter(f"a symbol is named twice: {' '.join(symbols)}")
    config = settings()
    try:
        client = feed.settings_from(options or [], config)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    known = [instrument(symbol) for symbol in symbols]
    store = open_store()
    with ExitStack() as held:
        lines = [
            open_line(
                feed, one, store, config, config.live_path,
                partial(live_records, feed, one, client), held,
            )
            for one in known
        ]  # fmt: skip
        code = run_session(lines, held, as_json=as_json, status_s=status_s)
    if code:
        raise typer.Exit(code)


def replay(
    symbol: Symbol,
    logs: Annotated[
        list[Path] | None, typer.Argument(help="Logs, or folders of a capture log, in order.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Whose log it is; with logs only.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="A stored day instead.")
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", help="1, 10, ... times as fast, or max.")
    ] = "max",
    into: Annotated[
        Path | None, typer.Option("--into", help="Another ORDERFLOW_HOME, which takes the rows.")
    ] = None,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Keep nothing: a home that is thrown away.")
    ] = False,
    status_s: Annotated[float | None, typer.Option("--status-s", min=0.05)] = None,
    as_json: AsJson = False,
) -> None:
    """Feed a log or a stored day through the live path again, at any speed."""
    from orchestration.live import replay as again
    from orchestration.runtime import instrument, settings

    if bool(logs) == bool(day):
        raise typer.BadParameter("name logs or a --day, one of the two")
    if bool(logs) != bool(source):
        raise typer.BadParameter("--source belongs to logs: it says whose they are")
    if (into is None) != no_store:
        raise typer.BadParameter("say where the rows go: --into HOME or --no-store")
    if source:
        _feed(source)
    try:
        pace = again.speed_of(speed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    known, config = instrument(symbol), settings()
    if into is not None and into.resolve() == config.root:
        raise typer.BadParameter("--into must be another home than ORDERFLOW_HOME")
    stored = None if day is None else again.stored_day(config, known, day.date())
    with ExitStack() as held:
        home = into or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="replay-")))
        target = again.Target(config=config, home=home.resolve(), held=held)
        if stored is not None:
            result, code = target.take_day(stored, pace), 0
        else:
            line = target.open_log(_feed(source or ""), known, logs or [], pace)
            code = run_session([line], held, as_json=as_json, status_s=status_s, is_quiet=True)
            result = target.result_of(line)
    if as_json:
        print_json(result)
    else:
        from orchestration.terminal import ingest_table

        out.print(ingest_table(symbol, result))
    if code:
        raise typer.Exit(code)


def run_session(
    lines: Sequence["Line"],
    held: ExitStack,
    *,
    as_json: bool,
    status_s: float | None,
    is_quiet: bool = False,
) -> int:
    """Run a session to its end; return the exit code. ``is_quiet``: a script wants the result only."""
    from orchestration.live.session import Session

    pause = status_s or (_TTY_STATUS_S if out.is_terminal or as_json else _PIPE_STATUS_S)
    show = _shower(held, as_json=as_json, is_quiet=is_quiet)
    session = Session(lines=lines, on_status=show, status_s=pause)
    number = asyncio.run(session.run())
    for line in lines:
        if line.status.problem:
            sys.stderr.write(f"error: {line.status.symbol}: {line.status.problem}\n")
            return 1
    return INTERRUPTED if number == signal.SIGINT else 0


def _shower(held: ExitStack, *, as_json: bool, is_quiet: bool) -> Show:
    from orchestration.live.status import status_line

    if as_json:
        if is_quiet:
            return lambda _: None

        def print_line(found: list[dict[str, Any]]) -> None:
            print_json({"symbols": found})
            sys.stdout.flush()

        return print_line
    if out.is_terminal:
        screen = held.enter_context(Live(console=out, auto_refresh=False))
        return lambda found: screen.update(
            Text("\n".join(map(status_line, found)), no_wrap=True, overflow="ellipsis"),
            refresh=True,
        )
    return lambda found: print("\n".join(map(status_line, found)), flush=True)


def _feed(source: str) -> "Feed":
    from orchestration.live.feeds import FEEDS

    if source not in FEEDS:
        raise typer.BadParameter(f"unknown source {source!r}: choose from {', '.join(FEEDS)}")
    return FEEDS[source]
