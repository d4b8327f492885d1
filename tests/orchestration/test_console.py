"""What is printed is what the record says: the terminal's own language has no part in it."""

import pytest

from orchestration import console


@pytest.mark.parametrize("where", [console.out, console.err])
def test_a_text_between_colons_is_no_picture(where):
    with where.capture() as said:
        where.print("error:", "got 'root:x:0:0'", markup=False)
        where.print("root:x:0:0")
    assert said.get().count(":x:") == 2
