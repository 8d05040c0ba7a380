"""A module that may be preloaded."""

import os
import threading

LOADED: list[str] = []


def load() -> None:
    LOADED.append("called")


def finish_a_thread() -> None:
    """Leave nothing behind."""
    threading.Thread(target=load).start()


def tell(argument: bytes, fds: list[int]) -> None:
    """As a target: say what was loaded in the server."""
    os.write(fds[0], repr(LOADED).encode())
