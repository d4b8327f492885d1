"""``orderflow size``: the largest order that a registered model allows in the latest published state."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from models.tasks import LEVELS
from orchestration.console import AsJson, Symbol, out, print_json

_US = 1_000_000
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"]


def size(
    symbol: Symbol,
    budget_bp: Annotated[
        float | None, typer.Option("--budget-bp", help="Impact that the order may have.")
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option("--probability", help="How surely: " + ", ".join(map(str, LEVELS)) + "."),
    ] = None,
    at: Annotated[
        datetime | None, typer.Option("--at", formats=_TIMES, help="UTC; default the latest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the largest buy and sell whose impact stays within a budget with a probability."""
    if probability is not None and probability not in LEVELS:
        raise typer.BadParameter(f"--probability must be one of {', '.join(map(str, LEVELS))}")
    from orchestration.runtime import instrument, open_store, open_tracking, settings
    from orchestration.sizes import largest_sizes

    known, config = instrument(symbol), settings()
    budget = config.sizing_budget_bp if budget_bp is None else budget_bp
    if budget != budget:
        raise typer.BadParameter("--budget-bp must be a number")
    level = config.sizing_probability if probability is None else probability
    found = largest_sizes(
        open_store(), open_tracking(), symbol, budget_bp=budget, probability=level,
        at_ns=None if at is None else _ns(at),
    )  # fmt: skip
    if as_json:
        print_json({"budget_bp": budget, "probability": level, "sizes": found})
        return
    from orchestration.terminal import size_table

    out.print(size_table(known, found, budget_bp=budget, probability=level))


def _ns(at: datetime) -> int:
    # Whole microseconds: a float of nanoseconds would lose them.
    since = at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * _US + since.microseconds) * 1000
