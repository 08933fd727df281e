"""Pictures of recorded graphs: ``draw(loss)`` gives a ``graphviz.Digraph``. The graphviz package loads at that call."""

from tinygrad_rnn.draw.picture import draw

__all__ = ["draw"]
