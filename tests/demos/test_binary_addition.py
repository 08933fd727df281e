"""The published run of binary addition, number for number."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

from demos import binary_addition
from tests.demos.printed import printed


def test_the_ten_published_errors() -> None:
    sums = binary_addition.train(seed=0)
    published = [
        3.45638663, 3.63389116, 3.91366595, 3.72191702, 3.5852713, 2.53352328, 0.57691441, 1.42589952, 0.47477457,
        0.21595037,
    ]  # fmt: skip
    assert_allclose([one.error for one in sums[::1000]], published, rtol=0, atol=1e-6)
    assert [(one.a, one.b, one.read) for one in sums[6000::1000]] == [
        (81, 0, 81), (4, 125, 129), (39, 17, 56), (11, 3, 14),
    ]  # fmt: skip
    assert all(one.right for one in sums[-1000:])


def test_the_table_has_both(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong, small = (binary_addition.Sum(*one) for one in ((81, 0, 81, 0.5), (9, 60, 1, 3.5), (1, 1, 2, 0.1)))
    monkeypatch.setattr(binary_addition, "train", lambda seed: [wrong] * 6000 + [right] * 3500 + [small, wrong] * 250)
    binary_addition.main([])
    lines = printed(capsys).splitlines()
    assert lines[1].split() == ["0", "3.50000000", "3.45638663", "9", "+", "60", "=", "1", "wrong"]
    assert lines[7].split() == ["6000", "0.50000000", "0.57691441", "81", "+", "0", "=", "81"]
    assert lines[-1] == "75.0 % of the last 1000 sums are right"
