"""What the stores allow: the least that has to be done to publish and to take, in the plainest loop of a client."""

from benchmarks.floors.rabbitmq import OWN_CONFIRMED, OWN_UNCONFIRMED, PY_AMQP_CONFIRMED, PY_AMQP_UNCONFIRMED
from benchmarks.floors.redis import REDIS, REDIS_SOCKET
from benchmarks.floors.sqlite import SQLITE

__all__ = ["FLOORS"]

FLOORS = (SQLITE, REDIS, REDIS_SOCKET, OWN_CONFIRMED, OWN_UNCONFIRMED, PY_AMQP_CONFIRMED, PY_AMQP_UNCONFIRMED)
