"""What an installed wheel holds besides modules: every file that the code opens beside itself."""

import fnmatch
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestration", "models", "orderflow_core")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_declared(package):
    # Without it a clone works and an installed wheel fails on first use.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"][package]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", package]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [Path(name).relative_to(package) for name in listed.stdout.splitlines()]
    data = [file for file in files if file.suffix != ".py" and (ROOT / package / file).exists()]
    assert data
    for file in data:
        assert any(fnmatch.fnmatch(str(file), pattern) for pattern in patterns), file


def test_no_module_looks_for_files_outside_its_package():
    from orchestration import instruments, runtime

    for opened in (runtime.DAGSTER_YAML, instruments.PACKAGED):
        assert opened.exists()
        assert opened.is_relative_to(ROOT / "orchestration"), opened
