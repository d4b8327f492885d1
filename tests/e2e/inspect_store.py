"""Print what the store of a home folder holds, as JSON: ``python -m tests.e2e.inspect_store HOME``."""

import json
import sys
from pathlib import Path

from orchestration.storage.store import Store


def main() -> None:
    with Store.open(path=Path(sys.argv[1]) / "store") as store:
        keys = sorted({(row.table, row.symbol, row.trading_day) for row in store.published()})
        found = {
            "hashes": {" ".join(map(str, key)): store.content_hash(*key) for key in keys},
            "snapshot": store.snapshot(),
            "problems": [str(problem) for problem in store.verify(deep=True)],
            "orphans": len(store.orphans()),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
