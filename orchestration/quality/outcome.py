"""What a check says, before any orchestrator hears of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """Result of one check.

    Attributes
    ----------
    name : str
        Name of the check, unique within its asset.
    passed : bool
    blocking : bool
        A failed blocking check keeps the rows unpublished.
    rows : sequence of mappings
        One line a rule: what was demanded, what was found.
    """

    name: str
    passed: bool
    blocking: bool = True
    rows: Sequence[Mapping[str, str | bool]] = field(default_factory=tuple)

    def failures(self) -> str:
        """Return the failed rules in words."""
        return "; ".join(
            f"{row['rule']}: found {row['found']}" for row in self.rows if not row["passed"]
        )


def rule(name: str, passed: bool, found: object) -> dict[str, str | bool]:
    """Return one line of an outcome."""
    return {"rule": name, "passed": bool(passed), "found": str(found)}
