"""docs/features.md says what the registry says, of every column and in its order."""

import re
from pathlib import Path

from orderflow_core.features import ALL_FEATURES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "features.md"


def test_the_page_is_the_registry():
    text = re.sub(r"\(\[glossary\]\(glossary\.md\)\)", "(docs/glossary.md)", PAGE.read_text())
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{f.name}` | {f.definition} | {f.unit} | {f.window} | {f.source} |"
        for f in ALL_FEATURES
    ]
