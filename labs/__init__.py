"""The application without a screen: clusters, scenarios, faults, attempts and the command line.

`tui` draws what this package does; `grader` judges what it observes. Nothing here imports `textual` or `rich`.
"""
