"""The way to a server, known before anybody goes it.

What goes it is redis-py (``dialing``). That is as large as the rest of a small app, and most programs that import an
app, and most children of a worker, never connect: so it is imported by the first who does.
"""

import importlib.util
import socket
from typing import TYPE_CHECKING

from celeriac.redis.location import Address, Location

if TYPE_CHECKING:
    from celeriac.redis.dialing import Dialer

__all__ = ["Connector"]

if importlib.util.find_spec("redis") is None:
    raise ModuleNotFoundError("No module named 'redis'", name="redis")


class Connector:
    """Makes sockets to one place. Safe for many threads."""

    def __init__(self, location: Location, address: Address | None = None) -> None:
        self.location = location
        #: The node, in a Cluster.
        self.address = address
        self._dialer: Dialer | None = None

    @property
    def server(self) -> str:
        """The server's name in messages."""
        return str(self.address) if self.address is not None else self.location.url

    def connect(self, timeout: float) -> socket.socket:
        """Return a socket that is ready for commands; raises ``RedisUnavailable`` with the cure."""
        dialer = self._dialer
        if dialer is None:
            from celeriac.redis.dialing import Dialer

            dialer = self._dialer = Dialer(self.location, self.address, self.server)
        return dialer.dial(timeout)
