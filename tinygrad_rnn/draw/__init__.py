"""Pictures of recorded graphs: ``draw(loss)`` gives a ``graphviz.Digraph``. The graphviz package loads at that call."""

from tinygrad_rnn.draw.between import path
from tinygrad_rnn.draw.difference import diff
from tinygrad_rnn.draw.engine import doctor
from tinygrad_rnn.draw.page import to_html
from tinygrad_rnn.draw.picture import draw
from tinygrad_rnn.draw.report import summary
from tinygrad_rnn.draw.strip import gradient_strip

__all__ = ["diff", "doctor", "draw", "gradient_strip", "path", "summary", "to_html"]
