"""What every kernel module must look like, read from its syntax tree."""

import ast
from pathlib import Path

import pytest

import orderflow_core

CORE = Path(orderflow_core.__file__).parent
KERNEL_FILES = sorted((CORE / "kernels").rglob("*.py"))
WRAPPER_FILES = sorted(set(CORE.rglob("*.py")) - set(KERNEL_FILES))
MAX_PARAMETERS, MAX_BODY_LINES = 8, 40
IMPORTABLE = {"numpy", "numba", "math", "typing", "orderflow_core.types"}
# A kernel that only calls others, in one step, as a live stream needs. A cache folder of make, CI and
# images belongs to one state of all kernels (NUMBA_CACHE_DIR), so that it cannot hold an older callee.
COMPOSED = frozenset({"feature_step"})


def kernel_faults(source, module="sample"):
    """Return what is wrong with a kernel module, one line a fault."""
    faults = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            faults += [f"{module}.{node.name}: {fault}" for fault in function_faults(node)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            faults += import_faults(node, module)
        elif not (is_text(node) or is_type_alias(node)):
            # A compiled kernel keeps the old value of a global that is changed in another file.
            faults.append(f"{module}: line {node.lineno} is no function and no import")
    return faults


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_type_alias(node):
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias"


def function_faults(function):
    if not (function.name.startswith("_") and function.name.endswith("_nb")):
        yield "is not named _..._nb"
    flags = [njit_flags(decorator) for decorator in function.decorator_list]
    required = {"cache": True, "nogil": True}
    if flags != [required]:
        yield f"must be decorated @njit with {required}, got {flags}"
    arguments = function.args
    n_parameters = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
    if n_parameters > MAX_PARAMETERS or arguments.vararg or arguments.kwarg:
        yield f"takes {n_parameters} parameters"
    n_lines = function.body[-1].end_lineno - function.body[0].lineno + 1
    if n_lines > MAX_BODY_LINES:
        yield f"has {n_lines} body lines"


def njit_flags(decorator):
    if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "njit"):
        return ast.unparse(decorator)
    if decorator.args:
        return "an explicit signature"
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}


def import_faults(node, module):
    names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
    if module in COMPOSED:
        names = [name for name in names if not name.startswith("orderflow_core.kernels.")]
    # A helper in another file would be compiled into the cache and stay there when it changes.
    return [f"{module}: imports {name}" for name in names if name not in IMPORTABLE]


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda path: path.stem)
def test_kernel_modules_keep_the_rules(path):
    assert kernel_faults(path.read_text(), path.stem) == []


@pytest.mark.parametrize("path", WRAPPER_FILES, ids=lambda path: path.stem)
def test_only_kernel_modules_use_numba(path):
    tree = ast.parse(path.read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not {name for name in imported if name.split(".")[0] == "numba"}


GOOD = "@njit(cache=True, nogil=True)\ndef _x_nb(a):\n    return a\n"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (GOOD.replace("_x_nb", "x_nb"), "not named"),
        (GOOD.replace("cache=True, ", ""), "decorated"),
        (GOOD.replace("nogil=True", "nogil=False"), "decorated"),
        (GOOD.replace("nogil=True", "nogil=True, fastmath=True"), "decorated"),
        (GOOD.replace("nogil=True", "nogil=True, parallel=True"), "decorated"),
        (GOOD.replace("(cache", '("f8(f8)", cache'), "decorated"),
        (GOOD.split("\n", 1)[1], "decorated"),
        (GOOD.replace("(a)", "(a, b, c, d, e, f, g, h, i)"), "9 parameters"),
        (GOOD.replace("    return a\n", "    a += 1\n" * 41), "41 body lines"),
        ("LIMIT = 3\n" + GOOD, "no function"),
        ("LIMIT: int = 3\n" + GOOD, "no function"),
        ("from orderflow_core.kernels.bars import _y_nb\n" + GOOD, "imports"),
    ],
)
def test_each_rule_is_looked_at(source, fault):
    assert kernel_faults(GOOD) == []
    (found,) = kernel_faults(source)
    assert fault in found
