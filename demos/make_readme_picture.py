"""The picture in the README: the operations that an LSTM records over three time steps, and the loss they lead to.

    python demos/make_readme_picture.py [FILE]

FILE ends in .svg or .png; without it, the README's own file is written. Needs dot or graphviz-pure.
"""

import argparse
from pathlib import Path

import graphviz
import numpy as np

from tinygrad_rnn import Tensor, mse_loss, nn
from tinygrad_rnn.draw import draw

README_FILE = Path(__file__).parent / "images" / "lstm_graph.svg"


def picture() -> graphviz.Digraph:
    """A batch of 2 sequences of 3 steps and 3 features, read by an LSTM with 4 units."""
    lstm = nn.LSTM(3, 4, rng=0)
    outputs, _ = lstm(Tensor(np.zeros((3, 2, 3), np.float32), name="x"))
    return draw(mse_loss(outputs, Tensor(np.zeros((3, 2, 4), np.float32), name="target")))


def main(arguments: list[str] | None = None) -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw the README's picture: an LSTM unrolled over three time steps.")
    parser.add_argument("file", nargs="?", type=Path, default=README_FILE, metavar="FILE", help="ends in .svg or .png")
    file = parser.parse_args(arguments).file
    if file.suffix not in {".svg", ".png"}:
        parser.error(f"{file}: the name must end in .svg or .png")
    try:
        data = picture().pipe(format=file.suffix[1:])
    except graphviz.ExecutableNotFound as error:
        parser.error(str(error))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    print(f"wrote {file}")


if __name__ == "__main__":
    main()
