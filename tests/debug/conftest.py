from collections.abc import Iterator

import pytest

from tinygrad_rnn.op import thread
from tinygrad_rnn.tensor import registry


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    """Operations that a test defines go when it ends; a test that leaves the recorder changed fails."""
    known = dict(registry)
    yield
    registry.clear()
    registry.update(known)
    recorder = thread.recorder
    assert (recorder.enabled, recorder.observers, recorder.scope, recorder.tracing) == (True, (), (), False)
