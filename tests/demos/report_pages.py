"""What the tests of the pages share: a small model, and ways to take a page apart."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from demos.lm.model import CharLM
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text import Vocabulary


def tiny(cell: str) -> CharLM:
    made = CharLM(Vocabulary("abcd "), cell, layers=2, units=3, dropout=0.3, dtype=np.float64, rng=4).eval()
    for parameter in made.parameters():
        parameter.data = 2 * parameter.data  # so that what lies back is felt
    return made


def steady(row: Array) -> Array:
    """A unit's states less their mean over 250 characters on each side, one by one."""
    return np.array([row[t] - row[max(t - 250, 0) : t + 251].astype(float).mean() for t in range(len(row))])


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


def unpacked(text: str, dtype: str) -> Array:
    return np.frombuffer(base64.b64decode(text), dtype)
