"""A microscope for what the engine does: traces, single turns of backward, the first NaN, and where the time goes.

All of it is built on the recorder's observers, outside of the core; while none watches, nothing is spent on it.

``trace()``      lists forward and backward as they run
``pullbacks(y)`` goes back from y one turn at a time
``anomaly()``    stops at the first value that is not finite, forward or backward, and says where it came from
``profile()``    measures time and bytes for each operation and each part of the model
"""

from tinygrad_rnn.debug.anomaly import Anomaly, NonFiniteError, anomaly
from tinygrad_rnn.debug.profile import Cost, Profile, profile
from tinygrad_rnn.debug.trace import Entry, Trace, pullbacks, trace
from tinygrad_rnn.debug.watch import Contribution, Pullback, Watcher

__all__ = [
    "Anomaly",
    "Contribution",
    "Cost",
    "Entry",
    "NonFiniteError",
    "Profile",
    "Pullback",
    "Trace",
    "Watcher",
    "anomaly",
    "profile",
    "pullbacks",
    "trace",
]
