from tests.core.conftest import _leave_no_trace  # noqa: F401  # the recorder is as it was, the registry too
