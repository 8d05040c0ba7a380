"""The board: a page of memory shared with a child, on which the child writes what it is running.

The node reads it whenever it likes, without the child's help: while a C call holds the child's interpreter lock, and
after the child's death. So the node knows which executions had begun, since when, and when their hard limit is due.

One row per slot: the def slots first, then the coroutines'. A row is the work's sequence number (0: idle), the moment
it began and its hard deadline (0: none), both by the monotonic clock, which all processes of a machine share.
"""

import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Board", "Row"]

_ROW = struct.Struct("<Qdd")
_SEQUENCE = struct.Struct("<Q")


class Row(NamedTuple):
    """One running execution."""

    sequence: int
    began: float
    #: 0: no hard limit.
    deadline: float


class Board:
    """The shared rows. The node creates it; the child opens it from the descriptor it was given."""

    def __init__(self, descriptor: int, rows: int) -> None:
        self.descriptor = descriptor
        self.rows = rows
        self._memory = mmap.mmap(descriptor, rows * _ROW.size)

    @classmethod
    def create(cls, rows: int) -> "Board":
        """Make a board of idle rows, in memory that has no name and goes with its last user."""
        size = rows * _ROW.size
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("celeriac-board", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, size)
        return cls(descriptor, rows)

    def begin(self, row: int, sequence: int, began: float, deadline: float) -> None:
        """Write that an execution begins. The child's hot path: well under a microsecond."""
        _ROW.pack_into(self._memory, row * _ROW.size, sequence, began, deadline)

    def end(self, row: int) -> None:
        """Write that the row is idle."""
        _SEQUENCE.pack_into(self._memory, row * _ROW.size, 0)

    def running(self) -> Iterator[Row]:
        """Yield the rows in use. A row being written at this moment may be seen as it was or as it will be."""
        for values in _ROW.iter_unpack(self._memory[:]):
            if values[0]:
                yield Row._make(values)

    def close(self) -> None:
        """Unmap the memory and close the descriptor. Safe to call twice."""
        if not self._memory.closed:
            self._memory.close()
            os.close(self.descriptor)
