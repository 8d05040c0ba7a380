"""Where the example site is, and a port for it."""

import socket
from pathlib import Path

POSTOFFICE = Path(__file__).parents[2] / "examples" / "postoffice"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
