"""Puts scenarios into a cluster and takes them out again, exactly.

Called by `labs.attempts` and `labs.prove`; it decides nothing.
"""
