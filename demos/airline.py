"""Airline passengers: many inputs, one output: how many will fly next month, from the months before.

    python demos/airline.py --full --plot airline.svg

The exercise of the EduNet lectures (L08_RNN, CC0): the series, squeezed into [0, 1], is cut into windows of 8 months
and the one that follows; the first 80 % are for training. A recurrent layer of 4 units, a linear map of its last state,
squared error, Adam at 0.01, 2,000 epochs of all windows at once. The networks' ranges are those of five seeds.

Said honestly: every network of 4 units fits the past better than persistence, which says that next month is like this
one. On the months that follow, it is a close race after 1,000 epochs, and after 2,000 most of them lose it. A straight
line fitted to windows of 12 months or of 32 beats them all: it needs to see the same month a year ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demos import console  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, mse_loss, nn, no_grad, optim
from tinygrad_rnn.tensor import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS, RATE, SEEDS = 4, 0.01, 5  # hidden units, learning rate, runs of each network
LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
PYTORCH = {"RNN": ".0017-.0023", "LSTM": ".0009-.0022", "GRU": ".0010-.0020"}  # training error at windows of 8, 5 seeds


class Forecaster(nn.Module):
    """The next value, from the last state of a recurrent layer."""

    def __init__(self, layer: str, rng: np.random.Generator) -> None:
        self.recurrent = LAYERS[layer](1, UNITS, unroll=False, rng=rng)
        self.head = nn.Linear(UNITS, 1, rng=rng)

    def forward(self, windows: Array) -> Tensor:
        """Windows [T, N] to the values [N] that follow."""
        outputs, _ = self.recurrent(windows[:, :, None])
        predicted: Tensor = self.head(outputs[-1]).reshape(-1)
        return predicted


@dataclass(frozen=True)
class Task:
    """Windows [T, N] of a series in [0, 1] and the values [N] that follow; the first ``train`` are for training."""

    x: Array
    y: Array
    train: int
    low: float  # thousands of passengers at 0
    passengers: float  # thousands of passengers in a difference of 1

    def errors(self, predicted: Array) -> tuple[float, float]:
        """The mean squared error in training, and the root mean squared error in thousands of passengers after it."""
        squares = np.square(predicted - self.y)
        return float(squares[: self.train].mean()), float(np.sqrt(squares[self.train :].mean()) * self.passengers)


def task(window: int) -> Task:
    """The series cut into windows. Its range is that of all months, as in the notebook."""
    series = np.loadtxt(console.DATA / "airline_passengers.csv", delimiter=",", skiprows=1, usecols=1)
    low, high = series.min(), series.max()
    scaled = ((series - low) / (high - low)).astype(np.float32)
    N = len(series) - window
    return Task(np.stack([scaled[i : i + N] for i in range(window)]), scaled[window:], int(0.8 * N), low, high - low)


def fit(task: Task, layer: str, epochs: int, seed: int) -> Array:
    """Train one network; its predictions [N]."""
    model = Forecaster(layer, np.random.default_rng(seed))
    optimizer = optim.Adam(model.parameters(), RATE)
    x, y = task.x[:, : task.train], task.y[: task.train]
    for _ in range(epochs):
        optimizer.zero_grad()
        mse_loss(model(x), y).backward()
        optimizer.step()
    with no_grad():
        predicted: Array = model(task.x).data
    return predicted


def straight_line(task: Task) -> Array:
    """The predictions [N] of the linear map that fits the training windows best."""
    columns = np.vstack([task.x, np.ones(len(task.y))]).T
    predicted: Array = columns @ np.linalg.lstsq(columns[: task.train], task.y[: task.train])[0]
    return predicted


def rows(task: Task, predictions: dict[str, list[Array]], published: dict[str, str]) -> Iterator[list[str]]:
    """A line for each way to predict: its errors over the seeds, and how many of them beat persistence."""
    bars = task.errors(predictions["persistence"][0])
    for name, seeds in predictions.items():
        cells = []
        for errors, bar, places in zip(zip(*map(task.errors, seeds), strict=True), bars, (5, 0), strict=True):
            ends = dict.fromkeys(f"{end:.{places}f}" for end in (min(errors), max(errors)))
            wins = f"{sum(error < bar for error in errors)} of {len(seeds)}"
            cells += ["-".join(ends), "" if name == "persistence" else wins]
        yield [name, *cells[:2], published.get(name, ""), *cells[2:]]


def picture(task: Task, predictions: dict[str, list[Array]]) -> Figure:
    """The last years, and what was predicted for each month: by persistence, and by each network of the first seed."""
    figure, axes = console.figure("Predicted one month ahead", "", "passengers, thousands", width=9)
    months = 1961 - np.arange(len(task.y), 0, -1) / 12
    axes.axvspan(months[task.train], 1961, color="#f1f5f9", label="not trained on")
    curves = {"what came": task.y, **{name: predictions[name][0] for name in ("persistence", *LAYERS)}}
    looks = [("#1f2937", "-"), (console.COLOURS["other"], ":"), *((console.COLOURS[name], "-") for name in LAYERS)]
    for (name, curve), (colour, style) in zip(curves.items(), looks, strict=True):
        passengers = task.low + curve[-72:] * task.passengers
        axes.plot(months[-72:], passengers, style, color=colour, label=name, lw=1.2)
    axes.set_xlim(1955, 1961)
    axes.legend(frameon=False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Train, and set the errors beside those of simpler ways."""
    full = "2,000 epochs, with windows of 2 and of 32 months too: a minute instead of 8 seconds"
    options = console.parser(__doc__, plot="the predictions", full=full).parse_args(arguments)
    epochs = 2000 if options.full else 1000
    for window in (2, 8, 32) if options.full else (8,):
        cut = task(window)
        predictions = {"persistence": [cut.x[-1]], "straight line": [straight_line(cut)], **{n: [] for n in LAYERS}}
        runs = [(layer, options.seed + i) for layer in LAYERS for i in range(SEEDS)]
        for layer, seed in console.progress(runs, f"windows of {window}"):
            predictions[layer].append(fit(cut, layer, epochs, seed))
        sizes = f"{cut.train} for training, {len(cut.y) - cut.train} after them"
        print(f"windows of {window} months: {sizes}; {epochs:,} epochs, {SEEDS} seeds")
        print("better: how many of them beat persistence")
        header = ["", "training MSE", "better", "PyTorch", "RMSE after", "better"]
        console.table(header, rows(cut, predictions, PYTORCH if window == 8 and options.full else {}))
        if options.plot and window == 8:
            console.save(picture(cut, predictions), options.plot)


if __name__ == "__main__":
    console.run(main)
