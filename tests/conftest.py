"""Settings that every test shares: one BLAS thread, and how Hypothesis searches.

The default profile `ci` draws the same examples on every run. `HYPOTHESIS_PROFILE=explore pytest` draws new
and more ones, and remembers those that fail.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")  # read by BLAS once, when NumPy loads

from hypothesis import HealthCheck, settings  # noqa: E402  # may load NumPy

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # which a busy machine fails, whatever the test is
)
settings.register_profile("explore", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
