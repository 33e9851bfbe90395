"""Opens the folders of new volumes to pods of any user. Called by the supervisor's loop.

The controller manager's provisioner makes a volume's folder for root alone, as if every container ran as root. Other
provisioners open it to everybody; so do we, the moment it appears. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

IN_CREATE = 0x100
IN_NONBLOCK = 0o4000
IN_CLOEXEC = 0o2000000
OPEN = 0o777


class VolumeOpener:
    """Watches the folder of all volumes.

    Args:
        folder: Where the provisioner makes one folder per volume.

    Attributes:
        descriptor: Readable when there is something for `open_new` to do; -1 where the kernel gave no watch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self.descriptor >= 0:
            libc.inotify_add_watch(self.descriptor, os.fsencode(folder), IN_CREATE)
        self.open_new()

    def open_new(self) -> None:
        """Open every folder that is not open yet."""
        if self.descriptor >= 0:
            with contextlib.suppress(BlockingIOError):
                os.read(self.descriptor, 65536)
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and entry.stat().st_mode & OPEN != OPEN:
                    Path(entry.path).chmod(OPEN)
