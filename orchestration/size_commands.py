"""``orderflow size``: the largest order that a registered model allows in the latest published state."""

import math
from typing import Annotated

import typer

from models.tasks import LEVELS
from orchestration.console import AsJson, Symbol, out, print_json, time_ns


def size(
    symbol: Symbol,
    budget_bp: Annotated[
        float | None, typer.Option("--budget-bp", help="Impact that the order may have.")
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option("--probability", help="How surely: " + ", ".join(map(str, LEVELS)) + "."),
    ] = None,
    at_ns: Annotated[
        int | None,
        typer.Option("--at", parser=time_ns, metavar="TIME", help="UTC; default the latest."),
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
    if not math.isfinite(budget):
        raise typer.BadParameter(f"--budget-bp must be finite, got {budget}")
    level = config.sizing_probability if probability is None else probability
    found = largest_sizes(
        open_store(), open_tracking(), symbol, budget_bp=budget, probability=level, at_ns=at_ns
    )
    if as_json:
        print_json({"budget_bp": budget, "probability": level, "sizes": found})
        return
    from orchestration.terminal import size_table

    out.print(size_table(known, found, budget_bp=budget, probability=level))
