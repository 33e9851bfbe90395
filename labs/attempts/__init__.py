"""Attempts: what a learner began, did and got. The state is in SQLite before it is shown."""
