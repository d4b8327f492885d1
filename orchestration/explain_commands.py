"""``orderflow explain``: which cells of the footprint a network's prediction rests on, as a picture."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.console import AsJson, Symbol, fail, out, print_json, time_ns


def explain(
    symbol: Symbol,
    at_ns: Annotated[
        int,
        typer.Option("--at", parser=time_ns, metavar="TIME", help="Time of the decision, UTC."),
    ],
    task: Annotated[
        str | None, typer.Option("--task", help="Of which task; default: the first with a network.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--out", help="PNG file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw what each cell of the footprint adds to a network's prediction at a time."""
    from orchestration.errors import writing
    from orchestration.footprint_explain import explain_at
    from orchestration.runtime import instrument, open_store, open_tracking, settings

    known, tracking = instrument(symbol), open_tracking()
    described = _network(tracking.models(), symbol, task)
    model = tracking.load(described["name"], described["version"]).model
    png = explain_at(model, open_store(), known, at_ns)
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    name = f"{symbol}-{described['task']}-{at:%Y-%m-%dT%H%M%S}-explained.png"
    target = output or settings().reports_path / name
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png)
    if as_json:
        print_json({"path": str(target), "model_version": described["model_version"]})
    else:
        out.print(f"Explanation of {described['model_version']}: {target}", soft_wrap=True)


def _network(models: list[dict[str, Any]], symbol: str, task: str | None) -> dict[str, Any]:
    # The champion where it is a network, else the newest version that is one.
    found = [
        model
        for model in models
        if model["symbol"] == symbol
        and model["rung"] == "network"
        and task in (None, model["task"])
    ]
    if not found:
        fail(
            f"no network is registered for {symbol}{f' and {task}' if task else ''}: it is where "
            "ORDERFLOW_NETWORK=true orderflow run trains one that loses less than the other rungs"
        )
    of_task = [model for model in found if model["task"] == found[0]["task"]]
    return max(of_task, key=lambda model: ("champion" in model["aliases"], model["version"]))
