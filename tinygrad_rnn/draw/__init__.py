"""Pictures of recorded graphs: ``draw(loss)`` gives a ``graphviz.Digraph``. The graphviz package loads at that call."""

from tinygrad_rnn.draw.difference import diff
from tinygrad_rnn.draw.engine import doctor
from tinygrad_rnn.draw.picture import draw
from tinygrad_rnn.draw.report import summary

__all__ = ["diff", "doctor", "draw", "summary"]
