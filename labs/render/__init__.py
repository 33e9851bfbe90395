"""Events, reports and tables as plain terminal text.

Called by `labs.commands`; the TUI has widgets of its own and does not come here.
"""
