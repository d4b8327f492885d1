"""Print the ladders of registered models as tables in Markdown, for docs/models.md.

    ORDERFLOW_HOME=... python -m benchmarks.model_ladders SYMBOL [SYMBOL ...]

Rows are those of `orderflow models`: out-of-fold loss with its 95 % interval, and the paired difference to
the rung below.
"""

import sys

from orchestration.ladder_rows import ladder_rows, shown_versions
from orchestration.runtime import open_tracking


def main() -> None:
    models = open_tracking().models()
    for symbol in sys.argv[1:]:
        print(f"\n### {symbol}\n")
        print("| task | rows | rung | loss | less the rung below | beats it |")
        print("|---|---|---|---|---|---|")
        for row in ladder_rows(shown_versions([m for m in models if m["symbol"] == symbol])):
            champion = (
                " (champion)" if row["is_registered"] and "champion" in row["aliases"] else ""
            )
            print(
                f"| `{row['task']}` | {row['n']:,} | {row['rung']}{champion} | {row['metric']} "
                f"{row['value']:.4g} [{row['low']:.4g}, {row['high']:.4g}] | "
                f"{row['difference']:+.3g} [{row['difference_low']:+.3g}, {row['difference_high']:+.3g}] "
                f"{row['below']} | {row['beats_below']} |"
            )


if __name__ == "__main__":
    main()
