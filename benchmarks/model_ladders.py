"""Print the ladders of registered models as tables in Markdown, for docs/models.md.

    ORDERFLOW_HOME=... python -m benchmarks.model_ladders SYMBOL [SYMBOL ...]

One line a task: each rung's out-of-fold loss with its 95 % interval, and whether it beats the rung below (the
naive one: the base rate), as `orderflow models` says.
"""

import sys
from itertools import groupby

from models.tasks import ALL_RUNGS
from orchestration.ladder_rows import ladder_rows, shown_versions
from orchestration.runtime import open_tracking


def main() -> None:
    models = open_tracking().models()
    for symbol in sys.argv[1:]:
        rows = ladder_rows(shown_versions([m for m in models if m["symbol"] == symbol]))
        shown = [rung for rung in ALL_RUNGS if any(row["rung"] == rung for row in rows)]
        print(f"\n### {symbol}\n")
        print(f"| task | rows | loss | {' | '.join(shown)} |\n{'|---' * (3 + len(shown))}|")
        for task, group in groupby(rows, key=lambda row: row["task"]):
            rungs = {row["rung"]: row for row in group}
            first = rungs["naive"]
            cells = [cell(rungs[rung]) if rung in rungs else "-" for rung in shown]
            print(f"| `{task}` | {first['n']:,} | {first['metric']} | {' | '.join(cells)} |")


def cell(row: dict) -> str:
    champion = ", champion" if row["is_registered"] and "champion" in row["aliases"] else ""
    return (
        f"{row['value']:.4g} [{row['low']:.4g}, {row['high']:.4g}] {row['beats_below']}{champion}"
    )


if __name__ == "__main__":
    main()
