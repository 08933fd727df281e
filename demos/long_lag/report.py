"""The long-lag demos at the console: options, all trials of a task, their table and picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from demos import console  # isort: split

from demos.long_lag.task import Task
from demos.long_lag.trial import CELLS, Trial, trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OTHER = "The published count belongs to another cell and another optimizer."
FEWEST = 512  # sequences: after these every task has its errors
COLOURS = console.COLOURS | {"IRNN": "#cc79a7", "1997": "#e69f00"}


def main(
    about: str | None,
    make: Callable[..., Task],
    arguments: Sequence[str] | None,
    *,
    lags: Sequence[int] = (),
    least: int = 0,
    cells: Sequence[str] = ("LSTM", "RNN"),
) -> None:
    """Run a task with each cell: ``make(lag)`` with the first of ``lags``, or with all of them where there is --full.

    --lag offers others, from ``least`` on. Without ``lags``, the task is ``make()``.
    """
    options = parsed(about, arguments, lags, least, cells)
    chosen = [options.lag] if options.lag else lags if options.full else lags[:1]
    tasks = {f"_{lag}": make(lag) for lag in chosen} or {"": make()}
    for suffix, made in tasks.items():
        task = replace(made, rate=options.rate or made.rate, limit=options.limit or made.limit)
        found = trials(task, options, 5 if options.full else 1)
        print(f"{task.name}\nlearned when {task.rule}")
        measure = "MSE" if task.outputs == 1 else "mean error"
        console.table(["", "parameters", "sequences", "seconds", measure, "learned"], rows(task, found))
        if task.count:
            print(f"{OTHER}\n")
        if options.plot:
            name = options.plot.stem + (suffix if len(tasks) > 1 else "")
            console.save(picture(task, found), options.plot.with_stem(name))


def parsed(
    about: str | None, arguments: Sequence[str] | None, lags: Sequence[int], least: int, cells: Sequence[str]
) -> argparse.Namespace:
    """The options; ``lag`` is None if it is not given."""
    more = f", and lags {', '.join(map(str, lags))}, each with a picture of its own, long ones minutes a seed"
    parser = console.parser(about, plot="the error by sequences", full="5 seeds" + more * (len(lags) > 1))
    parser.set_defaults(lag=None)
    if lags:
        steps = f"the T, p or q above: steps, {least} or more (default: {lags[0]})"
        parser.add_argument("--lag", metavar="N", type=console.whole(least), help=steps)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=cells, help=f"default: {' '.join(cells)}")
    parser.add_argument(
        "--forget-bias", metavar="B", type=console.finite, help="of LSTMs, in place of many time scales"
    )
    parser.add_argument("--rate", metavar="X", type=console.positive, help="learning rate, in place of the task's own")
    give_up = f"sequences after which to give up, {FEWEST} or more (default: {Task.limit})"
    parser.add_argument("--limit", metavar="N", type=console.whole(FEWEST), help=give_up)
    return parser.parse_args(arguments)


def trials(task: Task, options: argparse.Namespace, seeds: int) -> dict[str, list[Trial]]:
    """``seeds`` trials of each cell. A tanh RNN gets as many sequences as the first cell needed; the others go on."""
    found: dict[str, list[Trial]] = {cell: [] for cell in options.cells}
    for seed in range(options.seed, options.seed + seeds):
        for cell, done in found.items():
            first = found[options.cells[0]]
            limit = first[-1].sequences if cell == "RNN" and first is not done else task.limit
            done.append(trial(task, cell, seed, limit=limit, forget_bias=options.forget_bias))
    return found


def rows(task: Task, found: dict[str, list[Trial]]) -> Iterator[list[str]]:
    """A line for each cell, one for answers that know nothing, and one for what has been published."""
    for cell, done in found.items():
        yield [
            f"{label(cell)}, {task.units} units",
            f"{done[0].parameters:,}",
            span((t.sequences for t in done), ",d"),
            span((t.seconds for t in done), ".1f"),
            f"{sum(t.error for t in done) / len(done):.4f}",
            f"{sum(t.met for t in done)} of {len(done)}",
        ]
    yield ["knowing nothing", "", "", "", f"{task.blind:.4f}", ""]
    if task.count:
        yield ["published in 1997", f"{task.weights:,}", f"{task.count:,}", "", "", ""]


def label(cell: str) -> str:
    """What a cell is called."""
    return "LSTM of 1997" if cell == "1997" else cell


def span(values: Iterable[float], form: str) -> str:
    """The least and the largest value."""
    ends = sorted(values)
    return "-".join(dict.fromkeys(f"{end:{form}}" for end in (ends[0], ends[-1])))


def picture(task: Task, found: dict[str, list[Trial]]) -> Figure:
    """The error of the latest sequences by the number of sequences learned from."""
    measure = "mean squared error" if task.outputs == 1 else "mean error"
    figure, axes = console.figure(f"{task.name[0].upper()}{task.name[1:]}", "sequences learned from", measure)
    for cell, done in found.items():
        for k, one in enumerate(done):
            axes.plot(*zip(*one.curve, strict=True), color=COLOURS[cell], label="" if k else label(cell))
    axes.axhline(task.blind, color=COLOURS["other"], lw=0.8, ls="--", label="knowing nothing")
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return figure
