"""Tasks in which what matters lies far back: those of Hochreiter and Schmidhuber 1997, and two that came after.

One file for each family, run as a program: what is drawn, what counts as learned, and what has been published. They
share `task.py`, the form of a task, `trial.py`, the networks and their training, and `report.py`, the console.
"""
