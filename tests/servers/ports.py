"""Free ports on loopback."""

import socket
import threading

__all__ = ["free_port", "is_listening"]

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """Return a port that nobody listens on and that this process has not been given before."""
    with _lock:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            # A Redis Cluster listens 10,000 above its port too.
            if port not in _given and port < 55_000:
                _given.add(port)
                return port


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
