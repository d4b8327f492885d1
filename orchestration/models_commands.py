"""``orderflow models``: the ladder of each task, and where the cards lie."""

from typing import Annotated

import typer

from orchestration.console import AsJson, fail, out, print_json


def models(
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="Only this one.")] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Print where the newest versions' model cards lie.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Every metric of every version, and why it stands so.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show each task's ladder: rung, score with interval, whether it beats the rung below."""
    from orchestration.ladder_rows import ladder_rows, shown_versions
    from orchestration.runtime import instrument, open_tracking

    found = open_tracking().models()
    if symbol:
        found = [model for model in found if model["symbol"] == symbol]
        if not found:  # models outlive the instrument's entry
            instrument(symbol)
    shown = shown_versions(found)
    if as_json:
        print_json({"models": found, "ladder": ladder_rows(shown)})
        return
    if card:
        _print_cards(shown)
        return
    from orchestration.terminal import ladder_table, model_tables

    for table in model_tables(found) if metrics else [ladder_table(ladder_rows(shown))]:
        out.print(table)


def _print_cards(shown: list) -> None:
    # One path a line and nothing else, so that a shell can open it.
    paths = [model["card"] for model in shown if model["card"]]
    if not paths:
        fail("no registered model has a card: orderflow run trains and writes one")
    for path in paths:
        typer.echo(path)
