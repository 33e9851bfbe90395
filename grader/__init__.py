"""Verdicts on a live cluster: check kinds, guards, outcomes and their evidence. Knows nothing of `labs` or `tui`."""
