"""Attempts at tasks: their events, what a learner can do, and how a task enters and leaves a cluster."""
