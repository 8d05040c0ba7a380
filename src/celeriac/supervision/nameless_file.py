"""A file without a name, to hand something to a new interpreter."""

import os
import tempfile
from typing import IO

__all__ = ["nameless_file"]


def nameless_file() -> IO[bytes]:
    """Return a file that vanishes when closed; in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("celeriac"), "w+b")
    return tempfile.TemporaryFile()
