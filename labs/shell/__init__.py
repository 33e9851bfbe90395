"""The learner's shell: a terminal session the lab owns, with the cluster's kubeconfig and the task's commands.

Called by `tui/` (opens it) and by whatever ends an attempt or a cluster (`close`). Drawing the screen that leads there
is not its business.
"""

from labs.shell.session import Shell, close, open_shell

__all__ = ["Shell", "close", "open_shell"]
