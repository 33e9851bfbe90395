"""The commands of the CLI, one module per topic: parse, call, print. Registered by `labs.cli`; nothing else comes here.

Modules import what they call inside the function that calls it, so that `labs --help` answers at once.
"""
