"""What the store of a home holds of a symbol, as JSON: ``python -m tests.live.stored HOME SYMBOL``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from orchestration.storage.store import Store

ROOT = Path(__file__).resolve().parent.parent.parent
_COLUMNS = {
    "raw.trades": ["trade_id", "price_ticks", "qty_lots"],
    "raw.quotes": ["quote_id", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"],
    "raw.gaps": ["kind", "reason", "n_missing"],
    "raw.quarantine": ["reason", "record"],
}


def stored_in(home: Path, symbol: str) -> dict[str, Any]:
    """Ask a process of its own: this one may have another store open."""
    command = [sys.executable, "-m", "tests.live.stored", str(home), symbol]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def rows_of(store: Store, symbol: str) -> dict[str, Any]:
    """Return the content of the raw tables, each row a list."""
    return {
        name: [list(row.values()) for row in store.read(name, symbol, columns=columns).to_pylist()]
        for name, columns in _COLUMNS.items()
    }


def main() -> None:
    with Store.open(path=Path(sys.argv[1]) / "store") as store:
        problems = [str(problem) for problem in store.verify(deep=True)]
        print(json.dumps(rows_of(store, sys.argv[2]) | {"problems": problems}))


if __name__ == "__main__":
    main()
