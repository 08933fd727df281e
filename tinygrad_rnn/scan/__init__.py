"""Running a cell along time."""

from tinygrad_rnn.scan.unroll import scan

__all__ = ["scan"]
