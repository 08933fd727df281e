from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def runtime() -> Any:
    """The module onnxruntime: without it there is nothing to compare with."""
    pytest.importorskip("onnx", reason="the extra onnx is not installed: pip install -e '.[onnx]'")
    return pytest.importorskip("onnxruntime", reason="the extra onnx is not installed: pip install -e '.[onnx]'")
