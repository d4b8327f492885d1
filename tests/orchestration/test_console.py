"""What is printed is what the record says: the terminal's own language has no part in it."""

import pytest
import typer
from typer.testing import CliRunner

from orchestration import console
from orchestration.cli import app


@pytest.mark.parametrize("where", [console.out, console.err])
def test_a_text_between_colons_is_no_picture(where):
    with where.capture() as said:
        where.print("error:", "got 'root:x:0:0'", markup=False)
        where.print("root:x:0:0")
    assert said.get().count(":x:") == 2


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-02", 86_400_000_000_000),
        ("1969-12-31T23:59:59.999999", -1000),
        ("2024-08-09 00:10:00", 1_723_162_200_000_000_000),
        ("2024-08-09T00:10:00.000001", 1_723_162_200_000_001_000),
        ("1678-01-01", -9_214_560_000_000_000_000),
        ("2261-12-31T23:59:59", 9_214_646_399_000_000_000),
    ],
)
def test_a_time_is_nanoseconds_in_utc(text, ns):
    assert console.time_ns(text) == ns


@pytest.mark.parametrize("text", ["1500-01-01", "1677-01-01", "2263-01-01", "9999-12-31T00:00:00"])
@pytest.mark.parametrize("command", ["explain", "size"])
def test_a_time_that_no_table_could_hold_is_wrong_usage(command, text):
    with pytest.raises(typer.BadParameter, match="the years 1678 to 2261 are held"):
        console.time_ns(text)
    found = CliRunner().invoke(app, [command, "--symbol", "ES", "--at", text])
    assert found.exit_code == 2
    assert "Invalid value for '--at'" in found.output


@pytest.mark.parametrize("text", ["", "now", "2024-02-30", "2024-08-09T00:10:00.123456789"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(typer.BadParameter, match="is no time such as"):
        console.time_ns(text)
