"""For all tests: programs they start take Ctrl-C, wherever the tests themselves were started.

A shell without job control starts background jobs with SIGINT ignored, and what is ignored stays so through `exec`.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
