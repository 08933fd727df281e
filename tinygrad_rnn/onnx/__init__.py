"""ONNX: a model as one file that other programs run, without Python and without this package.

A ``Graph`` is written in the order in which the data flows; each layer is a function that adds what it does, as it
does it in evaluation. Axes that are named instead of numbered, such as time and batch, are open in the file.

    graph = onnx.Graph()
    x, h = graph.input("x", np.float32, ("T", "B", 3)), graph.input("h_0", np.float32, (1, "B", 5))
    outputs, (h,) = onnx.recurrent(graph, nn.GRU(3, 5), x, [h])
    graph.output("y", onnx.linear(graph, nn.Linear(5, 2), outputs), np.float32, ("T", "B", 2))
    graph.output("h_n", h, np.float32, (1, "B", 5))
    graph.save("model.onnx")

Reading order: graph.py is the content of a file, layers.py the layers; cells.py has the cells for which ONNX has a
node, loop.py all others, cells of one's own among them, as a loop around the operations of one step; operations.py
says which those may be.
"""

from tinygrad_rnn.onnx.graph import ExportError, Graph
from tinygrad_rnn.onnx.layers import embedding, layer_norm, linear, recurrent

__all__ = ["ExportError", "Graph", "embedding", "layer_norm", "linear", "recurrent"]
