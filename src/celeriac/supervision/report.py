"""The report: how the fork server tells the node a child's exit status, one pipe a child."""

import struct

__all__ = ["REPORT"]

#: A wait status as ``os.waitpid`` gives it, written when the server has reaped the child.
#: The end of the pipe without it says that the server has died.
REPORT = struct.Struct("!i")
