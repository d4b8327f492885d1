"""Each concept of the core has a twin in plain Python, and each twin serves a test."""

import ast
from pathlib import Path

import orderflow_core

CORE = Path(orderflow_core.__file__).parent
TESTS = Path(__file__).resolve().parents[1]
# Twins that have another name: they do one element, or the step that is not obvious.
OTHER_NAMES = {
    "aggregate_bars": "aggregate_bar",
    "book_status": "follow_book",
    "hit_rate": "shuffled_hits",
    "profile_nodes": "prominence",
    "share_interval": "effective_size",
    "sharpe_interval": "block_resample",
    "sweep_footprint": "sweep_counts",
    "wilson_interval": "wilson_bound",
}
# Their oracle is another library, in the tests named.
ELSEWHERE = {
    "deflated_sharpe_ratio": "test_backtest_metrics.py",
    "expected_best_sharpe": "test_backtest_metrics.py",
    "probabilistic_sharpe_ratio": "test_backtest_metrics.py",
}


def functions(folder):
    return [
        (path, node)
        for path in sorted(folder.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


# What says where it comes from is a concept; chunk by chunk it is compared with itself in one piece.
CONCEPTS = {
    node.name
    for path, node in functions(CORE)
    if "kernels" not in path.parts
    and "Source" in (ast.get_docstring(node) or "")
    and not node.name.startswith("continue_")
}
TWINS = {node.name for _, node in functions(TESTS / "naive")}


def test_each_concept_has_a_twin():
    assert len(CONCEPTS) > 90
    assert {name for name in CONCEPTS if OTHER_NAMES.get(name, name) not in TWINS} == set(ELSEWHERE)
    assert set(OTHER_NAMES) <= CONCEPTS - TWINS
    for name, test in ELSEWHERE.items():
        assert name in (TESTS / "core" / test).read_text()


def test_each_twin_serves_a_test_or_another_twin():
    used = set()
    for path in sorted(TESTS.rglob("*.py")):
        used |= {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute | ast.Name)
        }
    assert sorted(TWINS - used) == []
