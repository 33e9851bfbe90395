"""Every error the application raises on purpose.

    LabsError                  exit code 3 unless a subclass says otherwise
    ├── UsageError             2  the command line asks for something that does not exist
    ├── DataError              2  a file of ours or of the user's is wrong; `where` is its file:line
    ├── MachineError           3  this machine lacks something (root, runc, disk, a tool)
    ├── ClusterError           3  the cluster could not be asked or did not answer in time
    │   └── NotOursError       3  the cluster, or the object, does not carry our mark
    ├── EngineError            3  a component of the embedded engine failed
    │   ├── ComponentError     3  a binary could not be found, fetched or built
    │   └── TakenError         3  a port, subnet or name is in use by somebody else
    └── Interrupted            130  Ctrl-C, after everything was put back in order

Exceptions carry data; `cli.py` and `tui/` render them. No traceback of these reaches a user.
"""

from __future__ import annotations


class LabsError(Exception):
    """Something went wrong that the user can understand and mend.

    Args:
        message: What happened, one sentence, no trailing full stop.
        hint: The mend, shown on a line of its own behind `hint:`; empty when there is none to give.
        where: Place in a file (`path:line`) or object (`Deployment serving/embedder`) it is about.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(LabsError):
    """The command line names something that does not exist or does not go together."""

    exit_code = 2


class DataError(LabsError):
    """A data file is malformed; `where` says which line."""

    exit_code = 2


class MachineError(LabsError):
    """This machine lacks something the command needs."""


class ClusterError(LabsError):
    """The cluster could not be asked."""


class NotOursError(ClusterError):
    """The cluster or the object does not carry our mark, so it is left alone."""


class EngineError(LabsError):
    """The embedded engine could not do what was asked."""


class ComponentError(EngineError):
    """The binary of a component could not be had from any source."""


class TakenError(EngineError):
    """A port, a subnet or a name is in use by somebody else."""


class Interrupted(LabsError):  # noqa: N818 - it is not a fault
    """The user pressed Ctrl-C; what had been begun was put in order."""

    exit_code = 130
