"""The table of operations is the code."""

from tests.ops.cases import OPS
from tests.ops.make_reference import FILE, page


def test_the_page_is_made_from_the_code() -> None:
    assert page() == FILE.read_text(encoding="utf-8"), "write it anew: python -m tests.ops.make_reference"


def test_every_operation_is_on_it() -> None:
    text = page()
    assert [name for name in OPS if f"| `{name}(" not in text] == []
