"""Messages in Redis, where Celery looks for them."""

from celeriac.brokers.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
