"""What every test shares: one BLAS thread, how Hypothesis searches, and that it leaves the engine as it was.

The default profile `ci` draws the same examples on every run. `HYPOTHESIS_PROFILE=explore pytest` draws new
and more ones, and remembers those that fail.
"""

import os
from collections.abc import Iterator

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")  # read by BLAS once, when NumPy loads

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402  # may load NumPy

from tinygrad_rnn.op import thread  # noqa: E402
from tinygrad_rnn.tensor import registry  # noqa: E402

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # which a busy machine fails, whatever the test is
)
settings.register_profile("explore", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    """Operations that a test defines go when it ends; a test that leaves the recorder changed fails."""
    known = dict(registry)
    yield
    registry.clear()
    registry.update(known)
    recorder = thread.recorder
    assert (recorder.enabled, recorder.observers, recorder.scope, recorder.tracing) == (True, (), (), False)
