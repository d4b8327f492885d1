"""Print what the store of a home folder holds, as JSON: ``python -m tests.e2e.inspect_store HOME``."""

import json
import sys
from pathlib import Path
from typing import Any

from orchestration.storage.store import Store


def contents(store: Store) -> dict[str, Any]:
    """Return ``hashes`` by "table symbol day", ``snapshot``, ``problems`` and ``orphans``."""
    keys = sorted({(row.table, row.symbol, row.trading_day) for row in store.published()})
    return {
        "hashes": {" ".join(map(str, key)): store.content_hash(*key) for key in keys},
        "snapshot": store.snapshot(),
        "problems": [str(problem) for problem in store.verify(deep=True)],
        "orphans": len(store.orphans()),
    }


def main() -> None:
    with Store.open(path=Path(sys.argv[1]) / "store") as store:
        print(json.dumps(contents(store)))


if __name__ == "__main__":
    main()
