"""What a card and a run say of the paths of combinatorial purged cross-validation."""

from models.combinatorial import PathLosses


def paths_section(found: PathLosses | None) -> str:
    """Return the card's section; None: not computed."""
    if found is None:
        return (
            "## Combinatorial paths\n\nNot computed for this training (`ORDERFLOW_COMBINATORIAL=true` "
            "asks for it; it costs fifteen more fits a rung)."
        )
    rows = "\n".join(
        f"| {rung} | {values.mean():.4g} | {values.min():.4g} | {values.max():.4g} |"
        for rung, values in found.losses.items()
    )
    n_paths = len(next(iter(found.losses.values())))
    return (
        f"## Combinatorial paths\n\nThe rows in {found.n_groups} groups of time, every choice of "
        f"{found.n_test_groups} judged by models of the others (purged): {found.n_folds} folds make "
        f"{n_paths} paths over all rows. Loss ({found.task.loss}) of each path: what hangs on the order "
        "of the days. Models of early test rows have seen later days, paths share rows: no simulation of "
        "trading, no interval, and nothing was chosen by it.\n\n"
        f"| rung | mean | least | most |\n| --- | --- | --- | --- |\n{rows}"
    )


def path_metrics(found: PathLosses) -> dict[str, float]:
    """Return ``<rung>.paths_mean``, ``_least``, ``_most`` and the number of folds as a run's metrics."""
    metrics = {"paths_n_folds": float(found.n_folds)}
    for rung, values in found.losses.items():
        metrics[f"{rung}.paths_mean"] = float(values.mean())
        metrics[f"{rung}.paths_least"] = float(values.min())
        metrics[f"{rung}.paths_most"] = float(values.max())
    return metrics
