import pytest

from tests.draw.networks import lstm
from tinygrad_rnn.draw.dot import frames
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.project import Level


@pytest.mark.parametrize("level", ["op", "cell"])
def test_no_frame_hides_the_border_of_one_that_was_drawn_before(level: Level) -> None:
    drawn = frames(scene_of(lstm(3), level=level))
    for k, later in enumerate(drawn):
        for before in drawn[:k]:
            a, b = before.box, later.box
            assert a is not None
            assert b is not None
            apart = a.right <= b.left or b.right <= a.left or a.top <= b.bottom or b.top <= a.bottom
            inside = a.left <= b.left and b.right <= a.right and a.bottom <= b.bottom and b.top <= a.top
            assert apart or inside or before.kind == "lane"  # which has no border
