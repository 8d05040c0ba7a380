"""Lends channels as the broker's pool does, without keeping any."""

from collections.abc import Iterator
from contextlib import contextmanager

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.location import Location

__all__ = ["Lender"]


class Lender:
    """A connection for each loan."""

    def __init__(self, location: Location) -> None:
        self._location = location

    @contextmanager
    def channel(self, *, timeout: float = 5.0) -> Iterator[Channel]:
        connection = Connection.open(self._location, timeout=timeout, name="test")
        try:
            yield connection.channel()
        finally:
            connection.close()
