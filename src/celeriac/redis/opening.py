"""From a location to what speaks to it."""

from celeriac.redis.cluster import Cluster
from celeriac.redis.location import Kind, Location
from celeriac.redis.servers import OneServer, Server

__all__ = ["server_at"]


def server_at(location: Location) -> Server:
    """Return the server or the Cluster, not connected yet."""
    return Cluster(location) if location.kind is Kind.CLUSTER else OneServer(location)
