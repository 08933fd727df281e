"""What holds for the core's tests holds for those of its observers."""

from tests.core.conftest import _leave_no_trace

__all__ = ["_leave_no_trace"]
